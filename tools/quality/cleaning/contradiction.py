"""Rows that contradict the dependencies of their table: which cell is to blame, and what belongs there.

A dependency whose prediction differs from the cell is a conflict between the cell and its determinants; either may be
wrong. A cell that is wrong by its looks (see `plausibility`) is to blame itself. Otherwise the cell that is in most
conflicts and fewest agreements is, as long as no other comes close: a wrong key contradicts all that hangs on it, and
is flagged, while what hangs on it is left alone.

The confidence of a repair is Laplace's estimate from the rows that vote for it: (votes + 1) / (rows of the group + 2).
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from tools.quality.cleaning.comparison import Comparison, Conflict
from tools.quality.cleaning.dependency import Dependency
from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column
from tools.quality.cleaning.plausibility import Kind, Plausibility

RULE = "dependency"

# A candidate needs this share of the votes that its determinants pool.
_MAJORITY = 0.75
# A cell comes close to the worst with this share of its guilt.
_CLOSE = 0.7
# Columns that must have exceptions before their number says anything.
_ALIKE = 5
# A cell without a single agreement is wrong if so many others contradict it.
_ALL = 3
# Nobody knows which of tied cells is wrong.
_EVEN = 0.5


@dataclass(frozen=True, slots=True)
class _Blame:
    """A cell that is to blame, and the text that its determinants vote for (MISSING if they are undecided)."""

    row: int
    column: int
    kind: Kind
    candidate: int = MISSING
    confidence: float = _EVEN
    by: str = ""


def contradictions(columns: list[Column], comparison: Comparison) -> list[Finding]:
    """Findings on all cells that are to blame, in the order of rows."""
    court = _Court(columns, comparison)
    blames = [blame for row in sorted(comparison.conflicts) for blame in court.blamed(row)]
    believed = _believed(blames)
    found = []
    for blame in blames:
        if blame.kind.sure or blame.column in believed:
            found.append(_finding(blame, columns[blame.column]))
        elif blame.kind == Kind.KEY:
            found.append(_finding(replace(blame, candidate=MISSING), columns[blame.column]))
    return found


def _believed(blames: list[_Blame]) -> set[int]:
    """The columns whose plausible cells may be doubted.

    A value that is known elsewhere, and only contradicts its row, may be an error or an exception. Errors leave gaps
    and misspellings too, and strike columns alike. So it is believed to be an error in a column that has as many of
    those (half as many exceptions as of both, within two standard deviations), or not many more exceptions than most.
    """
    sure = Counter(blame.column for blame in blames if blame.kind.sure)
    unsure = Counter(blame.column for blame in blames if not blame.kind.sure)
    believed = {index for index, n in unsure.items() if n <= sure[index] / 2 + 2 * (sure[index] / 2) ** 0.5}
    if len(unsure) >= _ALIKE:
        usual = sorted(unsure.values())[len(unsure) // 2]
        believed |= {index for index, n in unsure.items() if n <= 2 * usual and min(unsure.values()) * 3 >= usual}
    return believed


def _finding(blame: _Blame, column: Column) -> Finding:
    after = column.texts[blame.candidate] if blame.candidate != MISSING else None
    reason = {
        Kind.GAP: f"missing, where other rows with the same {blame.by} have a value",
        Kind.OMISSION: f"missing, where other rows with the same {blame.by} have a value",
        Kind.TYPO: f"almost what other rows with the same {blame.by} have",
        Kind.TIE: "contradicts another cell of its row; one of them is wrong",
    }.get(blame.kind, f"not what other rows with the same {blame.by} have")
    return Finding(
        blame.row,
        blame.column,
        after,
        f"{RULE}:{blame.kind}",
        reason if blame.by or blame.kind == Kind.TIE else "contradicts the rest of its row",
        blame.confidence,
    )


class _Court:
    """Finds the guilty cells of a row, and what they should have been."""

    def __init__(self, columns: list[Column], comparison: Comparison) -> None:
        self._columns = columns
        self._conflicts = comparison.conflicts
        self._agreement = comparison.agreement
        self._plausibility = Plausibility(columns, comparison)
        self._rest_on: dict[int, list[Dependency]] = defaultdict(list)
        for dependency in comparison.found:
            if len(dependency.determinants) == 1:
                self._rest_on[dependency.determinants[0]].append(dependency)

    def blamed(self, row: int) -> Iterator[_Blame]:
        """The cells of a row that explain its conflicts, one after the other."""
        left = self._conflicts[row]
        wrong: set[int] = set()
        while left:
            sure = [(c.dependency.dependent, kind) for c in left if (kind := self._kind(row, c, left)).sure]
            if sure:
                index, kind = sure[0]
                wrong.add(index)
                yield self._voted(row, index, kind, wrong)
            else:
                worst = self._worst(row, left)
                wrong.update(worst)
                if len(worst) > 1:
                    yield from (_Blame(row, index, Kind.TIE) for index in worst)
                else:
                    yield self._voted(row, worst[0], self._role(row, worst[0], left), wrong)
            left = [c for c in left if not wrong & {c.dependency.dependent, *c.dependency.determinants}]

    def _kind(self, row: int, conflict: Conflict, conflicts: list[Conflict]) -> Kind:
        index = conflict.dependency.dependent
        column = self._columns[index]
        code = int(column.codes[row])
        if column.wrong is not None and column.wrong[row]:
            return Kind.GAP if code == MISSING else Kind.FAULT
        voters = sum(c.dependency.dependent == index and c.predicted == conflict.predicted for c in conflicts)
        return self._plausibility.kind(index, code, conflict.predicted, voters)

    def _role(self, row: int, index: int, conflicts: list[Conflict]) -> Kind:
        """What the one cell is that is most to blame."""
        others = {i for c in conflicts for i in (c.dependency.dependent, *c.dependency.determinants)} - {index}
        if self._agreement[index, row] == 0 and len(others) >= _ALL:
            return Kind.KEY
        own = [self._kind(row, conflict, conflicts) for conflict in conflicts if conflict.dependency.dependent == index]
        return own[0] if own else Kind.DETERMINANT

    def _worst(self, row: int, conflicts: list[Conflict]) -> list[int]:
        """The columns whose cells are in conflict most and in agreement least: one, or several that are as bad."""
        count = Counter(
            index
            for conflict in conflicts
            for index in (conflict.dependency.dependent, *conflict.dependency.determinants)
        )
        guilt = {index: n / (n + float(self._agreement[index, row])) for index, n in count.items()}
        for index in guilt:
            code = int(self._columns[index].codes[row])
            if code != MISSING and self._columns[index].counts[code] == 1:
                # A text that is nowhere else cannot have come from another row.
                guilt[index] += 1
        ranked = sorted(guilt, key=lambda index: (-guilt[index], -count[index], index))
        worst = ranked[0]
        close = [i for i in ranked if guilt[i] > _CLOSE * guilt[worst] and 2 * count[i] > count[worst]]
        return close if len(close) > 1 else [worst]

    def _voted(self, row: int, index: int, kind: Kind, wrong: set[int]) -> _Blame:
        """What the determinants of a cell that are not wrong themselves vote for, if it fits the row."""
        about = [
            conflict
            for conflict in self._conflicts[row]
            if conflict.dependency.dependent == index and not wrong & set(conflict.dependency.determinants)
        ]
        shares: dict[int, float] = defaultdict(float)
        for conflict in about:
            shares[conflict.predicted] += conflict.votes / conflict.others
        if not shares:
            return _Blame(row, index, kind)
        candidate = max(shares, key=lambda code: (shares[code], -code))
        for_it = [conflict for conflict in about if conflict.predicted == candidate]
        best = max(for_it, key=lambda conflict: succession(conflict.votes, conflict.others))
        decided = shares[candidate] >= _MAJORITY * len(about) and self._fits(row, index, candidate, wrong)
        return _Blame(
            row,
            index,
            kind,
            candidate if decided else MISSING,
            round(succession(best.votes, best.others), 3),
            " and ".join(self._columns[i].name for i in best.dependency.determinants),
        )

    def _fits(self, row: int, index: int, candidate: int, wrong: set[int]) -> bool:
        """Whether most of what a candidate tells of the rest of its row is so."""
        told = against = 0
        for dependency in self._rest_on[index]:
            expected = int(dependency.top[candidate])
            actual = int(self._columns[dependency.dependent].codes[row])
            if dependency.dependent not in wrong and MISSING not in (expected, actual):
                told += 1
                against += expected != actual
        return 2 * against <= told
