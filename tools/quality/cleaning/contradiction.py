"""Rows that contradict the dependencies of their table: which cell is to blame, and what belongs there.

A dependency whose prediction differs from the cell is a conflict between the cell and its determinants; either may be
wrong. A gap, or a rare misspelling of what is predicted, is to blame itself. Otherwise the cell that is in most
conflicts and fewest agreements is, as long as another comes not close: a wrong key contradicts all that hangs on it,
and is flagged, while what hangs on it is left alone.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.dependency import Dependency
from tools.quality.cleaning.exception import accidental
from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column
from tools.quality.cleaning.likeness import similar

RULE = "dependency"

# Columns that must have exceptions before their number says anything.
_ALIKE = 5
# A candidate needs this share of the votes that its determinants pool.
_MAJORITY = 0.75
# A text this much rarer than what is predicted may be a misspelling of it.
_RARER = 10


# A text that cannot be right, whichever cell is to blame.
_SURE = ("gap", "typo")
# One number is as good as another, however near.
_NUMBER = re.compile(r"\W*[\d.,:/-]+\W*")


@dataclass(frozen=True, slots=True)
class _Conflict:
    """A dependency's prediction for a row that its cell contradicts."""

    dependency: Dependency
    predicted: int
    votes: int
    others: int


@dataclass(frozen=True, slots=True)
class _Blame:
    """A cell that is to blame for conflicts, and the text that its determinants vote for (MISSING if undecided)."""

    row: int
    column: int
    kind: str
    candidate: int
    confidence: float
    witnesses: int
    by: str


@dataclass(frozen=True)
class Comparison:
    """The cells of a table beside what its dependencies predict.

    `conflicts` by row. For each cell: `agreement`, the weight of the dependencies that agree with it or rest on it
    (one tells little where nearly all rows have the same text), and `sound`, whether one predicts just this text, or
    what it differs in is explained.
    """

    found: list[Dependency]
    conflicts: dict[int, list[_Conflict]]
    agreement: NDArray[np.float32]
    sound: NDArray[np.bool_]


def compared(columns: list[Column], found: list[Dependency]) -> Comparison:
    """Compare all cells with all dependencies."""
    rows = len(columns[0].codes)
    agreement = np.zeros((len(columns), rows), np.float32)
    sound = np.zeros((len(columns), rows), bool)
    conflicts: dict[int, list[_Conflict]] = defaultdict(list)
    for dependency in found:
        column = columns[dependency.dependent]
        predicted, votes, others = dependency.predictions(column.codes)
        told = predicted != MISSING
        agrees = told & (predicted == column.codes)
        weight = agrees * (1 - np.append(column.counts, 0)[column.codes] / rows)
        for index in (*dependency.determinants, dependency.dependent):
            agreement[index] += weight
        at = accidental(np.flatnonzero(told & ~agrees), dependency.dependent, columns)
        stands = told.copy()
        stands[at] = False
        sound[dependency.dependent] |= stands
        for row, text, vote, other in zip(
            at.tolist(), predicted[at].tolist(), votes[at].tolist(), others[at].tolist(), strict=True
        ):
            conflicts[row].append(_Conflict(dependency, text, vote, other))
    return Comparison(found, conflicts, agreement, sound)


def contradictions(columns: list[Column], comparison: Comparison) -> list[Finding]:
    """Findings on all cells that are to blame, in the order of rows."""
    fits = _Fit(columns, comparison.found)
    conflicts, agreement = comparison.conflicts, comparison.agreement
    blames = [blame for row in sorted(conflicts) for blame in _blamed(row, conflicts[row], agreement, columns, fits)]
    return list(_judged(blames, columns))


def _kind(column: Column, code: int, predicted: int) -> str:
    """What a cell is in the light of a prediction: see `_SURE` and `_judged`."""
    if code == MISSING:
        return "gap"
    text, meant = column.texts[code], column.texts[predicted]
    count, expected = int(column.counts[code]), int(column.counts[predicted])
    if count * _RARER <= expected or (count == 1 and expected > 2):
        if similar(text, meant) and not (_NUMBER.fullmatch(text) and _NUMBER.fullmatch(meant)):
            return "typo"
        if count == 1:
            return "stranger"
    return "swap"


def _blamed(
    row: int, conflicts: list[_Conflict], agreement: NDArray[np.float32], columns: list[Column], fits: "_Fit"
) -> Iterator[_Blame]:
    """The cells of a row that explain its conflicts, the surest first."""
    left = list(conflicts)
    wrong: set[int] = set()
    while left:
        own = {
            index: kind
            for conflict in left
            if (index := conflict.dependency.dependent) not in wrong
            and (kind := _kind(columns[index], int(columns[index].codes[row]), conflict.predicted)) in _SURE
        }
        tied: list[int] = []
        if own:
            blamed, kind = next(iter(own.items()))
        else:
            blamed, tied = _worst(row, left, agreement, columns)
            told = [c.predicted for c in left if c.dependency.dependent == blamed]
            kind = _kind(columns[blamed], int(columns[blamed].codes[row]), told[0]) if told else "key"
        wrong.add(blamed)
        about = [
            c for c in conflicts if c.dependency.dependent == blamed and not wrong & set(c.dependency.determinants)
        ]
        if tied:
            about = []
            wrong.update(tied)
        yield _voted(row, blamed, kind if not tied else "tie", about, columns, fits, wrong)
        for index in tied:
            if index != blamed:
                yield _voted(row, index, "tie", [], columns, fits, wrong)
        left = [c for c in left if not wrong & {c.dependency.dependent, *c.dependency.determinants}]


def _worst(
    row: int, conflicts: list[_Conflict], agreement: NDArray[np.float32], columns: list[Column]
) -> tuple[int, list[int]]:
    """The column whose cell is in conflict most and in agreement least; and those that are as bad, if any."""
    count: dict[int, int] = defaultdict(int)
    for conflict in conflicts:
        for index in (conflict.dependency.dependent, *conflict.dependency.determinants):
            count[index] += 1
    share = {index: n / (n + float(agreement[index, row])) for index, n in count.items()}
    # A text that is nowhere else cannot have come from another row.
    for index in share:
        code = int(columns[index].codes[row])
        if code != MISSING and columns[index].counts[code] == 1:
            share[index] += 1
    ranked = sorted(share, key=lambda index: (-share[index], -count[index], index))
    worst = ranked[0]
    tied = [index for index in ranked if share[index] > 0.7 * share[worst] and 2 * count[index] > count[worst]]
    return worst, tied if len(tied) > 1 else []


def _voted(
    row: int, index: int, kind: str, about: list[_Conflict], columns: list[Column], fits: "_Fit", wrong: set[int]
) -> _Blame:
    """What the sound determinants of a cell vote for, if they are of one mind and the candidate fits the row."""
    shares: dict[int, float] = defaultdict(float)
    for conflict in about:
        shares[conflict.predicted] += conflict.votes / conflict.others
    if not shares:
        return _Blame(row, index, kind, MISSING, 0.5, 0, "")
    candidate = max(shares, key=lambda code: (shares[code], -code))
    for_it = [c for c in about if c.predicted == candidate]
    best = max(for_it, key=lambda c: succession(c.votes, c.others))
    by = " and ".join(columns[i].name for i in best.dependency.determinants)
    confidence = round(succession(best.votes, best.others), 3)
    decided = shares[candidate] >= _MAJORITY * len(about) and fits.fits(row, index, candidate, wrong)
    return _Blame(row, index, kind, candidate if decided else MISSING, confidence, len(for_it), by)


class _Fit:
    """Whether a candidate agrees with what it would itself tell of the rest of its row."""

    def __init__(self, columns: list[Column], found: list[Dependency]) -> None:
        self._columns = columns
        self._out = defaultdict(list)
        for dependency in found:
            if len(dependency.determinants) == 1:
                self._out[dependency.determinants[0]].append(dependency)

    def fits(self, row: int, index: int, candidate: int, wrong: set[int]) -> bool:
        against = 0
        told = 0
        for dependency in self._out[index]:
            expected = int(dependency.top[candidate])
            actual = int(self._columns[dependency.dependent].codes[row])
            if dependency.dependent in wrong or MISSING in (expected, actual) or dependency.size[candidate] < 2:
                continue
            told += 1
            against += expected != actual
        return 2 * against <= told


def _believed(blames: list[_Blame]) -> set[int]:
    """The columns whose plausible cells may be doubted.

    A value that is known elsewhere, and only contradicts its row, may be an error or an exception. Errors leave gaps
    and misspellings too, and strike columns alike. So it is believed to be an error in a column that has as many of
    those (half as many exceptions as of both, within two standard deviations), or not many more exceptions than most.
    """
    sure = Counter(blame.column for blame in blames if blame.kind in _SURE)
    unsure = Counter(blame.column for blame in blames if blame.kind not in _SURE)
    believed = {index for index, n in unsure.items() if n <= sure[index] / 2 + 2 * (sure[index] / 2) ** 0.5}
    if len(unsure) >= _ALIKE:
        usual = sorted(unsure.values())[len(unsure) // 2]
        believed |= {index for index, n in unsure.items() if n <= 2 * usual and min(unsure.values()) * 3 >= usual}
    return believed


def _judged(blames: list[_Blame], columns: list[Column]) -> Iterator[Finding]:
    believed = _believed(blames)
    for blame in blames:
        if blame.kind not in _SURE and blame.column not in believed:
            continue
        column = columns[blame.column]
        code = int(column.codes[blame.row])
        after = column.texts[blame.candidate] if blame.candidate != MISSING else None
        reason = {
            "gap": f"missing, where other rows with the same {blame.by} have a value",
            "typo": f"almost what other rows with the same {blame.by} have",
            "tie": "contradicts another cell of its row; one of them is wrong",
        }.get(blame.kind, f"not what other rows with the same {blame.by} have" if blame.by else "contradicts its row")
        yield Finding(blame.row, blame.column, after, f"{RULE}:{blame.kind}", reason, blame.confidence)
