"""What is checked by itself: a file, or a table in memory, with columns whose types nobody need have declared."""

import csv
import json
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa
from ibis.expr.types import Table
from pydantic import ValidationError

from core.dataset import DatasetRef
from core.errors import EngineError, SourceError
from core.spec.column import Column
from core.spec.source import CsvSource, JsonLinesSource
from tools.engine.engine import Engine
from tools.engine.files import open_file
from tools.engine.types import declared_type, ibis_type
from tools.sources import Surroundings, reader
from tools.sources.reader import find_files

_SAMPLE = 1_000
_KINDS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


@dataclass(frozen=True)
class Input:
    """Rows as they came. `columns` are the types of all columns, `declared` of those that were told.

    A column that was not told has the type that it has in its file; one that no column of a spec can have, such as a
    list, is looked at as text. `unreadable` counts lines that are no records.
    """

    name: str
    table: Table
    columns: dict[str, Column]
    declared: dict[str, Column]
    unreadable: int


def opened(engine: Engine, data: str | Path | pa.Table, scratch: Path, declared: dict[str, Column]) -> Input:
    """Open a file (by the end of its name: csv, jsonl, ndjson, parquet), a folder of Parquet files, or a table.

    Text is read into Parquet files under `scratch`. Raises SourceError.
    """
    if isinstance(data, pa.Table):
        return _input("table", engine.table(data), declared, 0)
    path = str(data)
    name = Path(path).stem
    kind = _KINDS.get(Path(path).suffix.lower())
    if kind is None and Path(path).is_dir():
        kind, path = "parquet", str(Path(path) / "**" / "*.parquet")
    if kind is None:
        raise SourceError(name, f"{path} is of no known kind.", remedy=f"Give a file that ends in {', '.join(_KINDS)}.")
    if kind == "parquet":
        return _input(name, _parquet(engine, name, path), declared, 0)
    return _text(engine, name, path, kind, scratch, declared)


def _parquet(engine: Engine, name: str, path: str) -> Table:
    parts = find_files(name, path, _surroundings())
    try:
        return engine.read([DatasetRef(paths=tuple(part.path for part in parts), rows=0, columns={})])
    except EngineError as error:
        raise SourceError(
            name, f"{path} cannot be read: {error.what.rstrip('.')}.", remedy="Bring it again."
        ) from error


def _text(engine: Engine, name: str, path: str, kind: str, scratch: Path, declared: dict[str, Column]) -> Input:
    files = find_files(name, path, _surroundings())
    source_type = CsvSource if kind == "csv" else JsonLinesSource
    look = _header if kind == "csv" else _keys
    names = dict.fromkeys([*look(files[0].path), *declared])
    try:
        source = source_type(kind=kind, path=path, columns=dict.fromkeys(names, "string"))
    except ValidationError as error:
        words = "; ".join(problem["msg"].removeprefix("Value error, ") for problem in error.errors())
        raise SourceError(name, f"{path} has columns that cannot be told apart or used: {words}.") from error
    source_reader = reader(name, source, _surroundings())
    readings = [
        source_reader.read(engine, part, scratch / f"{engine.name()}.parquet") for part in source_reader.inspect().parts
    ]
    table = engine.read([reading.output for reading in readings])
    return _input(name, table, declared, sum(len(reading.unreadable) for reading in readings))


def _input(name: str, raw: Table, declared: dict[str, Column], unreadable: int) -> Input:
    if absent := [column for column in declared if column not in raw.columns]:
        there = ", ".join(raw.columns)
        raise SourceError(
            name, f"there is no column {', '.join(absent)}; there are {there}.", remedy="Correct `columns`."
        )
    columns: dict[str, Column] = {}
    cells = {}
    for column in raw.columns:
        kind = declared_type(raw[column].type()) or "string"
        columns[column] = declared.get(column) or Column(type=kind)
        cells[column] = raw[column] if column in declared else raw[column].cast(ibis_type(kind))
    return Input(name, raw.select(**cells), columns, declared, unreadable)


def _header(path: str) -> list[str]:
    with open_file(path, "rt", encoding="utf-8-sig", newline="") as file:
        return next(csv.reader(file), [])


def _keys(path: str) -> list[str]:
    found: dict[str, None] = {}
    with open_file(path) as file:
        for line in islice(file, _SAMPLE):
            with suppress(ValueError, RecursionError):
                record = json.loads(line)
                found.update(dict.fromkeys(record) if isinstance(record, dict) else {})
    return list(found)


def _surroundings() -> Surroundings:
    return Surroundings(base_dir=str(Path.cwd()), database_url="")
