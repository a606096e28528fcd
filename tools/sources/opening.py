"""Opening files that nobody has described: their columns are those that they have."""

import csv
import json
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
from ibis.expr.types import Table
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import SourceError
from core.spec.column import Column
from core.spec.part import Part as SpecPart
from core.spec.source import CsvSource, JsonLinesSource
from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.files import SourceFile, open_file
from tools.engine.rowid import ROW, unreadable_row
from tools.engine.types import ibis_type, missing, typed
from tools.quality.departure import departures, unreadable
from tools.sources.lines import open_lines
from tools.sources.reader import Surroundings, check_columns, reader

Kind = Literal["csv", "jsonl", "parquet"]

_KINDS: dict[str, Kind] = {".csv": "csv", ".tsv": "csv", ".json": "jsonl", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_KINDS |= {".parquet": "parquet"}
_SAMPLE = 1_000


class Files(SpecPart):
    """Files to open. `kind` is told by the end of their names if it is not given.

    The columns of text files are texts, unless `columns` declares types; of Parquet files, `columns` may do with some.
    """

    path: str = Field(min_length=1, description="A file or a glob.")
    kind: Kind | None = None
    columns: dict[str, Column] | None = Field(default=None, min_length=1)
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: Literal["utf-8", "latin-1", "utf-16"] = "utf-8"


class Opened(BaseModel):
    """Opened files. `rows` has `_row` and the columns, as values of their declared types.

    `raw` has all records as they came, of which there are `records`; `unreadable` lines were none. `left` has the
    departures of these, and of rows with a cell that is not of its type. `bytes` is what the files have on disk.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    rows: Any
    raw: Any
    records: int
    unreadable: int
    bytes: int
    left: list[Any]
    notes: list[str]


def open_files(engine: Engine, name: str, files: Files, parts: list[SourceFile], scratch: Path) -> Opened:
    """Open the parts of `files`. Text is read into Parquet files under `scratch`, Parquet is left where it is.

    Raises SourceError, which calls the source `name`.
    """
    kind = files.kind or _kind(name, parts)
    if kind == "parquet":
        opened = _parquet(engine, name, files, parts)
    else:
        opened = _text(engine, name, files, parts, kind, scratch)
    return _typed(opened, files.columns or {})


def _typed(opened: Opened, columns: dict[str, Column]) -> Opened:
    raw = opened.raw
    values = {name: typed(raw[name], column.type).cast(ibis_type(column.type)) for name, column in columns.items()}
    table = raw.mutate(**{f"_typed_{name}": value for name, value in values.items()})
    wrong = {name: ~missing(table[name]) & table[f"_typed_{name}"].isnull() for name in columns}
    if not wrong:
        return opened
    faulty = table.filter(ibis.or_(*wrong.values()))
    rule = ibis.cases(*((faults, f"type({name})") for name, faults in wrong.items()), else_="")
    reasons = {
        name: ibis.literal(f"{name} is '") + table[name].cast("string").fill_null("") + f"', not of type {column.type}"
        for name, column in columns.items()
    }
    why = ibis.cases(*((faults, reasons[name]) for name, faults in wrong.items()), else_="")
    fit = table.filter(~ibis.or_(*wrong.values()))
    rows = fit.select(ROW, **{name: fit[f"_typed_{name}"] for name in columns})
    return opened.model_copy(
        update={"rows": rows, "left": [*opened.left, departures(faulty, Fate.QUARANTINED, rule, why)]}
    )


def _kind(name: str, parts: list[SourceFile]) -> Kind:
    kinds = {_KINDS.get(Path(part.path).suffix.lower()) for part in parts}
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is None:
        raise SourceError(name, f"{parts[0].path} does not tell its kind by its name.", remedy="Give `kind`.")
    return kind


def _parquet(engine: Engine, name: str, files: Files, parts: list[SourceFile]) -> Opened:
    records, notes = 0, []
    for part in parts:
        try:
            with open_file(part.path) as file:
                footer = pq.read_metadata(file)
        except (pa.ArrowException, OSError) as error:
            words = str(error).strip().split("\n")[0].rstrip(".")
            raise SourceError(
                name, f"{part.path} is no whole Parquet file: {words}.", remedy="Bring the file again."
            ) from error
        if files.columns:
            notes += check_columns(name, part.path, list(files.columns), footer.schema.to_arrow_schema().names)
        records += footer.num_rows
    with engine.translating():
        rows = engine.in_process.scan([part.path for part in parts])
    if files.columns:
        rows = rows.select(ROW, *files.columns)
    size = sum(part.size for part in parts)
    rows = _usable(name, rows)
    return Opened(rows=rows, raw=rows, records=records, unreadable=0, bytes=size, left=[], notes=notes)


def _text(engine: Engine, name: str, files: Files, parts: list[SourceFile], kind: Kind, scratch: Path) -> Opened:
    there = _header(files, parts) if kind == "csv" else _keys(parts)
    found = files.columns or {column: Column(type="string") for column in there}
    common: dict[str, Any] = {"path": files.path, "columns": found}
    try:
        source: CsvSource | JsonLinesSource
        if kind == "csv":
            source = CsvSource(kind="csv", delimiter=_delimiter(files, parts), encoding=files.encoding, **common)
        else:
            source = JsonLinesSource(kind="jsonl", **common)
    except ValidationError as error:
        words = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise SourceError(name, f"its columns cannot be used: {words}.", remedy="Rename them in the file.") from error
    read = reader(name, source, Surroundings(base_dir="/", database_url=""))
    readings = [read.read(engine, part, scratch / f"{engine.name()}.parquet") for part in parts]
    lines = [
        (unreadable_row(part.index, line.line), f"line {line.line}: {line.reason}", line.text)
        for part, reading in zip(parts, readings, strict=True)
        for line in reading.unreadable
    ]
    rows = engine.read([reading.output for reading in readings])
    return Opened(
        rows=rows,
        raw=rows,
        records=sum(reading.output.rows for reading in readings),
        unreadable=len(lines),
        bytes=sum(part.size for part in parts),
        left=[unreadable(engine, lines)] if lines else [],
        notes=[],
    )


def _usable(name: str, rows: Table) -> Table:
    taken = [column for column in rows.columns if column.startswith("_") and column != ROW]
    if taken:
        raise SourceError(
            name,
            f"column {', '.join(taken)} begins with '_', which is kept for Crewline's own columns.",
            remedy="Declare the `columns` that are wanted, without it.",
        )
    return rows


def _delimiter(files: Files, parts: list[SourceFile]) -> str:
    tabs = files.delimiter == "," and Path(parts[0].path).suffix.lower() == ".tsv"
    return "\t" if tabs else files.delimiter


def _header(files: Files, parts: list[SourceFile]) -> list[str]:
    with open_lines(parts[0].path, files.encoding) as lines:
        return next(csv.reader(lines, delimiter=_delimiter(files, parts)), [])


def _keys(parts: list[SourceFile]) -> list[str]:
    found: dict[str, None] = {}
    with open_file(parts[0].path) as file:
        for line in islice(file, _SAMPLE):
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                found.update(dict.fromkeys(record) if isinstance(record, dict) else {})
    return list(found)
