"""Records of JSON: their columns, with types as wide as the values seen."""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tools.discovery.dataset import Column

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIMESTAMP = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?")

# What is nested deeper has a type of many words that says little.
_DEEPEST = 4


def columns_of(records: Sequence[dict[str, Any]]) -> tuple[Column, ...]:
    """The columns of a sample, in the order of their first appearance; a key that a record lacks counts as null."""
    seen: dict[str, set[str]] = defaultdict(set)
    present: dict[str, int] = defaultdict(int)
    for record in records:
        for key, value in record.items():
            seen[key].add(_type(value))
            present[key] += value is not None
    return tuple(
        Column(name=key, type=_widest(types), null_share=1 - present[key] / len(records)) for key, types in seen.items()
    )


def _type(value: Any, depth: int = 0) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case int():
            return "int64" if -(2**63) <= value < 2**63 else "decimal"
        case float():
            return "float64"
        case list() | dict() if depth == _DEEPEST:
            return "array" if isinstance(value, list) else "struct"
        case list():
            return f"array<{_widest({_type(item, depth + 1) for item in value} or {'null'})}>"
        case dict():
            fields = ", ".join(f"{key}: {_type(item, depth + 1)}" for key, item in sorted(value.items()))
            return f"struct<{fields}>"
        case str() if _TIMESTAMP.fullmatch(value):
            return "timestamp"
        case str() if _DATE.fullmatch(value):
            return "date"
    return "string"


def _widest(types: set[str]) -> str:
    known = types - {"null"}
    if len(known) <= 1:
        return next(iter(known or types))
    if known <= {"int64", "float64"}:
        return "float64"
    if known <= {"string", "date", "timestamp"}:
        return "string"
    # Records that differ in some field of an object are still objects.
    for nested in ("struct", "array"):
        if all(name.startswith(nested) for name in known):
            return nested
    return "mixed"
