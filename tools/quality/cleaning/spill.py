"""Values that spilt into the column before theirs: `Portland OR` and nothing, for `Portland` and `OR`."""

from collections.abc import Iterator

import numpy as np

from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column

RULE = "spill"

# A habit of the table: so many rows whose both halves are known, and most of the gaps.
_KNOWN = 3
_OF_GAPS = 0.5
_FREQUENT = 2


def spills(columns: list[Column]) -> Iterator[Finding]:
    """Findings on both cells, the one to be cut and the one to be filled, of neighbouring columns."""
    for index in range(len(columns) - 1):
        yield from _spilt(columns[index], columns[index + 1], index)


def _spilt(left: Column, right: Column, index: int) -> Iterator[Finding]:
    gaps = np.flatnonzero((right.codes == MISSING) & (left.codes != MISSING))
    if not len(gaps) or not right.present:
        return
    known = 0
    cut: list[tuple[int, str, str]] = []
    for row in gaps.tolist():
        head, _, tail = left.texts[left.codes[row]].rpartition(" ")
        head = head.rstrip(" ,;")
        if head and right.counts[right.number[tail]] >= _FREQUENT if tail in right.number else False:
            cut.append((row, head, tail))
            known += head in left.number
    if known < _KNOWN or len(cut) < _OF_GAPS * len(gaps) or 2 * known < len(cut):
        return
    confidence = round(succession(len(cut), len(gaps)), 3)
    for row, head, tail in cut:
        yield Finding(row, index, head, RULE, f"ends in what belongs into {right.name}", confidence)
        yield Finding(row, index + 1, tail, RULE, f"its value stands at the end of {left.name}", confidence)
