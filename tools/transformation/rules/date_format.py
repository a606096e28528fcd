"""Dates in a given format. It is read as a pattern, so that every engine takes the same texts for dates."""

import re

import ibis
from ibis.expr.types import StringValue, Value

from tools.engine.types import ibis_type, typed

_MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]

_PATTERNS = {
    "%Y": r"\d{4}",
    "%y": r"\d{2}",
    "%m": r"\d{1,2}",
    "%b": r"[A-Za-z]{3}",
    "%B": r"[A-Za-z]+",
    "%d": r"\d{1,2}",
    "%H": r"\d{1,2}",
    "%M": r"\d{2}",
    "%S": r"\d{2}",
}


def parsed(text: StringValue, formats: tuple[str, ...], declared: str) -> Value:
    """The text as a `date` or `timestamp` by the first format that fits as a whole; null if none does."""
    values = [_by_format(text, form, declared) for form in formats]
    return ibis.coalesce(*values) if len(values) > 1 else values[0]


def _by_format(text: StringValue, form: str, declared: str) -> Value:
    pieces = re.split(r"(%.)", form)
    directives = pieces[1::2]
    pattern = "".join(f"({_PATTERNS[piece]})" if piece in _PATTERNS else re.escape(piece) for piece in pieces)
    pattern = f"^{pattern}$"
    part = {directive: text.re_extract(pattern, number) for number, directive in enumerate(directives, start=1)}
    written = _year(part) + "-" + _month(part) + "-" + part["%d"].lpad(2, "0")
    if declared == "timestamp":
        clock = (part[d].lpad(2, "0") if d in part else ibis.literal("00") for d in ("%H", "%M", "%S"))
        hour, minute, second = clock
        written = written + " " + hour + ":" + minute + ":" + second
    value = typed(written, declared)
    return ibis.ifelse(text.re_search(pattern), value, ibis.null(ibis_type(declared)))


def _year(part: dict[str, StringValue]) -> StringValue:
    if "%Y" in part:
        return part["%Y"]
    # As in POSIX, 70 is 1970 and 69 is 2069; texts of two digits compare as numbers do.
    return ibis.ifelse(part["%y"] >= "70", "19", "20") + part["%y"]


def _month(part: dict[str, StringValue]) -> StringValue:
    if "%m" in part:
        return part["%m"].lpad(2, "0")
    short = "%b" in part
    name = part["%b" if short else "%B"].lower()
    names = [(month[:3] if short else month, f"{number:02}") for number, month in enumerate(_MONTHS, start=1)]
    return ibis.cases(*((name == month, number) for month, number in names), else_="00")
