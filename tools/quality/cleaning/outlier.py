"""Numbers far from all others of their column, and texts of broken encoding. Nothing tells what they should be."""

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.grid import Column

OUTLIER = "outlier"
ENCODING = "encoding"

_NUMERIC = 0.95
_ROWS = 50
_DISTINCT = 10
# Beyond so many quartile ranges from the nearer quartile, and no more than so many of the rows.
_RANGES = 10
_SHARE = 0.002

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
# What UTF-8 looks like when it is read as Latin-1 or Windows-1252; the sign for what could not be read; controls.
_BROKEN = r"[ÃÂ][\x{80}-\x{bf}]|â€|\x{fffd}|[\x{00}-\x{08}\x{0e}-\x{1f}]"
_BROKEN_SHARE = 0.05


def outliers(column: Column) -> dict[int, float]:
    """The texts, by code, that are numbers far out, and the share of the rows that are not.

    Where all numbers are positive, they must be far out on a logarithmic scale too: many columns have long tails.
    """
    if len(column.texts) < _DISTINCT or column.present < _ROWS:
        return {}
    numeric = column.matches(_NUMBER)
    if column.counts[numeric].sum() < _NUMERIC * column.present:
        return {}
    codes = np.flatnonzero(numeric & (column.counts > 0))
    numbers = np.array([float(column.texts[code]) for code in codes])
    far = _far(numbers, column.counts[codes])
    if (numbers > 0).all():
        far &= _far(np.log(numbers), column.counts[codes])
    rows = int(column.counts[codes][far].sum())
    if not rows or rows > max(1, _SHARE * column.present):
        return {}
    return {code: round(1 - rows / column.present, 4) for code in codes[far].tolist()}


def _far(numbers: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.bool_]:
    order = np.argsort(numbers)
    reached = np.cumsum(counts[order])
    low, high = (numbers[order][np.searchsorted(reached, reached[-1] * share)] for share in (0.25, 0.75))
    width = _RANGES * (high - low)
    far: NDArray[np.bool_] = (numbers < low - width) | (numbers > high + width)
    return far & bool(width > 0)


def broken(column: Column) -> dict[int, float]:
    """The texts, by code, whose encoding is broken, and the share of the rows that are whole."""
    found = np.flatnonzero(column.having(_BROKEN) & (column.counts > 0)).tolist()
    rows = int(column.counts[found].sum())
    if not rows or rows > max(1, _BROKEN_SHARE * column.present):
        return {}
    return {code: round(1 - rows / column.present, 4) for code in found}
