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

from core.errors import SourceError
from tools.discovery.adapters.adapter import Part
from tools.discovery.adapters.delimited import columns as measured
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
        with self._connect() as backend:
            tables = backend.con.execute(_TABLES).fetchall()
            return [self._describe(backend, table, updated_at) for table in tables]

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        schema, _, name = dataset.location.rpartition("/")[2].partition(".")
        with self._connect() as backend:
            table = backend.table(unquote(name), database=unquote(schema))
            return table.select(*columns).limit(rows).to_pyarrow()

    def _describe(self, backend: Any, table: tuple[Any, ...], updated_at: datetime) -> Description:
        schema, name, kind, rows, comment = table
        sample = backend.table(name, database=schema).limit(_SAMPLE).to_pyarrow()
        shares = {column.name: column.null_share for column in measured(sample)}
        keys = backend.con.execute(_KEYS, (schema, name)).fetchall()
        return Description(
            location=self._location(schema, name),
            name=name,
            source_type=SourceType.DATA_WAREHOUSE,
            format=f"duckdb {kind}",
            columns=tuple(
                Column(name=column, type=_type(type), nullable=nullable, description=said, null_share=shares[column])
                for column, type, nullable, said in backend.con.execute(_COLUMNS, (schema, name)).fetchall()
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
            measured_rows=sample.num_rows or None,
            measured_by=f"the first {sample.num_rows} rows" if sample.num_rows else None,
        )

    def _location(self, schema: str, name: str) -> str:
        # The first dot is the one between them.
        return f"{self.source}/{quote(schema, safe='').replace('.', '%2E')}.{quote(name, safe='')}"

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        import ibis

        backend = None
        try:
            # A view may read any file, and this file may come from anyone.
            backend = ibis.duckdb.connect(self.source, read_only=True, enable_external_access=False)
            yield backend
        except duckdb.Error as error:
            words = str(error).strip().split("\n")[0].rstrip(".")
            raise SourceError(
                self.source,
                f"it cannot be read: {words}.",
                remedy="See that it is whole, and that no one writes to it.",
            ) from error
        finally:
            if backend is not None:
                backend.disconnect()


@lru_cache
def _type(type: str) -> str:
    from ibis.backends.sql.datatypes import DuckDBType

    # An enumeration's values are text.
    return "string" if type.startswith("ENUM(") else str(DuckDBType.from_string(type))


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
