"""Search for the best team where there are too many to look at all: from several starts, by single steps."""

from collections.abc import Sequence

import numpy as np

from crews.formation.exhaustive import best_of_all, in_order
from crews.formation.score import EQUAL, WEIGHTS, Indices, Pool, combined, total

# Starts: for each need the candidates that fit best, and those that are best by themselves.
STARTS_OF_NEED = 3
STARTS = 12

# Of so many candidates all teams are looked at in between.
KERNEL = 14

Indexed = tuple[int, ...]


def undominated(pool: Pool) -> Indices:
    """The candidates that the best team could have; none is lost that it needs.

    One candidate dominates another if it covers the same needs, each at least as well, and does no less in the mean.
    In a best team, who is dominated stands beside all who dominate it, so `most` of them leave no place for it. Of two
    who are alike, the one who comes first counts as better.
    """
    order = np.lexsort((np.arange(len(pool.own)), -pool.own))
    groups: dict[bytes, list[int]] = {}
    kept: list[int] = []
    for index in order:
        better = groups.setdefault(pool.able[index].tobytes(), [])
        dominating = (pool.fit[better] >= pool.fit[index]).all(axis=1).sum() if better else 0
        better.append(int(index))
        if dominating < pool.most:
            kept.append(int(index))
    return np.array(sorted(kept), dtype=np.intp)


def best_found(pool: Pool, number: int) -> tuple[list[Indexed], int]:
    """The best teams that were come by, in order, `number` of them at most; and how many were looked at.

    From each start a team gains, loses or exchanges one member, whichever is best, until nothing makes it better. Then
    all teams are looked at of those who are in the best teams so far, as long as that finds a better one to go on from.
    """
    search = _Search(pool, number)
    for start in _starts(pool):
        search.climb(start)
    best = search.best()
    while True:
        search.recombine(best)
        again = search.best()
        if search.found[again[0]] <= search.found[best[0]] + EQUAL:
            return again[:number], search.looked_at
        best = again


class _Search:
    """Teams that were come by, with their scores; those that leave needs uncovered have scores below 0."""

    def __init__(self, pool: Pool, number: int) -> None:
        self.found: dict[Indexed, float] = {}
        self.looked_at = 0
        self._pool = pool
        self._number = number
        self._passed: set[Indexed] = set()

    def best(self) -> list[Indexed]:
        """The teams that cover all needs, the best first."""
        return in_order([(score, team) for team, score in self.found.items() if score >= 0])

    def climb(self, team: Indexed) -> None:
        """Go from this team to better ones, a step at a time."""
        score = _score(self._pool, team)
        while team not in self._passed:
            self._passed.add(team)
            near = [(score, team)]
            for base, more in _bases(self._pool, team):
                if more:
                    near += self._grown(base, team)
                else:
                    near.append((_score(self._pool, base), base))
            self.looked_at += len(team) + 1
            self.found.update((each, value) for value, each in near)
            team = in_order(near)[0]
            score = self.found[team]

    def recombine(self, teams: Sequence[Indexed]) -> None:
        """Look at all teams of the first `KERNEL` candidates that these teams have (of all that the first one has, at
        least), and climb from the best."""
        known = list(dict.fromkeys(member for team in teams for member in team))
        kernel = sorted(known[: max(KERNEL, len(teams[0]))])
        best, seen = best_of_all(self._pool.subset(np.array(kernel)), 1)
        self.looked_at += seen
        self.climb(tuple(kernel[member] for member in best[0]))

    def _grown(self, base: Indexed, team: Indexed) -> list[tuple[float, Indexed]]:
        """The best teams of the base and one more who is not of `team`, with their scores."""
        pool, chosen = self._pool, list(base)
        coverage = np.maximum(pool.fit, pool.fit[chosen].max(axis=0, initial=0.0))
        apart = pool.distances(chosen).sum(axis=1) + _apart(pool, chosen)
        size = np.full(len(pool.own), len(chosen) + 1.0)
        scores = combined(coverage.mean(axis=1), pool.own[chosen].sum() + pool.own, apart, size)
        # Whoever leaves a need uncovered comes after all who do not.
        scores -= 2.0 * (coverage == 0).sum(axis=1)
        scores[list(team)] = -np.inf
        there = len(scores) - len(team)
        self.looked_at += there
        if not there:
            return []
        least = np.partition(scores, -min(self._number, there))[-min(self._number, there)]
        return [(float(scores[i]), tuple(sorted((*base, int(i))))) for i in np.flatnonzero(scores >= least)]


def _starts(pool: Pool) -> list[Indexed]:
    """Where the search begins, in a fixed order."""
    worth = WEIGHTS["skill_coverage"] * pool.fit.mean(axis=1) + pool.own
    ranked = np.lexsort((np.arange(len(worth)), -worth))
    singles = [int(index) for index in ranked[:STARTS]]
    specialists = []
    for need in range(len(pool.needs)):
        value = WEIGHTS["skill_coverage"] / len(pool.needs) * pool.fit[:, need] + pool.own
        able = np.flatnonzero(pool.fit[:, need] > 0)
        best = able[np.lexsort((able, -value[able]))]
        specialists.append(int(best[0]))
        singles += [int(index) for index in best[:STARTS_OF_NEED]]
    return [tuple(sorted(set(specialists))), *((index,) for index in dict.fromkeys(singles))]


def _bases(pool: Pool, team: Indexed) -> list[tuple[Indexed, bool]]:
    """The team, and the team without each of its members; and whether one may be added to it."""
    without = [tuple(other for other in team if other != member) for member in team]
    return [
        *(((team, True),) if len(team) < pool.most else ()),
        *((base, True) for base in without),
        *((base, False) for base in without if base),
    ]


def _apart(pool: Pool, chosen: list[int]) -> float:
    """The sum of the distances of all pairs."""
    return float(np.triu(pool.distances(chosen)[chosen], 1).sum()) if chosen else 0.0


def _score(pool: Pool, team: Indexed) -> float:
    uncovered = int((pool.fit[list(team)].max(axis=0) == 0).sum())
    return total(pool.components(team)) - 2.0 * uncovered
