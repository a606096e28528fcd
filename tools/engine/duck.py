"""DuckDB behind the engine's face."""

import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import duckdb
import fsspec
import ibis
import pyarrow as pa
from ibis.backends.sql.datatypes import DuckDBType
from ibis.expr.datatypes import DataType
from ibis.expr.operations import DatabaseTable
from ibis.expr.types import IntegerValue, Table

from core.errors import CrewlineError, DataError, EngineError, OutOfMemory, WorkError
from core.spec.source import CsvSource
from tools.engine.instances import Instance
from tools.engine.limits import Limits
from tools.engine.rowid import ROW

Form = Literal["csv", "json"]

# The encodings of the format's second version take half the room of those of the first, and less time. A dictionary of
# very many values is no smaller than they are, and is made in vain.
_PARQUET = "FORMAT parquet, COMPRESSION snappy, PARQUET_VERSION v2, DICTIONARY_SIZE_LIMIT 4096"
# What each thread works on, and what is gathered for a row group, cannot be spilled: with less memory, fewer of them.
_MB_PER_THREAD = 128
_GROUP_ROWS = 122_880
_GROUP_ROWS_PER_MB = 120

_NESTED = frozenset({"array", "list", "map", "struct"})
# What Ibis and Arrow both have a type for.
_NUMBERS = ("bigint", "decimal", "double", "float", "hugeint", "integer", "smallint", "tinyint")
_UNSIGNED = ("ubigint", "uhugeint", "uinteger", "usmallint", "utinyint")
_TIMES = ("date", "time", "timestamp", "timestamp_ms", "timestamp_ns", "timestamp_s")
_ZONED = ("time with time zone", "timestamp with time zone")
_KNOWN = frozenset({"blob", "boolean", "enum", "varchar", *_NUMBERS, *_UNSIGNED, *_TIMES, *_ZONED})


class Duck:
    """One session in this process."""

    def __init__(self, limits: Limits, scratch: Path) -> None:
        self._threads = max(1, min(limits.threads, limits.memory_mb // _MB_PER_THREAD))
        self._instance = Instance(limits.model_copy(update={"threads": self._threads}), scratch / "spill")
        self.ibis: Any = ibis.duckdb.from_connection(self._instance.connection)
        # As other engines have it.
        self.ibis.con.execute("CREATE TEMP MACRO raise_error(message) AS error(message)")
        self._parquet = f"{_PARQUET}, ROW_GROUP_SIZE {min(_GROUP_ROWS, _GROUP_ROWS_PER_MB * limits.memory_mb)}"
        self._names = 0

    def read(self, paths: list[str]) -> Table:
        # Without the union, the first file's types are forced on the others: 1.5 would become 2.
        return self._view("*", f"read_parquet({self._files(paths)}, union_by_name = true)")

    def read_folders(self, folder: Path) -> Table:
        pattern = f"{self.located(str(folder))}/**/*.parquet"
        return self._view("*", f"read_parquet('{_escaped(pattern)}', hive_partitioning = true)")

    def table(self, data: pa.Table) -> Table:
        name = self.name()
        self.ibis.con.register(name, data)
        return self._view("*", name)

    def located(self, path: str) -> str:
        if "://" in path:
            files, _ = fsspec.core.url_to_fs(path)
            names = [files.protocol] if isinstance(files.protocol, str) else files.protocol
            if not set(names) & set(self.ibis.con.list_filesystems()):
                self.ibis.con.register_filesystem(files)
        return re.sub(r"[*?[]", r"[\g<0>]", path)

    def name(self) -> str:
        self._names += 1
        return f"t{self._names}"

    def hold(self, table: Table) -> Table:
        name = self.name()
        # As a statement it is planned once; a relation is planned to be looked at, and again to be computed.
        self.ibis.con.execute(f"CREATE TEMP TABLE {name} AS {self._sql(table)}")
        return DatabaseTable(name, schema=table.schema(), source=self.ibis).to_expr()

    def write(self, table: Table, path: Path) -> None:
        self._copy(table, path, self._parquet)

    def write_partitioned(self, table: Table, folder: Path, columns: Iterable[str]) -> None:
        # Several threads would each write what they come upon, and differently each time.
        self.ibis.con.execute("SET threads = 1")
        try:
            self._copy(table, folder, f"{self._parquet}, PARTITION_BY ({', '.join(map(_quoted, columns))})")
        finally:
            self.ibis.con.execute(f"SET threads = {self._threads}")

    def scan(self, paths: Iterable[str]) -> Table:
        """The rows of Parquet files as they are, with the `_row` that says which file and record each one is.

        Nothing is read before it is asked for. Columns are those of all files, by name.
        """
        row = f"(file_index::BIGINT << 32) + file_row_number + 1 AS {ROW}"
        return self._view(f"{row}, *", f"read_parquet({self._files(paths)}, union_by_name = true)")

    def text(self, path: str, columns: Iterable[str], source: CsvSource) -> Table:
        """The records of a delimited file with a header, all their cells as text, in columns of these names."""
        types = ", ".join(f"'{_escaped(column)}': 'VARCHAR'" for column in columns)
        form = {"delim": source.delimiter, "quote": source.quote, "escape": source.quote, "encoding": source.encoding}
        told = ", ".join(f"{name} = '{_escaped(value)}'" for name, value in form.items())
        files = self._files([path])
        return self._view("*", f"read_csv({files}, auto_detect = false, header = true, columns = {{{types}}}, {told})")

    def export(self, table: Table, path: Path, form: Form, partition_by: tuple[str, ...] = ()) -> None:
        """Write the table as CSV (with a header) or JSON lines, not yet durably.

        `path` is that of the file, or of the folder of Hive folders if it is partitioned.
        """
        options = ["FORMAT csv, HEADER" if form == "csv" else "FORMAT json"]
        if partition_by:
            options.append(f"PARTITION_BY ({', '.join(map(_quoted, partition_by))}), OVERWRITE_OR_IGNORE")
        self._copy(table, path, ", ".join(options))

    def batches(self, table: Table) -> pa.RecordBatchReader:
        """The rows as a stream of Arrow batches, in their order."""
        return self._relation(table).to_arrow_reader()

    def arrow(self, table: Table) -> pa.Table:
        return self._relation(table).to_arrow_table()

    def distinct(self, number: IntegerValue, size: int) -> IntegerValue:
        return _bit_count(_bitstring_agg(number, 0, size - 1)).fill_null(0)

    def told(self, error: Exception) -> CrewlineError | None:
        words = (str(error).strip() or type(error).__name__).split("\n")[0]
        match error:
            case duckdb.OutOfMemoryException():
                return OutOfMemory(f"The machine could not do the work: {words}.", remedy="Free the memory.")
            case duckdb.IOException():
                return WorkError(f"The machine could not do the work: {words}.", remedy="Free the disk.")
            case duckdb.DataError():
                return DataError(words)
            case duckdb.Error():
                return EngineError(words)
        return None

    def interrupt(self) -> None:
        self.ibis.con.interrupt()

    def close(self) -> None:
        self._instance.close()

    def _files(self, paths: Iterable[str]) -> str:
        return "[" + ", ".join(f"'{_escaped(self.located(path))}'" for path in paths) + "]"

    def _view(self, columns: str, source: str) -> Table:
        """A view on what the engine reads. Columns of types that Ibis has no word for come as the nearest that it has:
        unknown to it, their values would go, or the whole table be refused.
        """
        there = self.ibis.con.sql(f"SELECT {columns} FROM {source}")
        told = {column: _told_as(kind) for column, kind in zip(there.columns, there.types, strict=True)}
        if casts := ", ".join(f"CAST({_quoted(c)} AS {kind}) AS {_quoted(c)}" for c, kind in told.items() if kind):
            columns = f"{columns} REPLACE ({casts})"
            there = self.ibis.con.sql(f"SELECT {columns} FROM {source}")
        name = self.name()
        self.ibis.con.execute(f"CREATE TEMP VIEW {name} AS SELECT {columns} FROM {source}")
        # Ibis itself would ask the engine again, and parse each type again.
        schema = {column: _kind(str(kind)) for column, kind in zip(there.columns, there.types, strict=True)}
        return DatabaseTable(name, schema=ibis.schema(schema), source=self.ibis).to_expr()

    def _copy(self, table: Table, path: Path, options: str) -> None:
        self.ibis.con.execute(f"COPY ({self._sql(table)}) TO '{_escaped(str(path))}' ({options})")

    def _relation(self, table: Table) -> Any:
        return self.ibis.con.sql(self._sql(table))

    def _sql(self, table: Table) -> str:
        """The table with the types that Ibis says it has: the engine has its own about literals and sums."""
        mapper = self.ibis.compiler.type_mapper
        columns = ", ".join(
            f"CAST({_quoted(name)} AS {mapper.to_string(kind)}) AS {_quoted(name)}"
            for name, kind in table.schema().items()
        )
        return f"SELECT {columns} FROM ({self.ibis.compile(table)})"


def _told_as(kind: Any) -> str | None:
    """The type to cast columns of this one to; None for one that is known."""
    if kind.id == "timestamptz_ns":
        return "TIMESTAMP_NS"
    return None if _is_known(kind) else "VARCHAR"


def _is_known(kind: Any) -> bool:
    if kind.id in _NESTED:
        return all(_is_known(part) for key, part in kind.children if key != "size")
    return kind.id in _KNOWN and str(kind) != "JSON"


@lru_cache(maxsize=1000)
def _kind(kind: str) -> DataType:
    return DuckDBType.from_string(kind)


def _escaped(text: str) -> str:
    return text.replace("'", "''")


@ibis.udf.agg.builtin(name="bitstring_agg")  # type: ignore[untyped-decorator]
def _bitstring_agg(number: int, low: int, high: int) -> bytes:
    raise NotImplementedError("it is the engine's")


@ibis.udf.scalar.builtin(name="bit_count")  # type: ignore[untyped-decorator]
def _bit_count(bits: bytes) -> int:
    raise NotImplementedError("it is the engine's")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
