"""The types of the spec on the engine, and what text stands for a value of each.

Engines disagree about what they accept ('1.5' as an integer, '2024-1-5' as a date). Here it is said once: a text is a
value of its type exactly if it has the plain notation below and denotes something that exists.
"""

import re

import ibis
from ibis.expr.types import BooleanValue, Value

_NOTATION = {
    "integer": r"^[+-]?\d{1,18}$",
    "float": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$",
    "boolean": r"^(true|false)$",
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "timestamp": r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?Z?$",
}

_IBIS = {
    "string": "string",
    "integer": "int64",
    "float": "float64",
    "boolean": "boolean",
    "date": "date",
    "timestamp": "timestamp(6)",
}


def ibis_type(declared: str) -> str:
    """The engine's type for a type of the spec."""
    return _IBIS.get(declared) or declared.replace(",", ", ")


def scale_of(declared: str) -> int | None:
    """The digits after the point of a decimal type, else None."""
    match = re.fullmatch(r"decimal\(\d+,(\d+)\)", declared)
    return int(match[1]) if match else None


def notation(declared: str) -> str:
    """The pattern (RE2) that a text of the type has."""
    match = re.fullmatch(r"decimal\((\d+),(\d+)\)", declared)
    if not match:
        return _NOTATION[declared]
    precision, scale = int(match[1]), int(match[2])
    fraction = rf"(\.\d{{1,{scale}}})?" if scale else ""
    return rf"^[+-]?\d{{1,{max(precision - scale, 1)}}}{fraction}$"


def missing(value: Value) -> BooleanValue:
    """Whether a cell is without a value: null, or blank text."""
    if value.type().is_string():
        return value.isnull() | (value.strip() == "")
    return value.isnull()


def typed(value: Value, declared: str) -> Value:
    """The cell as a value of the declared type; null where it is missing, or not of the type."""
    target = ibis_type(declared)
    if not value.type().is_string():
        if value.type() == ibis.dtype(target):
            return value
        cast = value.try_cast(target)
        exact = cast == value if value.type().is_numeric() and cast.type().is_numeric() else cast.notnull()
        return ibis.ifelse(exact, cast, ibis.null(target))
    if declared == "string":
        return ibis.ifelse(missing(value), ibis.null("string"), value)
    # The engine may evaluate both sides of a condition: only try_cast is safe on text that has another notation.
    return ibis.ifelse(value.re_search(notation(declared)), value.try_cast(target), ibis.null(target))
