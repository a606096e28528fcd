"""The cells of a table beside what its dependencies predict: where they agree, and where they do not."""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.dependency import Dependency
from tools.quality.cleaning.exception import accidental
from tools.quality.cleaning.grid import MISSING, Column

# Gaps are natural to a column with so many of them, or where dependencies predict so large a share of them.
_MANY = 0.08
_PREDICTED = 0.1


@dataclass(frozen=True, slots=True)
class Conflict:
    """A dependency's prediction for a row that its cell contradicts: how many of the others have the text predicted."""

    dependency: Dependency
    predicted: int
    votes: int
    others: int


@dataclass(frozen=True)
class Comparison:
    """What came of comparing all cells with all dependencies; arrays have a row for each column of the table.

    `conflicts` by row. For each cell: `agreement`, the weight of the dependencies that agree with it or rest on it (one
    tells little where nearly all rows have the same text), and `sound`, whether one predicts just this text, or what it
    differs in is explained. For each column, `known` says of each text whether a dependency predicts it anywhere: then
    it is no misspelling. Its last place is for gaps: whether they are natural to the column.
    """

    found: list[Dependency]
    conflicts: dict[int, list[Conflict]]
    agreement: NDArray[np.float32]
    sound: NDArray[np.bool_]
    known: list[NDArray[np.bool_]]


def compared(columns: list[Column], found: list[Dependency]) -> Comparison:
    """Compare all cells with all dependencies."""
    rows = len(columns[0].codes)
    agreement = np.zeros((len(columns), rows), np.float32)
    sound = np.zeros((len(columns), rows), bool)
    known = [np.zeros(len(column.texts) + 1, bool) for column in columns]
    conflicts: dict[int, list[Conflict]] = defaultdict(list)
    for dependency in found:
        index, column = dependency.dependent, columns[dependency.dependent]
        predicted, votes, others = dependency.predictions(column)
        told = predicted != MISSING
        agrees = told & (predicted == column.codes)
        weight = agrees * (1 - np.append(column.counts, 0)[column.codes] / rows)
        for touched in (*dependency.determinants, index):
            agreement[touched] += weight
        differs = np.flatnonzero(told & ~agrees)
        at = _errors(differs, index, columns)
        stands = told.copy()
        stands[at] = False
        sound[index] |= stands
        known[index][column.codes[agrees]] = True
        known[index][-1] |= _natural_gaps(dependency, column, differs)
        for row, text, vote, other in zip(
            at.tolist(), predicted[at].tolist(), votes[at].tolist(), others[at].tolist(), strict=True
        ):
            conflicts[row].append(Conflict(dependency, text, vote, other))
    return Comparison(found, conflicts, agreement, sound, known)


def _errors(differs: NDArray[np.int64], index: int, columns: list[Column]) -> NDArray[np.int64]:
    """The rows that differ by error: where the cell is known to be wrong, no rule of its own excuses it."""
    wrong = columns[index].wrong
    if wrong is None:
        return accidental(differs, index, columns)
    doubtful = accidental(differs[~wrong[differs]], index, columns)
    return np.union1d(doubtful, differs[wrong[differs]])


def _natural_gaps(dependency: Dependency, column: Column, differs: NDArray[np.int64]) -> bool:
    """Whether gaps are many, or come in whole groups: an end date that all who still work here lack."""
    surprising = int((column.codes[differs] == MISSING).sum())
    whole = int(dependency.first[(dependency.top == MISSING) & (dependency.size >= 3)].sum())
    many = len(column.codes) - column.present > _MANY * len(column.codes)
    return many or whole > _PREDICTED * (surprising + whole)
