"""The company of a text: what stands beside it in its rows, and whether that is what stands beside another text.

A misspelt word keeps its company. A word of its own has its own: `Iraq` is no `Iran`, as its code is not `IR`.
"""

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.grid import MISSING, Column

# A text has a companion in another column if so much of its rows, and no more than so much of all, have that.
_CLOSE = 0.9
_COMMON = 0.5
# Rows of a text that are looked at, and that a text must have to have companions.
_ROWS = 200
_FEWEST = 4


class Company:
    """The companions of the texts of one column of a table in the table's other columns."""

    def __init__(self, column: Column, others: Sequence[Column]) -> None:
        self._codes = column.codes
        self._others = others
        self.companions = cache(self._companions)

    def chance(self, code: int, other: int) -> float | None:
        """How likely another word would keep the company that a text keeps with the other: None if it keeps its own.

        It keeps its own if it differs in more columns than it agrees in. Otherwise the chance is the share of the
        rarest companion that both have; 1 where no companion tells.
        """
        rows = self._rows(code)
        shares, differs = [1.0], 0
        for column, companion in zip(self._others, self.companions(other), strict=True):
            beside = column.codes[rows]
            beside = beside[beside != MISSING]
            if companion == MISSING or not len(beside):
                continue
            if 2 * (beside == companion).sum() > len(beside):
                shares.append(float(column.counts[companion]) / column.present)
            else:
                differs += 1
        return min(shares) if differs < len(shares) else None

    def _companions(self, code: int) -> list[int]:
        """For each other column the text that stands beside this one, MISSING if there is no such."""
        rows = self._rows(code)
        return [_companion(column, rows) for column in self._others]

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        return np.argsort(self._codes, kind="stable")

    def _rows(self, code: int) -> NDArray[np.int64]:
        first = np.searchsorted(self._codes, code, sorter=self._order)
        last = np.searchsorted(self._codes, code, side="right", sorter=self._order)
        return self._order[first : min(last, first + _ROWS)]


def _companion(column: Column, rows: NDArray[np.int64]) -> int:
    beside = column.codes[rows]
    beside = beside[beside != MISSING]
    if len(beside) < _FEWEST:
        return MISSING
    top = int(np.bincount(beside).argmax())
    often = (beside == top).sum() >= _CLOSE * len(beside)
    return top if often and column.counts[top] <= _COMMON * column.present else MISSING
