"""PostgreSQL: tables, views, their keys, and what the server's statistics say of their rows."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from core.errors import InputError, SourceError
from tools.discovery.adapters.adapter import Part
from tools.discovery.dataset import Column, Description, ForeignKey, SourceType

if TYPE_CHECKING:
    import pyarrow as pa


class PostgresAdapter:
    """The tables and views of a database that its user may read, system schemas aside; partitions are of their table.

    A table's version is made of its definition, the server's counters of changed rows, and the time of its last
    ANALYZE. Rows are estimates; null shares are those of ANALYZE. The last change is that of the table's file, which
    may be late by a checkpoint, and which only users with the right to it are told. A password that is not in the URL
    comes from `PGPASSWORD` or `~/.pgpass`.
    """

    def __init__(self, url: str) -> None:
        try:
            parts = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            # The parser's words would show the whole URL, with its password.
            raise InputError(
                "That is not the URL of a PostgreSQL database.",
                remedy="It looks like postgresql://user@host:5432/database.",
            ) from None
        user = parts.get("user") or os.environ.get("PGUSER")
        host = parts.get("host") or os.environ.get("PGHOST", "localhost")
        port = parts.get("port") or os.environ.get("PGPORT", "5432")
        name = parts.get("dbname") or os.environ.get("PGDATABASE") or user or ""
        self._url = url
        login = quote(str(user)) + "@" if user else ""
        self.source = f"postgresql://{login}{quote(str(host), safe='')}:{port}/{quote(str(name))}"

    def parts(self) -> Iterator[Part]:
        with self._connect() as connection:
            rows = connection.execute(_VERSIONS).fetchall()
        yield from (Part(self._location(row["schema"], row["name"]), row["version"]) for row in rows)

    def read(self, part: str) -> Sequence[Description]:
        schema, name = self._named(part)
        with self._connect() as connection:
            table = connection.execute(_TABLE, (schema, name)).fetchone()
            if table is None:
                raise SourceError(part, "it went away while it was to be read.", remedy="Crawl again.")
            columns = connection.execute(_COLUMNS, (table["oid"],)).fetchall()
            keys = connection.execute(_KEYS, (table["oid"],)).fetchall()
            upstream = connection.execute(_UPSTREAM, (table["oid"], table["oid"])).fetchall()
            updated_at = _changed(connection, table["oid"])
        rows = table["rows"]
        measured = bool(rows) and any(column["null_frac"] is not None for column in columns)
        return [
            Description(
                location=part,
                name=name,
                source_type=SourceType.DATA_WAREHOUSE,
                format=table["kind"],
                columns=tuple(map(_column, columns)),
                partition_keys=tuple(table["partition_keys"] or ()),
                rows=rows,
                rows_estimated=True,
                bytes=table["bytes"],
                updated_at=updated_at,
                primary_key=next((tuple(key["columns"]) for key in keys if key["type"] == "p"), ()),
                unique_keys=tuple(tuple(key["columns"]) for key in keys if key["type"] == "u"),
                foreign_keys=tuple(self._foreign_key(key) for key in keys if key["type"] == "f"),
                upstream=tuple(self._location(row["schema"], row["name"]) for row in upstream),
                description=table["description"],
                owner=table["owner"],
                measured_rows=rows if measured else None,
                measured_by="null shares of ANALYZE" if measured else None,
            )
        ]

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        import ibis

        schema, name = self._named(dataset.location)
        with self._connect() as connection:
            # Ibis wants rows as tuples.
            connection.row_factory = psycopg.rows.tuple_row
            table = ibis.postgres.from_connection(connection).table(name, database=schema)
            return table.select(*columns).limit(rows).to_pyarrow()

    def _foreign_key(self, key: dict[str, Any]) -> ForeignKey:
        return ForeignKey(
            columns=tuple(key["columns"]),
            references=self._location(key["schema"], key["name"]),
            references_columns=tuple(key["references_columns"]),
        )

    def _location(self, schema: str, name: str) -> str:
        # The first dot is the one between them.
        return f"{self.source}/{quote(schema, safe='').replace('.', '%2E')}.{quote(name, safe='')}"

    def _named(self, location: str) -> tuple[str, str]:
        schema, _, name = location.rpartition("/")[2].partition(".")
        return unquote(schema), unquote(name)

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        try:
            with psycopg.connect(self._url, connect_timeout=5, row_factory=dict_row) as connection:
                connection.read_only = True
                connection.execute("SET statement_timeout = '30s'")
                connection.execute("SET TIME ZONE 'UTC'")
                yield connection
        except psycopg.Error as error:
            words = " ".join(str(error).split()).rstrip(".")
            raise SourceError(
                self.source, f"its database cannot be read: {words}.", remedy="Start it, or correct its URL and rights."
            ) from error


def _column(row: dict[str, Any]) -> Column:
    from ibis.backends.sql.datatypes import PostgresType

    return Column(
        name=row["name"],
        type=str(PostgresType.from_string(row["type"])),
        nullable=not row["not_null"],
        description=row["description"],
        null_share=row["null_frac"],
    )


def _changed(connection: Any, oid: int) -> datetime | None:
    # The server checks the right to a function before it knows whether it will call it: hence two statements.
    allowed = connection.execute(
        "SELECT has_function_privilege('pg_stat_file(text, boolean)', 'execute') AS allowed"
    ).fetchone()["allowed"]
    if not allowed:
        return None
    row = connection.execute(
        "SELECT max((pg_stat_file(pg_relation_filepath(relid), true)).modification) AS at FROM ("
        " SELECT %s::oid::regclass AS relid UNION SELECT relid FROM pg_partition_tree(%s::oid) WHERE isleaf"
        ") AS files WHERE pg_relation_filepath(relid) IS NOT NULL",
        (oid, oid),
    ).fetchone()
    at: datetime | None = row["at"]
    return at


# Tables, partitioned tables, views, materialised views, foreign tables.
_READABLE = """
c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
"""

# The counters of a partitioned table are those of its partitions.
_STATISTICS = """
(SELECT sum(n_live_tup)::bigint AS live, sum(n_mod_since_analyze) AS modified,
    md5(string_agg(concat_ws(':', s.relid, n_tup_ins, n_tup_upd, n_tup_del, last_analyze, last_autoanalyze), ','
        ORDER BY s.relid)) AS counters
    FROM pg_stat_all_tables s
    WHERE s.relid = c.oid OR s.relid IN (SELECT relid FROM pg_partition_tree(c.oid)))
"""

_VERSIONS = f"""
SELECT n.nspname AS schema, c.relname AS name, md5(concat_ws('|', c.oid, c.relfilenode, c.reltuples, st.counters,
    obj_description(c.oid, 'pg_class'), pg_get_userbyid(c.relowner),
    CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END,
    (SELECT string_agg(concat_ws(':', attname, atttypid, atttypmod, attnotnull, col_description(c.oid, attnum)), ','
        ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0 AND NOT attisdropped),
    (SELECT string_agg(k.oid::text, ',' ORDER BY k.oid) FROM pg_constraint k WHERE conrelid = c.oid))) AS version
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL {_STATISTICS} AS st
WHERE {_READABLE} ORDER BY 1, 2
"""

# What ANALYZE counted is exact to its sample; after changes, the running count is nearer.
_TABLE = f"""
SELECT c.oid, pg_get_userbyid(c.relowner) AS owner, obj_description(c.oid, 'pg_class') AS description,
    CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END
        AS kind,
    CASE WHEN c.relkind IN ('v', 'f') THEN NULL WHEN c.reltuples >= 0 AND st.modified = 0 THEN c.reltuples::bigint
        ELSE st.live END AS rows,
    CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid)
        WHEN c.relkind = 'p' THEN (SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree(c.oid))::bigint
        END AS bytes,
    (SELECT array_agg(a.attname::text ORDER BY k.place) FROM pg_partitioned_table p,
        LATERAL unnest(p.partattrs::int2[]) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum WHERE p.partrelid = c.oid) AS partition_keys
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, LATERAL {_STATISTICS} AS st
WHERE {_READABLE} AND n.nspname = %s AND c.relname = %s
"""

# A domain counts as what it is made of, an enumeration as text.
_COLUMNS = """
SELECT a.attname AS name, a.attnotnull AS not_null, col_description(a.attrelid, a.attnum) AS description, s.null_frac,
    CASE WHEN t.typtype = 'e' THEN 'text' WHEN t.typtype = 'd' THEN format_type(t.typbasetype, t.typtypmod)
        ELSE format_type(a.atttypid, a.atttypmod) END AS type
FROM pg_attribute a
JOIN pg_type t ON t.oid = a.atttypid
JOIN pg_class c ON c.oid = a.attrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL (
    SELECT null_frac FROM pg_stats WHERE schemaname = n.nspname AND tablename = c.relname AND attname = a.attname
    ORDER BY inherited DESC LIMIT 1
) AS s ON true
WHERE a.attrelid = %s AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""

_KEYS = """
SELECT k.contype::text AS type, n.nspname AS schema, f.relname AS name,
    (SELECT array_agg(a.attname::text ORDER BY place) FROM unnest(k.conkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.attnum) AS columns,
    (SELECT array_agg(a.attname::text ORDER BY place) FROM unnest(k.confkey) WITH ORDINALITY AS u (attnum, place)
        JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.attnum) AS references_columns
FROM pg_constraint k
LEFT JOIN pg_class f ON f.oid = k.confrelid LEFT JOIN pg_namespace n ON n.oid = f.relnamespace
WHERE k.conrelid = %s AND k.contype IN ('p', 'u', 'f') ORDER BY k.conname
"""

_UPSTREAM = """
SELECT DISTINCT n.nspname AS schema, f.relname AS name
FROM pg_rewrite r
JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
JOIN pg_class f ON f.oid = d.refobjid JOIN pg_namespace n ON n.oid = f.relnamespace
WHERE r.ev_class = %s AND f.oid <> %s ORDER BY 1, 2
"""
