"""Dates as people write them, and their ISO form.

`03/04/2025` can be read in two ways. Which one a column means is told by those of its dates that can be read in one
way only, if they all agree.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Literal

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMES = "january|february|march|april|may|june|july|august|september|october|november|december|sept|" + "|".join(
    _MONTHS
)

_YEAR_FIRST = re.compile(r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})", re.ASCII)
_COMPACT = re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})", re.ASCII)
_DOTTED = re.compile(r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})", re.ASCII)
_DAY_MONTH = re.compile(rf"(?P<d>\d{{1,2}})[ -](?P<m>{_NAMES})[ -](?P<y>\d{{4}})", re.ASCII | re.IGNORECASE)
_MONTH_DAY = re.compile(rf"(?P<m>{_NAMES})\.? (?P<d>\d{{1,2}}),? (?P<y>\d{{4}})", re.ASCII | re.IGNORECASE)
_MIDNIGHT = re.compile(r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})[T ]00:00(:00(\.0+)?)?Z?", re.ASCII)
_SLASHED = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)

_ONE_WAY = (_YEAR_FIRST, _COMPACT, _DOTTED, _DAY_MONTH, _MONTH_DAY, _MIDNIGHT)


@dataclass(frozen=True)
class Order:
    """What comes first in a slashed date of a column, and how sure that is; None where nothing tells."""

    first: Literal["day", "month"] | None
    confidence: float = 1.0


def order_of(texts: Iterable[str]) -> Order:
    """The order that a column's slashed dates bear, if those that can only be read in one way agree.

    Confidence is Laplace's rule of succession over them: (n + 1) / (n + 2).
    """
    day = month = 0
    for text in texts:
        if match := _SLASHED.fullmatch(text):
            one, two = int(match[1]), int(match[2])
            day += one > 12 >= two
            month += two > 12 >= one
    if bool(day) == bool(month):
        return Order(None)
    n = day or month
    return Order("day" if day else "month", (n + 1) / (n + 2))


def iso(text: str) -> str:
    """`YYYY-MM-DD` for a date that can be read in one way only; any other text as it is."""
    for pattern in _ONE_WAY:
        if match := pattern.fullmatch(text):
            return _date(match["y"], match["m"], match["d"]) or text
    day_first, month_first = readings(text)
    if day_first is None or month_first is None or day_first == month_first:
        return day_first or month_first or text
    return text


def readings(text: str) -> tuple[str | None, str | None]:
    """A slashed date in ISO form with the day first, and with the month first; None where there is no such date."""
    match = _SLASHED.fullmatch(text)
    if not match:
        return None, None
    return _date(match[3], match[2], match[1]), _date(match[3], match[1], match[2])


def iso_slashed(text: str, order: Order) -> str:
    """`YYYY-MM-DD` for a slashed date in the given order; any other text as it is."""
    match = _SLASHED.fullmatch(text)
    if not match or order.first is None:
        return text
    day, month = (match[1], match[2]) if order.first == "day" else (match[2], match[1])
    return _date(match[3], month, day) or text


def _date(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdigit() else _MONTHS.index(month[:3].lower()) + 1
    try:
        return date(int(year), number, int(day)).isoformat()
    except ValueError:
        return None
