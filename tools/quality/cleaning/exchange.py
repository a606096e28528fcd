"""Two cells of a row that have changed places: each is a stranger in its column, and at home in the other's."""

from collections.abc import Iterator

import numpy as np

from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column

RULE = "exchange"

# A text is at home in a column with so many rows that have it.
_AT_HOME = 3
# Strangers mean something only where they are few.
_STRANGERS = 0.1


def exchanges(columns: list[Column]) -> Iterator[Finding]:
    """Findings on both cells of each exchange. The confidence is the share of the column that is at home in it."""
    closed = {index: _strangers(column) for index, column in enumerate(columns) if column.present}
    closed = {i: rows for i, rows in closed.items() if len(rows) <= _STRANGERS * columns[i].present}
    for index, rows in closed.items():
        others = [other for other in closed if other > index and not _alike(columns[index], columns[other])]
        for row in rows.tolist():
            for other in others:
                if _exchanged(columns[index], columns[other], row):
                    yield _finding(columns, row, index, other)
                    yield _finding(columns, row, other, index)


def _strangers(column: Column) -> np.ndarray:
    rare = np.append(column.counts < _AT_HOME, False)
    return np.flatnonzero(rare[column.codes] & (column.codes != MISSING))


def _alike(one: Column, other: Column) -> bool:
    """Whether columns have many texts in common, as origin and destination have: any is at home in both."""
    there = other.number
    common = [(int(one.counts[code]), there[text]) for code, text in enumerate(one.texts) if text in there]
    shared = sum(min(rows, int(other.counts[code])) for rows, code in common)
    return shared > _STRANGERS * min(one.present, other.present)


def _exchanged(one: Column, other: Column, row: int) -> bool:
    return _belongs(one, other, row) and _belongs(other, one, row)


def _belongs(there: Column, home: Column, row: int) -> bool:
    """Whether the text that one column has in a row is a stranger there, and at home in the other column."""
    code = int(there.codes[row])
    # A number is at home in every column of numbers.
    if code == MISSING or there.counts[code] >= _AT_HOME or not any(map(str.isalpha, there.texts[code])):
        return False
    known = home.number.get(there.texts[code])
    return known is not None and int(home.counts[known]) >= _AT_HOME


def _finding(columns: list[Column], row: int, index: int, other: int) -> Finding:
    column = columns[index]
    after = columns[other].texts[columns[other].codes[row]]
    at_home = int(column.counts[column.counts >= _AT_HOME].sum())
    reason = f"changed places with {columns[other].name}"
    return Finding(row, index, after, RULE, reason, round(succession(at_home, column.present), 3))
