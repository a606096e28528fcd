"""One file as a table: every record a row, every line that is none kept with its place."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import SourceError
from core.spec.source import CsvSource
from tools.engine.files import open_file
from tools.sources import Unreadable
from tools.sources.json_lines import parse, text_of
from tools.sources.lines import open_lines, whole
from tools.sources.records import parser, records

_BATCH = 20_000
_SAMPLE = 1 << 16
_DELIMITERS = ",;\t|"
CSV = (".csv", ".tsv", ".txt")
JSON_LINES = (".jsonl", ".ndjson", ".json")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class Reading:
    """A file's records as rows, in order; and its lines that are no records.

    Rows of the input are counted from 0, records and unreadable lines alike: `numbers` has the number of each row of
    `table`, `unreadable` goes by number. `notes` say what was taken for granted.
    """

    table: pa.Table
    numbers: list[int]
    unreadable: dict[int, Unreadable]
    notes: list[str]


def read(path: str | Path) -> Reading:
    """Read a CSV, JSON lines or Parquet file; which, its name tells.

    Cells of CSV and JSON lines are texts, an empty one null. Raises SourceError if the file is missing, empty, of
    another kind, or torn.
    """
    path = str(path)
    kind = Path(path).suffix.lower()
    try:
        if kind in CSV:
            return _csv(path)
        if kind in JSON_LINES:
            return _json_lines(path)
        if kind in PARQUET:
            return _parquet(path)
    except OSError as error:
        raise SourceError(path, f"cannot be read: {error.strerror or error}.", remedy="Correct the path.") from error
    raise SourceError(
        path,
        f"'{kind}' is no kind of file that is read here.",
        remedy=f"Give one of {', '.join(CSV + JSON_LINES + PARQUET)}.",
    )


def _csv(path: str) -> Reading:
    source, notes = _sniffed(path)
    with open_lines(path, source.encoding) as lines:
        header = next(parser(lines, source), [])
    if not header:
        raise SourceError(path, "it has no header line.", remedy="Name the columns in the first line.")
    names, renamed = _names(header)
    with open_lines(path, source.encoding) as lines:
        reading = _gathered(names, records(lines, source, len(names)))
    return Reading(reading.table, reading.numbers, reading.unreadable, notes + renamed)


def _sniffed(path: str) -> tuple[CsvSource, list[str]]:
    """The file's delimiter and encoding, from its first lines."""
    with open_file(path) as file:
        start: bytes = file.read(_SAMPLE)
    if not start.strip():
        raise SourceError(path, "it is empty.", remedy="Bring the file again.")
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    if encoding == "utf-8" and _mostly_latin(path):
        encoding = "latin-1"
    with open_lines(path, encoding) as lines:
        head = [line for line, _ in zip(lines, range(20), strict=False)]
    delimiter = max(_DELIMITERS, key=lambda mark: (_width(head, mark), -_DELIMITERS.index(mark)))
    notes = [f"read as {encoding}"] if encoding != "utf-8" else []
    notes += [f"delimited by {delimiter!r}"] if delimiter != "," else []
    # Its columns are not declared: they are what the header says.
    source = CsvSource.model_construct(
        kind="csv", path=path, columns={}, delimiter=delimiter, quote='"', encoding=encoding
    )
    return source, notes


def _mostly_latin(path: str) -> bool:
    """Whether most of the lines that are not ASCII are no UTF-8."""
    other = broken = 0
    with open_lines(path, "utf-8") as lines:
        for line in lines:
            if not line.isascii():
                other += 1
                broken += not whole(line)
    return 2 * broken > other


def _width(lines: list[str], mark: str) -> int:
    """The columns that this delimiter makes, if most of the first lines have as many as the header; else 1."""
    try:
        widths = [len(cells) for cells in csv.reader(lines, delimiter=mark) if cells]
    except csv.Error:
        return 1
    return widths[0] if widths and 2 * widths.count(widths[0]) > len(widths) else 1


def _names(header: list[str]) -> tuple[list[str], list[str]]:
    """Columns by names that are theirs alone, and notes on those that had to be made."""
    names: list[str] = []
    notes = []
    for index, name in enumerate(header):
        made = name or f"column_{index + 1}"
        while made in names or (made != name and made in header):
            made = f"{made}_{index + 1}"
        if made != name:
            notes.append(f"column {index + 1}, '{name}' in the header, is called '{made}'")
        names.append(made)
    return names, notes


def _gathered(names: list[str], found: Iterator[list[str] | Unreadable]) -> Reading:
    batches: list[pa.RecordBatch] = []
    schema = pa.schema([(name, pa.string()) for name in names])
    numbers: list[int] = []
    unreadable: dict[int, Unreadable] = {}
    rows: list[list[str]] = []

    def settle() -> None:
        cells = [[cell or None for cell in column] for column in zip(*rows, strict=True)] or [[] for _ in names]
        batches.append(pa.record_batch([pa.array(column, pa.string()) for column in cells], schema=schema))
        rows.clear()

    for number, record in enumerate(found):
        if isinstance(record, Unreadable):
            unreadable[number] = record
        else:
            rows.append(record)
            numbers.append(number)
        if len(rows) == _BATCH:
            settle()
    settle()
    return Reading(pa.Table.from_batches(batches, schema), numbers, unreadable, [])


def _json_lines(path: str) -> Reading:
    names: dict[str, None] = {}
    objects: list[dict[str, str | None]] = []
    numbers: list[int] = []
    unreadable: dict[int, Unreadable] = {}
    number = 0
    with open_file(path) as file:
        for place, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                objects.append({name: text_of(value) for name, value in parse(line).items()})
                names.update(dict.fromkeys(objects[-1]))
                numbers.append(number)
            except (ValueError, RecursionError) as error:
                text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                unreadable[number] = Unreadable(line=place, reason=f"{error}.", text=text)
            number += 1
    if not names:
        raise SourceError(
            path, "none of its lines is a JSON object.", remedy="Give JSON lines: one object in each line."
        )
    table = pa.table({name: pa.array([cells.get(name) for cells in objects], pa.string()) for name in names})
    return Reading(table, numbers, unreadable, [])


def _parquet(path: str) -> Reading:
    try:
        with open_file(path) as file:
            table = pq.read_table(file)
    except pa.ArrowException as error:
        words = str(error).strip().split("\n")[0].rstrip(".")
        raise SourceError(path, f"it is no whole Parquet file: {words}.", remedy="Bring the file again.") from error
    plain = [
        pa.field(field.name, field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    table = table.cast(pa.schema(plain)) if plain != list(table.schema) else table
    return Reading(table.replace_schema_metadata(None), list(range(table.num_rows)), {}, [])
