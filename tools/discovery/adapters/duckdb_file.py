"""DuckDB files, opened to read only."""

import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import duckdb

from core.errors import SourceError, first_line
from tools.discovery.adapters.adapter import Part
from tools.discovery.dataset import Column, Description, ForeignKey, SourceType

if TYPE_CHECKING:
    import pyarrow as pa

# Rows from which null shares are measured.
_SAMPLE = 1_000


class DuckDBAdapter:
    """The tables and views of a file. It changes as a whole: its version is its time and size."""

    def __init__(self, path: str) -> None:
        self.source = os.path.realpath(path.removeprefix("file://"))

    def parts(self) -> Iterator[Part]:
        try:
            found = os.stat(self.source)
        except OSError as error:
            raise SourceError(self.source, f"{error.strerror}.", remedy="Correct the path.") from error
        if not stat.S_ISREG(found.st_mode):
            raise SourceError(self.source, "it is no regular file.", remedy="Give the path of a DuckDB file.")
        yield Part(self.source, f"{found.st_mtime_ns}-{found.st_size}")

    def read(self, part: str) -> Sequence[Description]:
        updated_at = datetime.fromtimestamp(os.stat(self.source).st_mtime, UTC)
        with self._connect() as connection:
            tables = connection.execute(_TABLES).fetchall()
            return [self._describe(connection, table, updated_at) for table in tables]

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        schema, _, name = dataset.location.rpartition("/")[2].partition(".")
        with self._connect() as connection:
            return _rows(connection, unquote(schema), unquote(name), ", ".join(map(_quoted, columns)), rows)

    def _describe(self, connection: Any, table: tuple[Any, ...], updated_at: datetime) -> Description:
        schema, name, kind, rows, comment = table
        fault, sample = None, None
        try:
            sample = _rows(connection, schema, name, "*", _SAMPLE)
        except duckdb.Error as error:
            # A view on what is not here, or must not be read, hides nothing else.
            fault = f"{kind} {schema}.{name} cannot be read: {first_line(error)}"
        cells = zip(sample.column_names, sample.columns, strict=True) if sample else ()
        shares = {column: found.null_count / len(found) for column, found in cells}
        keys = connection.execute(_KEYS, (schema, name)).fetchall()
        return Description(
            location=self._location(schema, name),
            name=name,
            source_type=SourceType.DATA_WAREHOUSE,
            format=f"duckdb {kind}",
            columns=tuple(
                Column(
                    name=column, type=_type(type), nullable=nullable, description=said, null_share=shares.get(column)
                )
                for column, type, nullable, said in connection.execute(_COLUMNS, (schema, name)).fetchall()
            ),
            rows=rows,
            rows_estimated=True,
            updated_at=updated_at,
            primary_key=next((tuple(columns) for type, columns, _, _ in keys if type == "PRIMARY KEY"), ()),
            unique_keys=tuple(tuple(columns) for type, columns, _, _ in keys if type == "UNIQUE"),
            foreign_keys=tuple(
                ForeignKey(
                    columns=tuple(columns), references=self._location(schema, other), references_columns=tuple(theirs)
                )
                for type, columns, other, theirs in keys
                if type == "FOREIGN KEY"
            ),
            description=comment,
            measured_rows=sample.num_rows if sample else None,
            measured_by=f"the first {sample.num_rows} rows" if sample else None,
            fault=fault,
        )

    def _location(self, schema: str, name: str) -> str:
        # The first dot is the one between them.
        return f"{self.source}/{quote(schema, safe='').replace('.', '%2E')}.{quote(name, safe='')}"

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        connection = None
        try:
            # A view may read any file, and this file may come from anyone.
            connection = duckdb.connect(self.source, read_only=True, config={"enable_external_access": False})
            yield connection
        except duckdb.Error as error:
            raise SourceError(
                self.source,
                f"it cannot be read: {first_line(error)}.",
                remedy="See that it is whole, and that no one writes to it.",
            ) from error
        finally:
            if connection is not None:
                connection.close()


def _rows(connection: Any, schema: str, name: str, columns: str, rows: int) -> "pa.Table":
    found: pa.Table = connection.sql(
        f"SELECT {columns} FROM {_quoted(schema)}.{_quoted(name)} LIMIT {rows}"
    ).to_arrow_table()
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@lru_cache
def _type(type: str) -> str:
    from ibis.backends.sql.datatypes import DuckDBType

    if type.startswith("ENUM("):
        # Its values are text.
        return "string"
    try:
        return str(DuckDBType.from_string(type))
    except KeyError:
        # Of the place that a geometry is measured from.
        return type.partition("(")[0].lower()


_TABLES = """
SELECT schema_name, table_name, 'table', estimated_size, comment FROM duckdb_tables() WHERE NOT internal
UNION ALL SELECT schema_name, view_name, 'view', NULL, comment FROM duckdb_views() WHERE NOT internal
ORDER BY 1, 2
"""

_COLUMNS = """
SELECT column_name, data_type, is_nullable, comment FROM duckdb_columns()
WHERE schema_name = ? AND table_name = ? AND NOT internal ORDER BY column_index
"""

_KEYS = """
SELECT constraint_type, constraint_column_names, referenced_table, referenced_column_names FROM duckdb_constraints()
WHERE schema_name = ? AND table_name = ? AND constraint_type IN ('PRIMARY KEY', 'UNIQUE', 'FOREIGN KEY')
ORDER BY constraint_index
"""
