"""Spark behind the engine's face.

Spark computes; what is written passes through DuckDB at the end, so that files have the same form on both engines.
"""

import itertools
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.operations import DatabaseTable
from ibis.expr.types import IntegerValue, Table

from core.errors import CrewlineError, DataError, EngineError, OutOfMemory, WorkError
from core.spec.engine import PySparkEngine
from tools.engine.duck import Duck
from tools.engine.limits import Limits
from tools.engine.spark.dialect import sql, sql_type
from tools.engine.spark.functions import register
from tools.engine.spark.session import session

_number = itertools.count(1)


class Spark:
    """A session of the process's Spark."""

    def __init__(self, spec: PySparkEngine, limits: Limits, scratch: Path) -> None:
        self._session = session(spec)
        register(self._session)
        self.ibis: Any = ibis.pyspark.connect(self._session)
        self._group = f"crewline-{next(_number)}"
        self._scratch = scratch
        self._files = Duck(limits, scratch)
        self._names = 0
        self._spreads: list[Path] = []

    def read(self, paths: list[str]) -> Table:
        if len({str(_footer(path)) for path in paths}) > 1:
            # DuckDB knows the types that hold the values of all.
            return self._spread(self._files.read(paths))
        found = self._files.read(paths[:1])
        if _plain(found) is not found:
            return self._spread(self._files.read(paths))
        with self._job():
            frame = self._session.read.parquet(*map(self.located, paths))
        return self._view(frame, found.schema())

    def read_folders(self, folder: Path) -> Table:
        # Spark refuses a folder for the empty text, and guesses other types.
        return self._spread(self._files.read_folders(folder))

    def table(self, data: pa.Table) -> Table:
        mine = self._files.table(data)
        plain = _plain(mine)
        if plain is not mine:
            data = self._files.arrow(plain)
        return self._view(self._session.createDataFrame(data), plain.schema())

    def located(self, path: str) -> str:
        return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)

    def name(self) -> str:
        self._names += 1
        return f"t{self._names}"

    def hold(self, table: Table) -> Table:
        with self._job():
            return self._view(self._frame(table).localCheckpoint(), table.schema())

    def write(self, table: Table, path: Path) -> None:
        with self._parts(table) as parts:
            self._files.write(parts, path)

    def write_partitioned(self, table: Table, folder: Path, columns: tuple[str, ...]) -> None:
        with self._parts(table) as parts:
            self._files.write_partitioned(parts, folder, columns)

    def arrow(self, table: Table) -> pa.Table:
        with self._job():
            found = self._frame(table).toArrow()
        return found.cast(table.schema().to_pyarrow())

    def distinct(self, number: IntegerValue, size: int) -> IntegerValue:
        return number.nunique()

    def told(self, error: Exception) -> CrewlineError | None:
        from py4j.protocol import Py4JError, Py4JJavaError
        from pyspark.errors import ArithmeticException, DateTimeException, NumberFormatException, PySparkException

        words = _words(error)
        if isinstance(error, (PySparkException, Py4JError, ConnectionError)):
            if "OutOfMemory" in str(error) or "UNABLE_TO_ACQUIRE_MEMORY" in str(error):
                return OutOfMemory(f"The machine could not do the work: {words}.", remedy="Free the memory.")
            if "No space left on device" in str(error):
                return WorkError(f"The machine could not do the work: {words}.", remedy="Free the disk.")
        if isinstance(error, (ArithmeticException, DateTimeException, NumberFormatException)):
            return DataError(words)
        if isinstance(error, (PySparkException, Py4JJavaError)):
            return EngineError(words)
        if isinstance(error, (Py4JError, ConnectionError)):
            return WorkError(f"Spark is gone: {words}.", remedy="Start the program again, and resume.")
        return self._files.told(error)

    def interrupt(self) -> None:
        self._session.sparkContext.cancelJobGroup(self._group)
        self._files.interrupt()

    def close(self) -> None:
        for number in range(1, self._names + 1):
            self._session.catalog.dropTempView(f"t{number}")
        for path in self._spreads:
            path.unlink(missing_ok=True)
        self._files.close()

    @contextmanager
    def _job(self) -> Iterator[None]:
        """Jobs within the block are this session's, and can be cancelled with it."""
        self._session.sparkContext.setJobGroup(self._group, self._group)
        yield

    def _spread(self, table: Table) -> Table:
        """DuckDB's table as one of Spark's."""
        self._scratch.mkdir(parents=True, exist_ok=True)
        path = self._scratch / f"{self._group}-{self.name()}.parquet"
        self._spreads.append(path)
        plain = _plain(table)
        self._files.write(plain, path)
        with self._job():
            return self._view(self._session.read.parquet(self.located(str(path))), plain.schema())

    @contextmanager
    def _parts(self, table: Table) -> Iterator[Table]:
        """The table, computed into files of parts in their order, as DuckDB reads them."""
        folder = self._scratch / f"{self._group}-{self.name()}"
        try:
            with self._job():
                self._frame(table).write.parquet(str(folder))
            parts = self._files.read([str(path) for path in sorted(folder.glob("part-*.parquet"))])
            yield parts.cast(table.schema())
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _frame(self, table: Table) -> Any:
        """The table with the types that Ibis says it has: the engine has its own about literals and sums."""
        from pyspark.sql.functions import col

        frame = self._session.sql(sql(table))
        found = _schema(frame)
        columns = [
            col(_quoted(name)) if found[name] == kind else col(_quoted(name)).cast(sql_type(kind)).alias(name)
            for name, kind in table.schema().items()
        ]
        return frame.select(*columns)

    def _view(self, frame: Any, schema: ibis.Schema) -> Table:
        name = self.name()
        frame.createOrReplaceTempView(name)
        return DatabaseTable(name, schema=schema, source=self.ibis).to_expr()


def _schema(frame: Any) -> ibis.Schema:
    """The columns of Spark's own table. Raises EngineError for a type that is none of Ibis's."""
    from ibis.backends.pyspark.datatypes import PySparkType
    from pyspark.sql.types import TimestampType

    kinds: dict[str, Any] = {}
    for column in frame.schema.fields:
        zoned = isinstance(column.dataType, TimestampType)
        kinds[column.name] = "timestamp('UTC')" if zoned else PySparkType.to_ibis(column.dataType)
    return ibis.schema(kinds)


def _plain(table: Table) -> Table:
    """DuckDB's table with types that Spark has too: wider integers, and for what it has not at all, text."""
    casts = {name: wider for name, kind in table.schema().items() if (wider := _wider(kind)) is not None}
    return table.cast(casts) if casts else table


def _wider(kind: Any) -> str | None:
    if kind.is_unsigned_integer():
        return {1: "int16", 2: "int32", 4: "int64", 8: "decimal(20, 0)"}[kind.nbytes]
    nanoseconds = kind.is_timestamp() and (kind.scale or 0) > 6
    known = kind.is_numeric() or kind.is_string() or kind.is_boolean() or kind.is_date() or kind.is_nested()
    return None if known or (kind.is_timestamp() and not nanoseconds) else "string"


def _footer(path: str) -> Any:
    files, place = fsspec.core.url_to_fs(path)
    with files.open(place) as file:
        return pq.read_schema(file).remove_metadata()


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _words(error: Exception) -> str:
    """What Spark says went wrong, without its name for the case and its advice about settings."""
    lines = (str(error).strip() or type(error).__name__).split("\n")
    # Of an error in Java, the first line only says which call it was.
    first = lines[1] if lines[0].startswith("An error occurred while calling") and len(lines) > 1 else lines[0]
    plain = re.sub(r"^(: )?(\[[A-Z0-9_.]+\] )?", "", first)
    return re.split(r" (?:Use '?|Use `|If necessary|SQLSTATE)", plain)[0].rstrip(". ")
