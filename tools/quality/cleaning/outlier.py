"""Numbers far from all others of their column, and texts of broken encoding. Nothing tells what they should be."""

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.grid import Column

OUTLIER = "outlier"
ENCODING = "encoding"

_NUMERIC = 0.95
_ROWS = 20
# What is far out by quartiles alone takes more rows to be believed, and more different numbers.
_TAIL_ROWS, _TAIL_DISTINCT = 50, 10
# Beyond so many quartile ranges from the nearer quartile, and no more than so many of the rows.
_RANGES = 10
_SHARE = 0.002
# A gap in the sizes of numbers sets those above it apart: 99999999 among ages. So many may be, as such are repeated.
_GAP = 1000
_NARROW_GAP = 20
_APART = 0.02
_DISTINCT = 4

_LARGEST = 1e300
_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?"
# What UTF-8 looks like when it is read as Latin-1 or Windows-1252; the sign for what could not be read; controls.
_BROKEN = r"[ÃÂ][\x{80}-\x{bf}]|â€|\x{fffd}|[\x{00}-\x{08}\x{0e}-\x{1f}]"
_BROKEN_SHARE = 0.05


def outliers(column: Column) -> dict[int, float]:
    """The texts, by code, that are numbers far out, and the share of the rows that are not.

    Where all numbers are positive, they must be far out on a logarithmic scale too: many columns have long tails. Or
    they are a thousand times as large as all others; twenty times, where they are far out on that scale.
    """
    if len(column.texts) <= _DISTINCT or column.present < _ROWS:
        return {}
    numeric = column.matches(_NUMBER)
    if column.counts[numeric].sum() < _NUMERIC * column.present:
        return {}
    codes = np.flatnonzero(numeric & (column.counts > 0))
    numbers, counts = _numbers(column, codes), column.counts[codes]
    far = _far(numbers, counts)
    if not far.any():
        return {}
    sizes = np.abs(numbers)
    sizes = np.log(np.maximum(sizes, sizes[sizes > 0].min()))
    beyond = _far(sizes, counts)
    apart = far & _apart(sizes, counts, beyond)
    if (numbers > 0).all():
        far &= beyond
    few = column.present < _TAIL_ROWS or len(codes) < _TAIL_DISTINCT
    if few or int(counts[far].sum()) > max(1, _SHARE * column.present):
        far[:] = False
    far |= apart
    rows = int(counts[far].sum())
    return {code: round(1 - rows / column.present, 4) for code in codes[far].tolist()}


def _numbers(column: Column, codes: NDArray[np.int64]) -> NDArray[np.float64]:
    """The texts as numbers, those that have no room in a float as large ones."""
    return np.clip([float(column.texts[code]) for code in codes], -_LARGEST, _LARGEST)


def _apart(sizes: NDArray[np.float64], counts: NDArray[np.int64], beyond: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The few largest, above a gap in the logarithmic sizes."""
    order = np.argsort(sizes)
    above = counts[order][::-1].cumsum()[::-1]
    gaps = np.diff(sizes[order], prepend=sizes[order][0])
    wide = (gaps >= np.log(_GAP)) | ((gaps >= np.log(_NARROW_GAP)) & beyond[order])
    few = above <= max(1, _APART * counts.sum())
    lowest = np.flatnonzero(wide & few)[:1]
    found = np.zeros(len(sizes), bool)
    if len(lowest) and lowest[0] >= _DISTINCT:
        found[order[lowest[0] :]] = True
    return found


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
