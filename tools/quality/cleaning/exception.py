"""Differences that are no errors: all of a group differ in the same way, so they follow a rule of their own."""

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.grid import Column

# So many rows of one group that differ, and most of the group, are no accident.
_ROWS = 3


def accidental(rows: NDArray[np.int64], index: int, columns: list[Column]) -> NDArray[np.int64]:
    """Of rows that differ from what is expected in a column (its number), those that no other column explains.

    Rows are explained by a text of another column if it is in three or more of them, and in no more other rows.
    """
    explained = np.zeros(len(rows), bool)
    for other, column in enumerate(columns):
        if other != index and column.texts and len(rows) >= _ROWS:
            codes = column.codes[rows]
            there = np.bincount(codes[codes >= 0], minlength=len(column.texts))
            own_rule = (there >= _ROWS) & (2 * there >= column.counts)
            explained |= (codes >= 0) & own_rule[codes]
    return rows[~explained]
