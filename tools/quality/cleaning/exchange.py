"""Two cells of a row that have changed places: each is a stranger in its column, and at home in the other's."""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import Column

RULE = "exchange"

# A text is at home in a column with so many rows that have it.
_AT_HOME = 3
# Strangers mean something only where they are few.
_STRANGERS = 0.1


def exchanges(columns: list[Column]) -> Iterator[Finding]:
    """Findings on both cells of each exchange. The confidence is the share of the column that is at home in it."""
    closed = [index for index, column in enumerate(columns) if column.present and _closed(column)]
    homes: dict[str, set[int]] = defaultdict(set)
    for index in closed:
        column = columns[index]
        for code in np.flatnonzero(column.counts >= _AT_HOME).tolist():
            homes[column.texts[code]].add(index)
    abroad: dict[int, dict[int, set[int]]] = defaultdict(dict)
    for index in closed:
        for row, there in _abroad(columns[index], homes):
            abroad[row][index] = there
    for row, cells in sorted(abroad.items()):
        for one, other in ((one, other) for one, there in cells.items() for other in sorted(there) if other > one):
            if one in cells.get(other, ()) and not _alike(columns[one], columns[other]):
                yield _finding(columns, row, one, other)
                yield _finding(columns, row, other, one)


def _closed(column: Column) -> bool:
    return bool(column.counts[column.counts < _AT_HOME].sum() <= _STRANGERS * column.present)


def _abroad(column: Column, homes: dict[str, set[int]]) -> Iterator[tuple[int, set[int]]]:
    """The rows whose text is a stranger here, with the columns where it is at home."""
    strangers = np.flatnonzero((column.counts > 0) & (column.counts < _AT_HOME)).tolist()
    # A number is at home in every column of numbers.
    known = [code for code in strangers if (text := column.texts[code]) in homes and any(map(str.isalpha, text))]
    for row in np.flatnonzero(np.isin(column.codes, known)).tolist() if known else ():
        yield row, homes[column.texts[column.codes[row]]]


def _alike(one: Column, other: Column) -> bool:
    """Whether columns have many texts in common, as origin and destination have: any is at home in both."""
    there = other.number
    common = [(int(one.counts[code]), there[text]) for code, text in enumerate(one.texts) if text in there]
    shared = sum(min(rows, int(other.counts[code])) for rows, code in common)
    return shared > _STRANGERS * min(one.present, other.present)


def _finding(columns: list[Column], row: int, index: int, other: int) -> Finding:
    column = columns[index]
    after = columns[other].texts[columns[other].codes[row]]
    at_home = int(column.counts[column.counts >= _AT_HOME].sum())
    reason = f"changed places with {columns[other].name}"
    return Finding(row, index, after, RULE, reason, round(succession(at_home, column.present), 3))
