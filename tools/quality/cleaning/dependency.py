"""Dependencies between columns, found from the data: which column's value tells another's, and what it tells.

The strength of a dependency A -> B is Goodman and Kruskal's tau, each row left out when it is predicted: how much
better B is guessed from the other rows with the same A than from all other rows. 1 is a function, 0 is nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.grid import MISSING, Codes, Column

STRENGTH = 0.85

# Rows that must be predictable for a dependency to be believed.
_ROWS = 30
_GROUPS = 5
# Two determinants together are looked for among columns of few values, on so many rows.
_PAIR_TEXTS = 60
_PAIR_SAMPLE = 10_000
_PAIR_STRENGTH = 0.95
_PAIR_COLUMNS = 16
# Of wider tables the columns that say most are kept.
_MAX_COLUMNS = 64


@dataclass(frozen=True)
class Dependency:
    """`determinants` -> `dependent` (column numbers).

    `groups` has each row's group by the determinants, MISSING where one is missing. For each group: its `size`, the
    `top` text of the dependent (its code; MISSING where most have none), and how many rows have the top and the second.
    Rows whose dependent is known to be wrong are predicted, but not counted.
    """

    determinants: tuple[int, ...]
    dependent: int
    strength: float
    groups: Codes
    size: NDArray[np.int64]
    top: Codes
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    def predictions(self, column: Column) -> tuple[Codes, NDArray[np.int64], NDArray[np.int64]]:
        """For each row what the *other* rows of its group have: the text, how many have it, and of how many.

        The text is MISSING where the others are fewer than two or not at least two thirds agree on one.
        """
        inside = self.groups >= 0
        group = np.where(inside, self.groups, 0)
        counted = inside if column.wrong is None else inside & ~column.wrong
        others = np.where(inside, self.size[group] - counted, 0)
        own = counted & (column.codes == self.top[group])
        votes = np.where(inside, self.first[group] - own, 0)
        # Without this row, the second may be as frequent as the first.
        decided = (others >= 2) & (3 * votes >= 2 * others) & (votes > self.second[group] * own)
        return np.where(decided, self.top[group], MISSING).astype(np.int32), votes, others


def dependencies(columns: list[Column]) -> list[Dependency]:
    """All dependencies of one determinant, and of two where neither does alone."""
    rows = len(columns[0].codes) if columns else 0
    telling = _telling(columns, rows)
    found = [
        dependency
        for determinant in telling
        for dependency in _from(columns, (determinant,), columns[determinant].codes, telling, STRENGTH)
    ]
    known = {(dependency.determinants[0], dependency.dependent) for dependency in found}
    for pair, dependents in _pairs(columns, telling, known, rows):
        groups = _together(columns[pair[0]], columns[pair[1]])
        found += _from(columns, pair, groups, dependents, _PAIR_STRENGTH)
    return found


def _telling(columns: list[Column], rows: int) -> list[int]:
    """Columns with more than one text, some of which repeat."""
    useful = [
        index
        for index, column in enumerate(columns)
        if len(column.texts) > 1 and column.present - len(column.texts) >= max(_ROWS, rows // 100)
    ]
    useful.sort(key=lambda index: (-columns[index].present, index))
    return sorted(useful[:_MAX_COLUMNS])


def _from(
    columns: list[Column], determinants: tuple[int, ...], groups: Codes, dependents: list[int], strength: float
) -> Iterator[Dependency]:
    size = np.bincount(groups[groups >= 0])
    if (size >= 2).sum() < _GROUPS:
        return
    for dependent in dependents:
        if dependent not in determinants and (
            found := measured(determinants, dependent, groups, size, columns[dependent], strength)
        ):
            yield found


def measured(
    determinants: tuple[int, ...], dependent: int, groups: Codes, size: NDArray[np.int64], column: Column, least: float
) -> Dependency | None:
    """The dependency of a column on groups of `size`, if it is at least so strong, and shown by enough rows."""
    counted = groups if column.wrong is None else np.where(column.wrong, MISSING, groups)
    if column.wrong is not None:
        size = np.bincount(counted[counted >= 0], minlength=len(size))
    pair, count = _cells(counted, column)
    group, text = np.divmod(pair, len(column.texts) + 1)
    repeated = size[group] >= 2
    rows = int(count[repeated].sum())
    if rows < _ROWS:
        return None
    hit = float((count * (count - 1) / np.maximum(size[group] - 1, 1))[repeated].sum()) / rows
    marginal = np.append(column.counts, len(column.codes) - column.present)
    chance = float((count * (marginal[text] - 1))[repeated].sum()) / rows / max(len(column.codes) - 1, 1)
    tau = (hit - chance) / (1 - chance) if chance < 1 else 0.0
    if tau < least:
        return None
    top, first, second = _leaders(group, text, count, len(size))
    return Dependency(
        determinants, dependent, tau, groups, size, np.where(top == len(column.texts), MISSING, top), first, second
    )


def _cells(groups: Codes, column: Column) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The distinct pairs of group and text, as one number, and their counts. A gap counts as a text of its own."""
    inside = groups >= 0
    width = len(column.texts) + 1
    text = np.where(column.codes < 0, len(column.texts), column.codes)[inside].astype(np.int64)
    return np.unique(groups[inside].astype(np.int64) * width + text, return_counts=True)


def _leaders(
    group: NDArray[np.int64], text: NDArray[np.int64], count: NDArray[np.int64], groups: int
) -> tuple[Codes, NDArray[np.int64], NDArray[np.int64]]:
    order = np.lexsort((text, -count, group))
    group, text, count = group[order], text[order], count[order]
    leads = np.flatnonzero(np.diff(group, prepend=-1))
    top = np.full(groups, MISSING, np.int32)
    first, second = np.zeros(groups, np.int64), np.zeros(groups, np.int64)
    top[group[leads]], first[group[leads]] = text[leads], count[leads]
    follows = leads + 1
    follows = follows[follows < len(group)]
    follows = follows[group[follows] == group[follows - 1]]
    second[group[follows]] = count[follows]
    return top, first, second


def _together(one: Column, other: Column) -> Codes:
    """The groups by two columns."""
    both = (one.codes >= 0) & (other.codes >= 0)
    joined = one.codes.astype(np.int64) * len(other.texts) + other.codes
    groups = np.full(len(joined), MISSING, np.int32)
    groups[both] = np.unique(joined[both], return_inverse=True)[1]
    return groups


def _pairs(
    columns: list[Column], telling: list[int], known: set[tuple[int, int]], rows: int
) -> Iterator[tuple[tuple[int, int], list[int]]]:
    """Pairs of determinants, and what they tell on a sample though neither tells it alone."""
    few = [index for index in telling if len(columns[index].texts) <= max(_PAIR_TEXTS, rows // 20)]
    few = sorted(sorted(few, key=lambda index: (len(columns[index].texts), index))[:_PAIR_COLUMNS])
    step = max(1, rows // _PAIR_SAMPLE)
    sample = [column.every(step) for column in columns]
    for one, other in combinations(few, 2):
        # One that tells the other adds nothing to it.
        if (one, other) in known or (other, one) in known:
            continue
        open_to = [index for index in few if index not in (one, other) and not {(one, index), (other, index)} & known]
        groups = _together(sample[one], sample[other])
        told = [found.dependent for found in _from(sample, (one, other), groups, open_to, _PAIR_STRENGTH - 0.05)]
        if told:
            yield (one, other), told
