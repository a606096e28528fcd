"""Files with one JSON object a line.

Read in Python, not by the engine: it says neither which lines are no JSON nor what text a number had.
"""

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain, islice, takewhile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import SourceError
from core.schema import Schema, SchemaColumn
from core.spec.source import JsonLinesSource
from tools.engine.engine import Engine, written
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row
from tools.sources.reader import (
    SAMPLE,
    Inspection,
    Part,
    Reading,
    Surroundings,
    Unreadable,
    check_columns,
    distinct,
    find_files,
    unchanged,
)

_BATCH = 50_000


class JsonLinesReader:
    """Every value is read as text, numbers in the notation that they have in the file; nested ones as JSON."""

    def __init__(self, name: str, source: JsonLinesSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings

    def inspect(self) -> Inspection:
        return self.look(find_files(self._name, self._source.path, self._surroundings, self._source.also_at))

    def look(self, parts: list[Part]) -> Inspection:
        declared = list(self._source.columns)
        found, rows = self._keys(parts)
        place = ", ".join(part.path for part in parts)
        notes = check_columns(self._name, place, declared, list(found), self._surroundings) if found else []
        return Inspection(parts=parts, rows=rows, notes=notes)

    def schemas(self) -> list[Schema]:
        found, _ = self._keys(find_files(self._name, self._source.path, self._surroundings, self._source.also_at))
        # Of any record; a record need not have them all, and what it has is read as text.
        return [dict.fromkeys(found, SchemaColumn())] if found else []

    def adapted(self, part: Part) -> Part:
        # There is one way to write them.
        return part

    def sample(self, part: Part) -> pa.Table:
        records: list[dict[str, Any]] = []
        with open_file(part.path) as file:
            for line in islice(file, SAMPLE):
                with suppress(ValueError, RecursionError):
                    records.append({key: text_of(value) for key, value in parse(line).items()})
        keys, _ = self._keys([part])
        return pa.table({key: pa.array([record.get(key) for record in records], pa.string()) for key in keys})

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        with unchanged(self._name, part):
            return self._read(engine, part, path)

    def _read(self, engine: Engine, part: Part, path: Path) -> Reading:
        columns, notes = self._columns(engine, part)
        schema = pa.schema([(ROW, pa.int64()), *((column, pa.string()) for column in columns)])
        unreadable: list[Unreadable] = []
        row = first_row(part.index)
        with pq.ParquetWriter(path, schema) as writer:
            for records in self._batches(engine, part, list(columns.values()), unreadable):
                data: dict[str, Any] = {ROW: range(row + 1, row + 1 + len(records))}
                data |= {column: [cells[index] for cells in records] for index, column in enumerate(columns)}
                writer.write_table(pa.table(data, schema=schema))
                row += len(records)
        return Reading(output=written([path]), unreadable=unreadable, notes=notes)

    def _keys(self, parts: list[Part]) -> tuple[dict[str, None], int]:
        """The keys of the first records, and of as many more as it takes to find the declared ones; and the number of
        records, estimated."""
        declared, found = set(self._source.columns), dict[str, None]()
        rows = 0
        for part in parts:
            size = lines = 0
            with open_file(part.path) as file:
                # A key may be in few of the records: as long as one is wanting, it is looked for in all.
                for line in chain(islice(file, SAMPLE), takewhile(lambda _: not found.keys() >= declared, file)):
                    lines, size = lines + 1, size + len(line)
                    with suppress(ValueError, RecursionError):
                        found.update(dict.fromkeys(parse(line)))
            rows += round(lines * part.size / size)
        return found, rows

    def _columns(self, engine: Engine, part: Part) -> tuple[dict[str, str], list[str]]:
        """Which columns are read, by their keys, and notes on names that were made."""
        if self._source.columns:
            return {name: name for name in self._source.columns}, []
        keys: dict[str, None] = {}
        with open_file(part.path) as file:
            for number, line in enumerate(file):
                if number % _BATCH == 0:
                    engine.check()
                with suppress(ValueError, RecursionError):
                    keys.update(dict.fromkeys(parse(line)))
        if not keys:
            raise SourceError(
                self._name,
                f"no line of {part.path} is a JSON object with a key.",
                remedy="Give JSON lines: one object in each line.",
            )
        names, notes = distinct(list(keys), "file")
        return dict(zip(names, keys, strict=True)), notes

    def _batches(
        self, engine: Engine, part: Part, keys: list[str], unreadable: list[Unreadable]
    ) -> Iterator[list[list[str | None]]]:
        records: list[list[str | None]] = []
        done = 0
        instead = self._surroundings.names.get(self._name, {})
        with open_file(part.path) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                try:
                    record = parse(line)
                    for name, others in instead.items():
                        if name not in record:
                            record[name] = next((record[o] for o in others if o in record), None)
                    records.append([text_of(record.get(key)) for key in keys])
                except (ValueError, RecursionError) as error:
                    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                    before = done + len(records)
                    unreadable.append(Unreadable(line=number, reason=f"{error}.", text=text, records=before))
                if len(records) == _BATCH:
                    yield records
                    done += len(records)
                    records = []
                    engine.check()
        yield records


class _Number(str):
    """A number in the notation that it has in the file."""


def parse(line: bytes) -> dict[str, Any]:
    """The line's object. Raises ValueError or RecursionError, which say why there is none."""
    try:
        value = json.loads(
            line.decode("utf-8-sig"),
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_Number,
            object_pairs_hook=_object,
        )
    except ValueError as error:
        raise ValueError(f"Not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"Not a JSON object, but {_JSON_NAMES.get(type(value), 'null')}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key '{next(name for name in names if names.count(name) > 1)}' stands twice")
    return found


_JSON_NAMES = {_Number: "a number", bool: "a truth value", list: "a list", str: "a string"}


def text_of(value: Any) -> str | None:
    """A value as the text of a cell. Raises ValueError for a string that no file could hold: half a surrogate pair."""
    if value is None:
        return None
    text = str(value) if isinstance(value, str) else _json(value)
    if not text.isascii():
        text.encode()
    return text


def _json(value: Any) -> str:
    match value:
        case _Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{_json(key)}: {_json(item)}" for key, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
