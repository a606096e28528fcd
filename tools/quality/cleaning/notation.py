"""Dates and numbers in another notation than their column's: `3 May 2024` among `2024-05-03`, `$1,250` among `980`."""

import re
from collections.abc import Callable

import numpy as np

from tools.engine.types import notation as pattern
from tools.quality.cleaning.finding import Verdict, succession
from tools.quality.cleaning.grid import Column
from tools.quality.cleaning.shape import shape
from tools.quality.notation import dates, numbers

RULE = "notation"

# The column is in plain notation if so much of it is.
_PLAIN = 0.8
_ROWS = 20
# Eight dates that can be read in one way tell how to read the others.
_SURE = 0.9

_DATE, _NUMBER = re.compile(pattern("date")), re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def notations(column: Column) -> dict[int, Verdict]:
    """The texts, by code, that are a date or number of a column of such, in the plain notation.

    Only texts that can be read in one way, by themselves or as others of the column tell, and whose value lies within
    the range of the plain ones.
    """
    if column.present < _ROWS:
        return {}
    if odd := _odd(column, _DATE):
        order = dates.order_of(column.texts[code] for code in odd)
        known = order if order.confidence >= _SURE else dates.Order(None)
        return _rewritten(column, odd, _DATE, lambda text: dates.iso_slashed(dates.iso(text), known), str)
    if odd := _odd(column, _NUMBER):
        return _rewritten(
            column, odd, _NUMBER, lambda text: numbers.plain(numbers.without_currency(text), "float"), float
        )
    return {}


def _odd(column: Column, plain: re.Pattern[str]) -> list[int]:
    """The texts, by code, that are not plain, if so many others are."""
    fits = column.matches(plain.pattern)
    there = column.counts > 0
    enough = int(column.counts[fits].sum()) >= _PLAIN * column.present
    return np.flatnonzero(there & ~fits).tolist() if enough else []


def _rewritten(
    column: Column,
    odd: list[int],
    plain: re.Pattern[str],
    rewrite: Callable[[str], str],
    value: Callable[[str], str | float],
) -> dict[int, Verdict]:
    others = column.counts > 0
    others[odd] = False
    values = [value(column.texts[code]) for code in np.flatnonzero(others).tolist()]
    low, high = min(values), max(values)
    confidence = round(succession(int(column.counts[others].sum()), column.present), 3)
    found = {}
    for code in odd:
        text = column.texts[code]
        after = rewrite(text)
        # What has the column's shape, and lacks a digit, may lack any.
        if shape(after) != shape(text) and plain.fullmatch(after) and low <= value(after) <= high:  # type: ignore[operator]
            found[code] = Verdict(after, confidence)
    return found
