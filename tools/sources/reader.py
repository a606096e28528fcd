"""The seam between sources and the rest: inspect, then read part by part."""

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from core.dataset import DatasetRef
from core.errors import SourceError
from core.schema import Schema
from core.spec.source import CsvSource, JsonLinesSource, ParquetSource, PostgresSource, Source
from tools.engine.engine import Engine
from tools.engine.files import SourceFile, find, refresh
from tools.engine.rowid import ROW
from tools.url import public

Part = SourceFile

# So notes call columns that a file has, and its description leaves out.
LEFT_OUT = "left out"

# So many records of a part tell what is in its columns.
SAMPLE = 1_000


class Surroundings(BaseModel):
    """What a source's description leaves to its surroundings: the folder of relative paths, Crewline's database, and
    whether the description stands in a spec, which errors then name as what to correct.

    `names` has for columns of sources the names that they may have instead of their own, the first that is there;
    None among them: the column may be missing, and then it has no value in any row.
    """

    model_config = ConfigDict(frozen=True)

    base_dir: str
    database_url: str
    spec: bool = True
    names: dict[str, dict[str, tuple[str | None, ...]]] = {}

    def field(self, source: str, name: str) -> str:
        """What errors call a field of the source."""
        return f"`sources.{source}.{name}`" if self.spec else f"`{name}`"


class Unreadable(BaseModel):
    """A line that is no record: where it stands, why, and its text (bytes that are no text as escapes).

    `records` of its file come before it.
    """

    line: int
    reason: str
    text: str
    records: int


class Reading(BaseModel):
    """What reading a part gave: the records as rows, the lines that are none, and what is worth saying."""

    output: DatasetRef
    unreadable: list[Unreadable]
    notes: list[str] = []


class Inspection(BaseModel):
    """What there is to read: the parts in order, rows (estimated for text files), and what is worth saying."""

    parts: list[Part]
    rows: int
    notes: list[str] = []


class SourceChanged(SourceError):
    """A file is not the one that the run was planned with."""


class WrittenOtherwise(SourceError):
    """A file is beyond doubt written otherwise than its source says."""


class SourceUnavailable(SourceError):
    """The source's database cannot be reached now; it may be worth another try."""

    def __init__(self, source: str, error: Exception) -> None:
        words = " ".join(str(error).split()).rstrip(".")
        super().__init__(source, f"its database cannot be reached: {words}.", remedy="Start it, or correct its URL.")


# The columns of a file, and its rows, perhaps estimated.
Look = Callable[[Part], tuple[list[str], int]]


class Reader(Protocol):
    """Reads one source. All methods raise SourceError when the source is not what its description says."""

    def inspect(self) -> Inspection:
        """Look without reading all: does it exist, has it the declared columns, how large is it."""
        ...

    def schemas(self) -> list[Schema]:
        """The different schemas that its parts have, whether or not they have the declared columns."""
        ...

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        """Write the part's records to the Parquet file `path`: `_row` and the declared columns, in source order."""
        ...

    def adapted(self, part: Part) -> Part:
        """The part with the `dialect` that it shows itself, looked through as a whole, where that is another one."""
        ...

    def sample(self, part: Part) -> pa.Table:
        """The first records of a part, at most `SAMPLE`, with all columns that it has, by its own names for them."""
        ...


class FileReader(Reader, Protocol):
    """Reads files. A source that declares no columns, which no spec's does, has all that its files have."""

    def look(self, parts: list[Part]) -> Inspection:
        """Inspect files that have been found."""
        ...


def reader(name: str, source: Source, surroundings: Surroundings) -> Reader:
    """The reader for a source. `name` is what errors call it."""
    from tools.sources.delimited import CsvReader
    from tools.sources.json_lines import JsonLinesReader
    from tools.sources.parquet import ParquetReader
    from tools.sources.postgres import PostgresReader

    match source:
        case CsvSource():
            return CsvReader(name, source, surroundings)
        case JsonLinesSource():
            return JsonLinesReader(name, source, surroundings)
        case ParquetSource():
            return ParquetReader(name, source, surroundings)
        case PostgresSource():
            return PostgresReader(name, source, surroundings)


def find_files(name: str, pattern: str, surroundings: Surroundings, also_at: Iterable[str] = ()) -> list[Part]:
    """The files of a source, from the first place that has some: `pattern`, then those of `also_at`.

    Raises SourceError if there are none, if they are out of reach, or if one has no content at all.
    """
    places = (find(place, surroundings.base_dir) for place in (pattern, *also_at))
    try:
        files = next(filter(None, places), [])
    except OSError as error:
        words = str(error.strerror or error).rstrip(".")
        raise SourceError(
            name, f"{public(pattern)} cannot be reached: {words}.", remedy="See that it can, and may be read."
        ) from error
    if not files:
        absolute = "://" in pattern or Path(pattern).is_absolute()
        raise SourceError(
            name,
            f"no file matches {public(pattern)}" + ("." if absolute else f" in {surroundings.base_dir}."),
            remedy="Correct `path`, or bring the files.",
        )
    if empty := [file.path for file in files if file.size == 0]:
        raise SourceError(
            name,
            f"{', '.join(empty)} is empty.",
            remedy="Bring the file again, or remove it if nothing is missing.",
        )
    return files


def distinct(found: list[str], place: str) -> tuple[list[str], list[str]]:
    """Columns by names that are theirs alone, whatever the case, and notes on those that had to be made.

    `place` is where the names were found.
    """
    names: list[str] = []
    notes = []
    there, taken = {name.lower() for name in found}, {ROW}
    for index, name in enumerate(found, start=1):
        made = name or f"column_{index}"
        while made.lower() in taken or (made != name and made.lower() in there):
            made = f"{made}_{index}"
        if made != name:
            notes.append(f"column {index}, '{name}' in the {place}, is called '{made}'")
        names.append(made)
        taken.add(made.lower())
    return names, notes


def inspect_files(
    parts: list[Part], name: str, declared: list[str], look: Look, surroundings: Surroundings
) -> Inspection:
    """An inspection of files each of which says its columns and rows when looked at."""
    notes: list[str] = []
    rows = 0
    for part in parts:
        found, n = look(part)
        notes += check_columns(name, part.path, declared, found, surroundings)
        rows += n
    return Inspection(parts=parts, rows=rows, notes=notes)


@contextmanager
def unchanged(name: str, part: Part) -> Iterator[None]:
    """Read a file. Raises SourceChanged if it is not, before and after, the one that the run was planned with."""
    _check_unchanged(name, part)
    yield
    _check_unchanged(name, part)


def _check_unchanged(name: str, part: Part) -> None:
    now = refresh(part)
    if now is None:
        raise SourceChanged(name, f"{part.path} is gone.", remedy="Bring it back, and resume; or start a new run.")
    if now != part:
        raise SourceChanged(
            name,
            f"{part.path} has changed since the run was planned.",
            remedy="Start a new run on what it is now, or resume this one.",
        )


def check_columns(
    name: str, place: str, declared: list[str], found: list[str], surroundings: Surroundings
) -> list[str]:
    """Compare columns. Returns notes on new ones, and on those that go by other names or are missing, as was decided;
    raises SourceError when declared ones are gone. Where none are declared, all are welcome.
    """
    if not declared:
        return []
    there = located(name, declared, found, surroundings)
    gone = [column for column in declared if column not in there]
    new = [column for column in found if column not in there.values()]
    if gone:
        raise SourceError(
            name,
            f"{place} has no column {', '.join(gone)}; it has {_listed(found)}.",
            remedy=f"Correct {surroundings.field(name, 'columns')}"
            + (f" (new there: {_listed(new)})." if new else "."),
        )
    notes = [
        f"{place}: {column} is read from {other}" if other else f"{place} has no column {column}, which is left empty"
        for column, other in there.items()
        if other != column
    ]
    if new:
        notes.append(f"{place} has columns that are not declared, and which are {LEFT_OUT}: {_listed(new)}")
    return notes


def located(
    name: str, declared: Iterable[str], found: Collection[str], surroundings: Surroundings
) -> dict[str, str | None]:
    """By which name each declared column is found; None for one that may be missing. One that may not is left out."""
    there: dict[str, str | None] = {}
    for column in declared:
        names = (column, *surroundings.names.get(name, {}).get(column, ()))
        fitting = [other for other in names if other is None or other in found]
        if fitting:
            there[column] = fitting[0]
    return there


def _listed(columns: list[str]) -> str:
    return ", ".join(column or "one without a name" for column in columns) or "none"
