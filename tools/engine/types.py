"""The types of the spec on the engine, and what text stands for a value of each.

Engines disagree about what they accept ('1.5' as an integer, '2024-1-5' as a date). Here it is said once: a text is a
value of its type exactly if it has the plain notation below and denotes something that exists.
"""

import re
from typing import Any

import ibis
from ibis.expr.types import BooleanValue, Value

# There is no year 0 in most calendars of programs.
_YEAR = r"(000[1-9]|00[1-9]\d|0[1-9]\d{2}|[1-9]\d{3})"

_NOTATION = {
    "integer": r"^[+-]?\d{1,19}$",
    "float": r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$",
    "boolean": r"^(true|false)$",
    "date": rf"^{_YEAR}-\d{{2}}-\d{{2}}$",
    "timestamp": rf"^{_YEAR}-\d{{2}}-\d{{2}}[T ]([01]\d|2[0-3]):\d{{2}}(:\d{{2}}(\.\d{{1,6}})?)?Z?$",
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


def declared_type(kind: Any) -> str | None:
    """The spec's type for one of the engine's; None for one that no column of the spec can have, such as a list."""
    if kind.is_decimal():
        return f"decimal({kind.precision},{kind.scale})"
    names = {"integer": kind.is_integer(), "float": kind.is_floating()}
    names |= {name: getattr(kind, f"is_{name}")() for name in ("string", "boolean", "date", "timestamp")}
    return next((name for name, matches in names.items() if matches), None)


def constant(value: str | int | float | bool, kind: Any) -> Value:
    """A value of the spec as one of the engine's type. Raises ValueError or TypeError if it is none."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    declared = declared_type(kind)
    if declared is None or (declared != "string" and not re.search(notation(declared), text)):
        raise ValueError(f"'{text}' is not of type {declared or kind}")
    return ibis.literal(value if isinstance(value, bool) and declared == "boolean" else text, type=kind)


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
        # All blanks come before '!'. Few texts begin with one, and only those are worth the trimming.
        return value.isnull() | ibis.ifelse(value < "!", value.strip() == "", False)
    return value.isnull()


def is_typed(value: Value, declared: str) -> bool:
    """Whether a column has values of the declared type and no others. Text never has: it may be blank."""
    return not value.type().is_string() and value.type() == ibis.dtype(ibis_type(declared))


def typed(value: Value, declared: str) -> Value:
    """The cell as a value of the declared type; null where it is missing, or not of the type."""
    if is_typed(value, declared):
        return value
    target = ibis_type(declared)
    if not value.type().is_string():
        cast = value.try_cast(target)
        if cast.type().is_string() or value.type().is_unknown():
            return cast
        # A value that would not come back the same is not of the type: 1.5 is no integer, 14:30 no date.
        return ibis.ifelse(cast.try_cast(value.type()) == value, cast, ibis.null(target))
    if declared == "string":
        return ibis.ifelse(missing(value), ibis.null("string"), value)
    # The engine may evaluate both sides of a condition: only try_cast is safe on text that has another notation.
    cast = value.try_cast(target)
    # 1e400 has the notation of a float, and is none.
    exists = ~cast.isinf() if declared == "float" else cast.notnull()
    return ibis.ifelse(value.re_search(notation(declared)) & exists, cast, ibis.null(target))
