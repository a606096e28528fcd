"""Parquet files."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.formats.pyarrow import PyArrowType

from core.errors import EngineError, SourceError, first_line
from core.schema import Schema, SchemaColumn
from core.spec.column import check_apart, check_name
from core.spec.source import ParquetSource
from tools.engine.engine import Engine
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row
from tools.sources.reader import (
    SAMPLE,
    Inspection,
    Part,
    Reading,
    Surroundings,
    check_columns,
    find_files,
    inspect_files,
    located,
    unchanged,
)

# What the files call it; without a zone, times are taken as they are.
_UTC = (None, "UTC", "+00:00", "Etc/UTC", "Z")


class ParquetReader:
    """Columns keep the types that they have in the files."""

    def __init__(self, name: str, source: ParquetSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings

    def inspect(self) -> Inspection:
        return self.look(find_files(self._name, self._source.path, self._surroundings, self._source.also_at))

    def look(self, parts: list[Part]) -> Inspection:
        inspection = inspect_files(parts, self._name, list(self._source.columns), self._look, self._surroundings)
        zones = [f"{part.path}: {words}" for part in parts for words in self._zones(part)]
        return inspection.model_copy(update={"notes": [*inspection.notes, *zones]})

    def schemas(self) -> list[Schema]:
        found: list[Schema] = []
        for part in find_files(self._name, self._source.path, self._surroundings, self._source.also_at):
            arrow = self._footer(part).schema.to_arrow_schema()
            schema = {
                f.name: SchemaColumn(type=str(PyArrowType.to_ibis(f.type)), nullable=bool(f.nullable)) for f in arrow
            }
            if schema not in found:
                found.append(schema)
        return found

    def adapted(self, part: Part) -> Part:
        # There is one way to write them.
        return part

    def sample(self, part: Part) -> pa.Table:
        names = self._look(part)[0]
        with self._whole(part), open_file(part.path) as file:
            first = next(pq.ParquetFile(file).iter_batches(SAMPLE), None)
        return pa.table({name: [] for name in names}) if first is None else pa.Table.from_batches([first])

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        with unchanged(self._name, part):
            return self._read(engine, part, path)

    def _read(self, engine: Engine, part: Part, path: Path) -> Reading:
        declared, found = list(self._source.columns), self._look(part)[0]
        check_columns(self._name, part.path, declared, found, self._surroundings)
        there = located(self._name, declared, found, self._surroundings)
        try:
            with engine.translating():
                table = engine.in_process.scan([part.path])
            number = table[ROW] + first_row(part.index)
            cells = {name: ibis.null("string") if at is None else table[at] for name, at in there.items()}
            output = engine.write(table.select(number.name(ROW), **cells), path)
        except EngineError as error:
            raise torn(self._name, part.path, error) from error
        return Reading(output=output, unreadable=[])

    def _look(self, part: Part) -> tuple[list[str], int]:
        footer = self._footer(part)
        names = footer.schema.to_arrow_schema().names
        self._check_names(part, names)
        return names, footer.num_rows

    def _zones(self, part: Part) -> list[str]:
        """Notes on timestamps of other zones, which the engine does not keep."""
        zoned = [
            field
            for field in self._footer(part).schema.to_arrow_schema()
            if field.name in (self._source.columns or {field.name}) and getattr(field.type, "tz", None) not in _UTC
        ]
        return [
            f"the times of '{f.name}', which are of {f.type.tz}, are told as the same moments in UTC" for f in zoned
        ]

    def _check_names(self, part: Part, names: list[str]) -> None:
        if not names:
            raise SourceError(self._name, f"{part.path} has no columns.", remedy="Bring another file.")
        wanted = [name for name in names if name in self._source.columns] or names
        folded = {name.lower() for name in wanted}
        try:
            if twice := [name for name, times in Counter(names).items() if times > 1 and name in wanted]:
                raise ValueError(f"column '{twice[0]}' stands there more than once")
            for name in wanted:
                check_name(name)
            # The engine would give the second one another name, or read the first one for it.
            check_apart(name for name in names if name.lower() in folded)
        except ValueError as error:
            raise SourceError(
                self._name,
                f"{part.path}: {error}.",
                remedy="Write the file with other names, or declare other columns.",
            ) from error

    def _footer(self, part: Part) -> pq.FileMetaData:
        with self._whole(part), open_file(part.path) as file:
            return pq.read_metadata(file)

    @contextmanager
    def _whole(self, part: Part) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            # Arrow calls some of what it cannot decode an OSError; one of the system's has a number.
            if getattr(error, "errno", None) is not None:
                raise
            raise torn(self._name, part.path, error) from error


def torn(name: str, path: str, error: Exception) -> SourceError:
    """The error that a Parquet file cannot be read, by what was said of it."""
    return SourceError(name, f"{path} is no whole Parquet file: {first_line(error)}.", remedy="Bring the file again.")
