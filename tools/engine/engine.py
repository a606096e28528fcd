"""The engine: a session within the limits of a task, the same for its callers whatever computes behind it.

Rules and checks are Ibis expressions; nothing outside this package speaks SQL, or knows the errors of DuckDB or Spark.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.types import IntegerValue, Table

from core.dataset import DatasetRef
from core.errors import CrewlineError
from core.spec.engine import DuckDbEngine, EngineSpec, PySparkEngine
from core.stop import Stop
from tools.engine.files import sync
from tools.engine.limits import Limits
from tools.engine.rowid import ROW

if TYPE_CHECKING:
    from tools.engine.duck import Duck


class Backend(Protocol):
    """What computes: DuckDB or Spark. Its methods raise errors of its own, which `told` puts into ours."""

    ibis: Any

    def read(self, paths: list[str]) -> Table: ...

    def read_folders(self, folder: Path) -> Table: ...

    def table(self, data: pa.Table) -> Table: ...

    def hold(self, table: Table) -> Table: ...

    def write(self, table: Table, path: Path) -> None: ...

    def write_partitioned(self, table: Table, folder: Path, columns: tuple[str, ...]) -> None: ...

    def arrow(self, table: Table) -> pa.Table: ...

    def distinct(self, number: IntegerValue, size: int) -> IntegerValue: ...

    def located(self, path: str) -> str: ...

    def name(self) -> str: ...

    def told(self, error: Exception) -> CrewlineError | None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Engine:
    """A session. Use it in a `with` block and in one thread; a requested stop interrupts what it is doing, and lets it
    compute nothing more.

    `scratch` is a folder for what does not fit into memory; `spec` says what computes, DuckDB if nothing. Raises
    InputError if that is not installed here. The methods raise DataError when a value has no room in its type,
    EngineError for what else cannot be computed, OutOfMemory, WorkError for troubles with the disk, and Interrupted.
    """

    def __init__(self, limits: Limits, scratch: Path, stop: Stop | None = None, spec: EngineSpec | None = None) -> None:
        self._asked = stop or Stop()
        self._backend = _backend(spec or DuckDbEngine(), limits, scratch)
        self._stop = self._asked.interrupting(self._backend.interrupt)

    def __enter__(self) -> "Engine":
        self._stop.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.__exit__(kind, error, trace)
        with self._told():
            self._backend.close()

    @property
    def backend(self) -> Any:
        """The Ibis backend, for what this face does not offer; use it within `translating()`."""
        return self._backend.ibis

    @property
    def in_process(self) -> "Duck":
        """DuckDB itself, in a session that is in process, for what other engines do not offer; use it so too."""
        from tools.engine.duck import Duck

        assert isinstance(self._backend, Duck), "this session is not in process"
        return self._backend

    def check(self) -> None:
        """Raise Interrupted if a stop was requested, for loops whose work is not the engine's."""
        self._asked.check()

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Within the block, what the engine raises comes out as one of our errors. Raises Interrupted at its start too:
        what is asked for after a stop would not be interrupted by it.
        """
        self._asked.check()
        with self._told():
            yield

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            told = self._backend.told(error)
            if told is None:
                raise
            # The stop interrupted the engine, which calls that an error of its own.
            self._asked.check()
            raise told from error

    def read(self, refs: Iterable[DatasetRef], first: int | None = None, end: int | None = None) -> Table:
        """The rows of committed datasets that share their columns; with bounds, only ids from `first` to below `end`.

        Where their types differ, as those of a source's files may, each column has one that holds the values of all.
        """
        given = list(refs)
        without = [path for ref in given for path in ref.without]
        with self.translating():
            rows = _within(self._backend.read([path for ref in given for path in ref.paths]), first, end)
            if not without:
                return rows
            gone = _within(self._backend.read(without), first, end)
            return rows.anti_join(gone, ROW).select(ROW, *given[0].columns)

    def ids(self, refs: Iterable[DatasetRef]) -> Table:
        """The `_row`s of committed datasets, which may stand in files of their own."""
        given = list(refs)
        aside = [path for ref in given for path in ref.ids]
        with self.translating():
            return (self._backend.read(aside) if aside else self.read(given)).select(ROW)

    def read_folders(self, folder: Path) -> Table:
        """The rows of all Parquet files under a folder; the names of its Hive folders become columns."""
        with self.translating():
            return self._backend.read_folders(folder)

    def table(self, data: pa.Table) -> Table:
        """Rows in memory as a table of this session."""
        with self.translating():
            return self._backend.table(data)

    def located(self, path: str) -> str:
        """The path as the engine's readers take it: for the one file of this name, behind any fsspec protocol."""
        return self._backend.located(path)

    def name(self) -> str:
        """A name that no table of this session has."""
        return self._backend.name()

    def hold(self, table: Table) -> Table:
        """Compute the table once, for this session, and return it as computed."""
        # An interrupt between two statements is lost on the engine.
        self._asked.check()
        with self.translating():
            return self._backend.hold(table)

    def write(self, table: Table, path: Path) -> DatasetRef:
        """Write the table as one Parquet file, durably, in the order that the table asks for."""
        with self.translating():
            self._backend.write(table, path)
        return written([path])

    def write_partitioned(self, table: Table, folder: Path, columns: tuple[str, ...]) -> None:
        """Write the table into Hive folders, such as `month=2025-03/data_0.parquet`; not yet durably.

        The same rows give the same files; within a file, they need not be in the order of the table.
        """
        with self.translating():
            self._backend.write_partitioned(table, folder, columns)

    def arrow(self, table: Table) -> pa.Table:
        """The rows in memory."""
        self._asked.check()
        with self.translating():
            return self._backend.arrow(table)

    def rows(self, table: Table) -> list[dict[str, Any]]:
        """The rows as Python values. For small results, such as counts."""
        result: list[dict[str, Any]] = self.arrow(table).to_pylist()
        return result

    def row(self, table: Table) -> dict[str, Any]:
        """The one row of an aggregation."""
        return self.rows(table)[0]

    def count(self, table: Table) -> int:
        """How many rows there are."""
        return int(self.row(table.aggregate(n=table.count()))["n"])

    def distinct(self, number: IntegerValue, size: int) -> IntegerValue:
        """An aggregate: how many different values a column has, all of them from 0 to below `size`.

        Where the engine can, it takes a bit for each possible value, not a word for each one that is there.
        """
        return self._backend.distinct(number, size)


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
        columns={name: str(kind.copy(nullable=True)) for name, kind in schema.items() if name != ROW},
    )


def _within(rows: Table, first: int | None, end: int | None) -> Table:
    if first is not None:
        rows = rows.filter(rows[ROW] >= first)
    return rows if end is None else rows.filter(rows[ROW] < end)


def _backend(spec: EngineSpec, limits: Limits, scratch: Path) -> Backend:
    match spec:
        case DuckDbEngine():
            from tools.engine.duck import Duck

            return Duck(limits, scratch)
        case PySparkEngine():
            from tools.engine.spark.backend import Spark

            return Spark(spec, limits, scratch)
