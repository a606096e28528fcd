"""Opening files that nobody has described: their names tell their kind, and their columns are those that they have."""

import glob
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ibis.expr.types import Table
from pydantic import Field, field_validator

from core.dataset import DatasetRef
from core.errors import EngineError, SourceError
from core.spec.column import Column
from core.spec.part import Part as SpecPart
from core.spec.source import CsvSource, Encoding, JsonLinesSource, ParquetSource, usable_names
from tools.engine.engine import Engine
from tools.engine.files import is_folder, open_file
from tools.engine.rowid import ROW
from tools.sources.delimited import CsvReader
from tools.sources.dialect import delimiter_of, encoding_of
from tools.sources.json_lines import JsonLinesReader
from tools.sources.parquet import ParquetReader
from tools.sources.reader import LEFT_OUT, FileReader, Part, Reading, Surroundings, Unreadable, find_files
from tools.url import public

Kind = Literal["csv", "jsonl", "parquet"]
FileSource = CsvSource | JsonLinesSource | ParquetSource

_KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_KINDS |= {".parquet": "parquet", ".pq": "parquet"}


class Files(SpecPart):
    """Files to open. What is not given, they tell: the kind by the ends of their names, the rest by what is in them.

    With `columns`, only these are read.
    """

    path: str = Field(description="A file, a glob, or a folder with files of one kind (Parquet).")
    kind: Kind | None = None
    columns: dict[str, Column] | None = Field(default=None, min_length=1)
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: Encoding | None = None

    @field_validator("columns")
    @classmethod
    def _usable_names(cls, value: dict[str, Column] | None) -> dict[str, Column] | None:
        return value and usable_names(value)


@dataclass(frozen=True)
class Opened:
    """Opened files: all their records as they came, text as text, and the lines that are none.

    `readings` are those of the `parts`. They refer to the Parquet files that text was read into, which have the rows
    `numbered`; or to the files themselves.
    """

    name: str
    parts: list[Part]
    readings: list[Reading]
    numbered: bool
    notes: list[str]

    @property
    def records(self) -> int:
        return sum(reading.output.rows for reading in self.readings)

    @property
    def unreadable(self) -> list[tuple[Part, Unreadable]]:
        """The lines that are no records, each with the part that has it."""
        both = zip(self.parts, self.readings, strict=True)
        return [(part, line) for part, reading in both for line in reading.unreadable]

    def rows(self, engine: Engine) -> Table:
        """The records, each with its `_row`."""
        if self.numbered:
            return self._table(engine)
        with self._told(), engine.translating():
            return engine.in_process.scan(part.path for part in self.parts)

    def cells(self, engine: Engine) -> Table:
        """The records, without."""
        return self._table(engine).drop(ROW) if self.numbered else self._table(engine)

    def _table(self, engine: Engine) -> Table:
        with self._told():
            return engine.read(reading.output for reading in self.readings)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except EngineError as error:
            paths = ", ".join(part.path for part in self.parts)
            raise SourceError(
                self.name, f"{paths} cannot be read: {error.what.rstrip('.')}.", remedy="Bring it again."
            ) from error


def open_files(engine: Engine, name: str, files: Files, scratch: Path, allowed: Callable[[str], str] = str) -> Opened:
    """Open files, which errors call `name`. Text is read into Parquet files under `scratch`, Parquet stays where it is.

    `allowed` says which place a path names, and raises for one that must not be read; it is asked for the path, and
    for each file that is found by it, before anything is read. Raises SourceError.
    """
    with _reachable(name, files.path):
        parts = _found(name, files, allowed)
        kind = files.kind or _kind(name, parts)
        described = [_described(part, files, kind) for part in parts]
        readers = [_reader(name, source) for source, _ in described]
        inspections = [reader.look([part]) for reader, part in zip(readers, parts, strict=True)]
        readings = [
            Reading(output=DatasetRef(paths=(part.path,), rows=inspection.rows, columns={}), unreadable=[])
            if kind == "parquet"
            else reader.read(engine, part, scratch / f"{engine.name()}.parquet")
            for reader, part, inspection in zip(readers, parts, inspections, strict=True)
        ]
    notes = [note for inspection in inspections for note in inspection.notes]
    for part, (_, assumed), reading in zip(parts, described, readings, strict=True):
        place = f"{part.path}: " if len(parts) > 1 else ""
        notes += [place + note for note in [*assumed, *reading.notes]]
    if kind != "parquet" and (keys := _keys(parts)):
        notes.append(f"what the names of folders say of {', '.join(keys)} is {LEFT_OUT}; Parquet files would have it")
    return Opened(name, parts, readings, kind != "parquet", [*notes, *_gaps(parts, readings)])


def described_source(name: str, files: Files, allowed: Callable[[str], str] = str) -> tuple[list[Part], FileSource]:
    """Files that are found, and how a spec would describe them as a source, by what the first of them tells.

    For `allowed`, see `open_files`. Raises SourceError, also where one lacks a column that is declared.
    """
    with _reachable(name, files.path):
        parts = _found(name, files, allowed)
        source, _ = _described(parts[0], files, files.kind or _kind(name, parts))
        _reader(name, source).look(parts)
    return parts, source


def _keys(parts: list[Part]) -> list[str]:
    """What Hive folders are called by."""
    folders = {folder for part in parts for folder in part.path.split("/")[:-1]}
    return sorted({folder.partition("=")[0] for folder in folders if "=" in folder})


def _gaps(parts: list[Part], readings: list[Reading]) -> list[str]:
    """Notes on columns that only some of the files have."""
    everything = dict.fromkeys(column for reading in readings for column in reading.output.columns)
    gone = [[column for column in everything if column not in reading.output.columns] for reading in readings]
    return [
        f"{part.path} has no column {', '.join(columns)}, as other files have"
        for part, columns in zip(parts, gone, strict=True)
        if columns
    ]


def _found(name: str, files: Files, allowed: Callable[[str], str]) -> list[Part]:
    pattern = allowed(files.path)
    if pattern and is_folder(pattern):
        pattern = f"{glob.escape(pattern)}/**/*.{files.kind or 'parquet'}"
    parts = find_files(name, pattern, Surroundings(base_dir=str(Path.cwd()), database_url=""))
    # Read where a link leads now, not where it may lead later.
    return [part.model_copy(update={"path": allowed(part.path)}) for part in parts]


def _kind(name: str, parts: list[Part]) -> Kind:
    kinds = {_KINDS.get(Path(part.path).suffix.lower()) for part in parts}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:
        raise SourceError(
            name,
            f"{parts[0].path} does not tell its kind by its name.",
            remedy=f"Give files of one kind, whose names end in {', '.join(_KINDS)}.",
        )
    return kind


def _described(part: Part, files: Files, kind: Kind) -> tuple[FileSource, list[str]]:
    """The file as a source, and notes on what was taken for granted.

    The models are not validated: they may be without columns, as a spec's may not.
    """
    common: dict[str, Any] = {"path": part.path, "columns": files.columns or {}}
    if kind == "parquet":
        return ParquetSource.model_construct(kind=kind, **common), []
    if kind == "jsonl":
        return JsonLinesSource.model_construct(kind=kind, **common), []
    tabs = "\t" if Path(part.path).suffix.lower() == ".tsv" else None
    with open_file(part.path) as file:
        encoding = files.encoding or encoding_of(file)
        delimiter = files.delimiter or tabs or delimiter_of(file, encoding)
    notes = [f"read as {encoding}"] if encoding not in ("utf-8", files.encoding) else []
    notes += [f"delimited by {delimiter!r}"] if delimiter not in (",", files.delimiter, tabs) else []
    return CsvSource.model_construct(kind=kind, delimiter=delimiter, quote='"', encoding=encoding, **common), notes


def _reader(name: str, source: FileSource) -> FileReader:
    surroundings = Surroundings(base_dir="/", database_url="", spec=False)
    match source:
        case CsvSource():
            return CsvReader(name, source, surroundings)
        case JsonLinesSource():
            return JsonLinesReader(name, source, surroundings)
    return ParquetReader(name, source, surroundings)


@contextmanager
def _reachable(name: str, path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, ImportError) as error:
        # The latter two come of a protocol that nothing here speaks.
        words = " ".join(str(getattr(error, "strerror", None) or error).replace(path, public(path)).split()).rstrip(".")
        raise SourceError(name, f"{public(path)} cannot be read: {words}.", remedy="Correct the path.") from error
