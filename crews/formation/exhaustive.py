"""All teams there are: for pools that are small enough."""

import numpy as np

from crews.formation.score import EQUAL, Indices, Pool, combined

# Of a pool of so many candidates all teams are looked at: a million, in a fraction of a second.
FEW = 20


def best_of_all(pool: Pool, number: int) -> tuple[list[tuple[int, ...]], int]:
    """The best teams that cover all needs, in order, `number` of them at most; and how many such teams there are.

    Teams of equal score: the smaller first, then the one whose members come first.
    """
    own, apart, size = np.zeros(1), np.zeros(1), np.zeros(1)
    # A team is a number: bit i is set if candidate i is a member. Each round adds the teams with one more candidate.
    for index in range(len(pool.candidates)):
        to_all = np.zeros(1)
        for distance in pool.distances([index])[:index, 0]:
            to_all = np.concatenate([to_all, to_all + distance])
        own = np.concatenate([own, own + pool.own[index]])
        apart = np.concatenate([apart, apart + to_all])
        size = np.concatenate([size, size + 1])
    coverage, covering = np.zeros(len(size)), size <= pool.most
    for fit in pool.fit.T:
        best = np.zeros(1)
        for value in fit:
            best = np.concatenate([best, np.maximum(best, value)])
        coverage += best / len(pool.needs)
        covering &= best > 0
    scores = np.where(covering, combined(coverage, own, apart, size), -np.inf)
    there = int(covering.sum())
    if not there:
        return [], 0
    least = np.partition(scores, -min(number, there))[-min(number, there)]
    teams: Indices = np.flatnonzero(scores >= least - EQUAL)
    ranked = sorted(((float(scores[team]), members(int(team))) for team in teams), key=lambda each: each[1])
    return in_order(ranked)[:number], there


def members(team: int) -> tuple[int, ...]:
    """The indices of the bits that are set."""
    return tuple(index for index in range(team.bit_length()) if team >> index & 1)


def in_order(scored: list[tuple[float, tuple[int, ...]]]) -> list[tuple[int, ...]]:
    """Teams, the best first; of equal ones the smaller, then the one whose members come first."""
    groups: list[tuple[float, list[tuple[int, ...]]]] = []
    for score, team in sorted(scored, key=lambda each: -each[0]):
        if not groups or score < groups[-1][0] - EQUAL:
            groups.append((score, []))
        groups[-1][1].append(team)
    return [team for _, equal in groups for team in sorted(equal, key=lambda team: (len(team), team))]
