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

_DATE, _NUMBER = re.compile(pattern("date")), re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def notations(column: Column) -> dict[int, Verdict]:
    """The texts, by code, that are a date or number of a column of such, in the plain notation.

    Only texts that can be read in one way, and whose value lies within the range of the plain ones.
    """
    if column.present < _ROWS:
        return {}
    texts = {code: column.texts[code] for code in np.flatnonzero(column.counts).tolist()}
    order = dates.order_of(texts.values())
    return _rewritten(column, texts, _DATE, lambda text: dates.iso_slashed(dates.iso(text), order), str) or _rewritten(
        column, texts, _NUMBER, lambda text: numbers.plain(numbers.without_currency(text), "float"), float
    )


def _rewritten(
    column: Column,
    texts: dict[int, str],
    plain: re.Pattern[str],
    rewrite: Callable[[str], str],
    value: Callable[[str], str | float],
) -> dict[int, Verdict]:
    good = {code: value(text) for code, text in texts.items() if plain.fullmatch(text)}
    rows = int(column.counts[list(good)].sum())
    if rows < _PLAIN * column.present or len(good) == len(texts):
        return {}
    low, high = min(good.values()), max(good.values())
    confidence = round(succession(rows, column.present), 3)
    found = {}
    for code, text in texts.items():
        after = rewrite(text) if code not in good else text
        # What has the column's shape, and lacks a digit, may lack any.
        if shape(after) != shape(text) and plain.fullmatch(after) and low <= value(after) <= high:  # type: ignore[operator]
            found[code] = Verdict(after, confidence)
    return found
