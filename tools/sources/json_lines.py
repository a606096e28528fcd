"""Files with one JSON object a line.

Read in Python, not by the engine: it says neither which lines are no JSON nor what text a number had.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.spec.source import JsonLinesSource
from tools.engine.engine import Engine, written
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row
from tools.sources.reader import (
    Inspection,
    Part,
    Reading,
    Surroundings,
    Unreadable,
    check_columns,
    find_files,
    unchanged,
)

_BATCH = 50_000
_SAMPLE = 1_000


class JsonLinesReader:
    """Every value is read as text, numbers in the notation that they have in the file; nested ones as JSON."""

    def __init__(self, name: str, source: JsonLinesSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings

    def inspect(self) -> Inspection:
        parts = find_files(self._name, self._source.path, self._surroundings)
        notes: list[str] = []
        rows = 0
        for part in parts:
            found: dict[str, None] = {}
            size = lines = 0
            with open_file(part.path) as file:
                for line in islice(file, _SAMPLE):
                    lines, size = lines + 1, size + len(line)
                    record, _ = _parse(line)
                    found.update(dict.fromkeys(record or {}))
            if found:
                notes += check_columns(self._name, part.path, list(self._source.columns), list(found))
            rows += round(lines * part.size / size)
        return Inspection(parts=parts, rows=rows, notes=notes)

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        unchanged(self._name, part)
        columns = list(self._source.columns)
        schema = pa.schema([(ROW, pa.int64()), *((column, pa.string()) for column in columns)])
        unreadable: list[Unreadable] = []
        row = first_row(part.index)
        with pq.ParquetWriter(path, schema) as writer:
            for records in self._batches(part, unreadable):
                data: dict[str, Any] = {ROW: range(row + 1, row + 1 + len(records))}
                data |= {column: [_text(record.get(column)) for record in records] for column in columns}
                writer.write_table(pa.table(data, schema=schema))
                row += len(records)
        return Reading(output=written([path]), unreadable=unreadable)

    def _batches(self, part: Part, unreadable: list[Unreadable]) -> Iterator[list[dict[str, Any]]]:
        records: list[dict[str, Any]] = []
        with open_file(part.path) as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                record, reason = _parse(line)
                if record is None:
                    text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                    unreadable.append(Unreadable(line=number, reason=reason, text=text))
                else:
                    records.append(record)
                if len(records) == _BATCH:
                    yield records
                    records = []
        yield records


def _parse(line: bytes) -> tuple[dict[str, Any] | None, str]:
    try:
        value = json.loads(line.decode("utf-8-sig"), parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError) as error:
        return None, f"Not JSON: {error}."
    return (value, "") if isinstance(value, dict) else (None, f"Not a JSON object, but {type(value).__name__}.")


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)
