"""The engine: one session of DuckDB behind Ibis, within the limits of a task.

Rules and checks are Ibis expressions; nothing outside this module speaks SQL.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

import fsspec
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.operations import DatabaseTable
from ibis.expr.types import Table

from core.dataset import DatasetRef
from core.stop import Stop
from tools.engine.files import sync
from tools.engine.limits import Limits
from tools.engine.rowid import ROW


class Engine:
    """A session. Use it in a `with` block and in one thread; a requested stop interrupts what it is doing.

    `scratch` is a folder for what does not fit into memory.
    """

    def __init__(self, limits: Limits, scratch: Path, stop: Stop | None = None) -> None:
        self.backend: Any = ibis.duckdb.connect(
            threads=limits.threads,
            memory_limit=f"{limits.memory_mb}MB",
            temp_directory=str(scratch / "spill"),
            # Files must come out the same in every run.
            preserve_insertion_order=True,
            TimeZone="UTC",
            # Nothing may be fetched behind the user's back.
            autoinstall_known_extensions=False,
        )
        self._stop = (stop or Stop()).interrupting(self.backend.con.interrupt)
        self._threads = limits.threads
        self._names = 0

    def __enter__(self) -> "Engine":
        self._stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.__exit__(kind, error, trace)
        self.backend.disconnect()

    def read(self, refs: Iterable[DatasetRef]) -> Table:
        """The rows of committed datasets that share their columns.

        Where their types differ, as those of a source's files may, each column has one that holds the values of all.
        """
        paths = [self.located(path) for ref in refs for path in ref.paths]
        # Without the union, the first file's types are forced on the others: 1.5 would become 2.
        return self.backend.read_parquet(paths, table_name=self.name(), union_by_name=True)

    def table(self, data: pa.Table) -> Table:
        """Rows in memory as a table of this session."""
        name = self.name()
        self.backend.con.register(name, data)
        return self.backend.table(name)

    def located(self, path: str) -> str:
        """The path as the engine's readers take it: for the one file of this name, behind any fsspec protocol."""
        if "://" in path:
            files, _ = fsspec.core.url_to_fs(path)
            names = [files.protocol] if isinstance(files.protocol, str) else files.protocol
            if not set(names) & set(self.backend.con.list_filesystems()):
                self.backend.con.register_filesystem(files)
        return re.sub(r"[*?[]", r"[\g<0>]", path)

    def name(self) -> str:
        """A name that no table of this session has."""
        self._names += 1
        return f"t{self._names}"

    def hold(self, table: Table) -> Table:
        """Compute the table once, for this session, and return it as computed."""
        name = self.name()
        self._relation(table).create(name)
        return DatabaseTable(name, schema=table.schema(), source=self.backend).to_expr()

    def write(self, table: Table, path: Path) -> DatasetRef:
        """Write the table as one Parquet file, durably, in the order of the table."""
        self._relation(table).write_parquet(str(path), compression="snappy")
        return written([path])

    def write_partitioned(self, table: Table, folder: Path, columns: tuple[str, ...]) -> None:
        """Write the table into Hive folders, such as `month=2025-03/data_0.parquet`; not yet durably.

        The same rows give the same files; within a file, they need not be in the order of the table.
        """
        # Several threads would each write what they come upon, and differently each time.
        self.backend.con.execute("SET threads = 1")
        try:
            self._relation(table).write_parquet(str(folder), compression="snappy", partition_by=list(columns))
        finally:
            self.backend.con.execute(f"SET threads = {self._threads}")

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """The rows as Python values. For small results, such as counts."""
        result: list[dict[str, Any]] = self._relation(table).to_arrow_table().to_pylist()
        return result

    def _relation(self, table: Table) -> Any:
        """The table with the types that Ibis says it has: the engine has its own about literals and sums."""
        mapper = self.backend.compiler.type_mapper
        columns = ", ".join(
            f"CAST({_quoted(name)} AS {mapper.to_string(kind)}) AS {_quoted(name)}"
            for name, kind in table.schema().items()
        )
        return self.backend.con.sql(f"SELECT {columns} FROM ({self.backend.compile(table)})")

    def row(self, table: Table) -> dict[str, Any]:
        """The one row of an aggregation."""
        return self.rows(table)[0]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def written(paths: list[Path]) -> DatasetRef:
    """A reference to Parquet files just written, once they are on the disk. Rows are counted from their footers."""
    for path in paths:
        sync(path)
    for folder in {path.parent for path in paths}:
        sync(folder)
    schema = ibis.Schema.from_pyarrow(pq.read_schema(paths[0]))
    return DatasetRef(
        paths=tuple(str(path) for path in paths),
        rows=sum(pq.read_metadata(path).num_rows for path in paths),
        columns={name: str(kind) for name, kind in schema.items() if name != ROW},
    )
