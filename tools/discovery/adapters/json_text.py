"""JSON: one object a line, or an array of objects, from a bounded head of the file."""

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from core.errors import SourceError
from tools.discovery.adapters.records import columns_of
from tools.discovery.dataset import Column

# What is read of a file, bytes.
HEAD = 1 << 18

_decoder = json.JSONDecoder()


def facts(file: Any, path: str, *, size: int | None) -> dict[str, Any]:
    """Columns with the types of the values seen, null shares of the head, and rows: counted, or estimated from `size`.

    Lines that are no objects are told in `fault`, beside what the others say. Raises SourceError if none is.
    """
    records, bad, used, whole = _head(file, path)
    columns: tuple[Column, ...] = columns_of(records)
    estimate = round(len(records) * size / used) if size and used else None
    return {
        "columns": columns,
        "rows": len(records) if whole else estimate,
        "rows_estimated": not whole,
        "measured_rows": len(records),
        "measured_by": "the whole file" if whole else f"the first {len(records)} records",
        "fault": f"{bad} of {len(records) + bad} records in {path} are no JSON objects." if bad else None,
    }


def sample(file: Any, path: str, columns: Sequence[str], rows: int) -> pa.Table:
    """The first rows of these columns, within the head."""
    records, *_ = _head(file, path)
    return table(records[:rows], columns)


def table(records: Sequence[dict[str, Any]], columns: Sequence[str]) -> pa.Table:
    """These columns of records; values that Arrow has no common type for come as their JSON text."""
    arrays = {}
    for name in columns:
        values = [record.get(name) for record in records]
        try:
            arrays[name] = pa.array(values)
        except (pa.ArrowException, OverflowError):
            arrays[name] = pa.array([None if value is None else json.dumps(value) for value in values])
    return pa.table(arrays)


def _head(file: Any, path: str) -> tuple[list[dict[str, Any]], int, int, bool]:
    """The records of the head, how many are none, the bytes that they take, and whether that is the whole file."""
    head = file.read(HEAD)
    whole = not file.read(1)
    text = head.decode("utf-8-sig", "replace")
    if not text.strip():
        raise SourceError(path, "it is empty.", remedy="Bring the file again.")
    found, used = _array(text) if text.lstrip().startswith("[") else _lines(text, whole=whole)
    records = [value for value in found if isinstance(value, dict)]
    if not records and not (whole and text.strip() == "[]"):
        raise SourceError(path, "it holds no JSON objects, by line or in an array.", remedy="Bring the file again.")
    bad = len(found) - len(records)
    if whole and text.lstrip().startswith("[") and not text.rstrip().endswith("]"):
        bad += 1
    return records, bad, used or len(head), whole


def _lines(text: str, *, whole: bool) -> tuple[list[Any], int]:
    if whole:
        try:
            # One object over several lines is a document of one record.
            return [json.loads(text)], len(text)
        except (ValueError, RecursionError):
            pass
    else:
        text = text[: text.rfind("\n") + 1]
    return [_value(line) for line in text.split("\n") if line.strip()], len(text.encode())


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _array(text: str) -> tuple[list[Any], int]:
    """The elements of an array as far as the text has them whole."""
    values: list[Any] = []
    place = text.index("[") + 1
    while True:
        while place < len(text) and text[place] in " \t\r\n,":
            place += 1
        if place >= len(text) or text[place] == "]":
            return values, len(text[:place].encode())
        try:
            value, place = _decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return values, len(text[:place].encode())
        values.append(value)
