"""How OpenLineage calls the places that data is in: by a namespace and a name, after its naming specification."""

import os
from pathlib import Path

from openlineage.client.naming import dataset as naming
from psycopg.conninfo import conninfo_to_dict

from core.spec.source import PostgresSource, Source


def of_source(source: Source, base_dir: str, database_url: str) -> tuple[str, str]:
    """A source's namespace and name. A glob is one dataset, called as it is written.

    Where the environment variable of a table's database is not set any more, the variable stands for the server.
    """
    if not isinstance(source, PostgresSource):
        return of_path(source.path, base_dir)
    url = os.environ.get(source.url_env) if source.url_env else database_url
    schema, _, table = source.table.rpartition(".")
    if not url:
        return f"postgres://{source.url_env}", f"{schema or 'public'}.{table}"
    where = conninfo_to_dict(url)
    found = naming.Postgres(
        host=str(where.get("host") or "localhost"),
        port=str(where.get("port") or 5432),
        database=str(where.get("dbname") or where.get("user") or "postgres"),
        schema=schema or "public",
        table=table,
    )
    return found.get_namespace(), found.get_name()


def of_path(path: str, base_dir: str) -> tuple[str, str]:
    """The namespace and name of files: `file` and the absolute path, or the bucket's URL and the key in it."""
    protocol, is_url, rest = path.partition("://")
    if not is_url:
        found = naming.LocalFileSystem(path=str(Path(base_dir) / path))
        return found.get_namespace(), found.get_name()
    bucket, _, key = rest.partition("/")
    return f"{protocol}://{bucket}", key
