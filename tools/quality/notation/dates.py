"""Dates as people write them, and their ISO form.

`03/04/2025` can be read in two ways. Which one a column means is told by those of its dates that can be read in one
way only, if they all agree.
"""

from dataclasses import dataclass
from typing import Any

import ibis
from ibis.expr.types import StringValue, Value

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "((?i)jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"

_YEAR_FIRST = r"^(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})$"
_COMPACT = r"^(\d{4})(\d{2})(\d{2})$"
_DOTTED = r"^(\d{1,2})\.(\d{1,2})\.(\d{4})$"
_SLASHED = r"^(\d{1,2})/(\d{1,2})/(\d{4})$"
_DAY_MONTH = rf"^(\d{{1,2}})[ -]{_MONTH}[ -]+(\d{{4}})$"
_MONTH_DAY = rf"^{_MONTH}\.? (\d{{1,2}}),? (\d{{4}})$"
_MIDNIGHT = r"^(\d{4}-\d{2}-\d{2})[T ]00:00(:00(\.0+)?)?Z?$"


@dataclass(frozen=True)
class Order:
    """What comes first in a slashed date of this column: `day`, `month`, or nothing that could be told."""

    first: str | None
    confidence: float


def evidence(text: StringValue) -> dict[str, Value]:
    """Aggregates over a column that `order_of` reads: slashed dates that can only be day first, or month first."""
    slashed = text.re_search(_SLASHED)
    one = ibis.ifelse(slashed, text.re_extract(_SLASHED, 1).try_cast("int64"), 0)
    two = ibis.ifelse(slashed, text.re_extract(_SLASHED, 2).try_cast("int64"), 0)
    return {
        "day": ((one > 12) & (two <= 12)).sum().fill_null(0),
        "month": ((two > 12) & (one <= 12)).sum().fill_null(0),
    }


def order_of(found: dict[str, Any]) -> Order:
    """The order that the evidence bears. Confidence is Laplace's rule of succession: (n + 1) / (n + 2)."""
    day, month = int(found["day"]), int(found["month"])
    if bool(day) == bool(month):
        return Order(None, 1.0)
    n = day or month
    return Order("day" if day else "month", (n + 1) / (n + 2))


def iso(text: StringValue, order: Order) -> StringValue:
    """`YYYY-MM-DD` for a date that can be read in one way; any other text as it is."""

    def assembled(pattern: str, year: int, month: int, day: int) -> tuple[Value, Value]:
        parts = [text.re_extract(pattern, group) for group in (year, month, day)]
        return text.re_search(pattern), _joined(*parts)

    def named(pattern: str, year: int, month: int, day: int) -> tuple[Value, Value]:
        word = text.re_extract(pattern, month).substr(0, 3).lower()
        number = word.substitute({name: str(n) for n, name in enumerate(_MONTHS, start=1)})
        return text.re_search(pattern), _joined(text.re_extract(pattern, year), number, text.re_extract(pattern, day))

    cases = [
        assembled(_YEAR_FIRST, 1, 2, 3),
        assembled(_COMPACT, 1, 2, 3),
        assembled(_DOTTED, 3, 2, 1),
        named(_DAY_MONTH, 3, 2, 1),
        named(_MONTH_DAY, 3, 1, 2),
        (text.re_search(_MIDNIGHT), text.re_extract(_MIDNIGHT, 1)),
    ]
    if order.first:
        day, month = (1, 2) if order.first == "day" else (2, 1)
        cases.append(assembled(_SLASHED, 3, month, day))
    date = ibis.cases(*cases, else_=text)
    return ibis.ifelse(date.try_cast("date").notnull(), date, text)


def _joined(year: StringValue, month: StringValue, day: StringValue) -> StringValue:
    return year + "-" + month.lpad(2, "0") + "-" + day.lpad(2, "0")
