"""A bound on what any team could be worth, to tell how far a search may have stayed behind."""

import numpy as np

from crews.formation.score import WEIGHTS, Numbers, Pool, size_efficiency

# With more needs there are too many ways to share them out.
SHARED_OUT = 6


def bound(pool: Pool) -> float:
    """What no team's score goes beyond.

    For each size: the needs are shared out among members, each getting the candidate who is best for them all, own
    worth and coverage together; the other places go to the candidates who are worth most by themselves; diversity is
    full. That the same candidate may be counted twice is what makes it a bound and no score.
    """
    if len(pool.needs) > SHARED_OUT:
        return _loose(pool)
    coverage = _coverage(pool)
    most = np.concatenate([[0.0], np.cumsum(np.sort(pool.own)[::-1][: pool.most])])
    return max(_of_size(pool, coverage, most, size) for size in range(1, min(pool.most, len(pool.own)) + 1))


def _of_size(pool: Pool, coverage: Numbers, most: Numbers, size: int) -> float:
    everything = len(coverage) - 1
    # What the best candidate for a share of the needs adds to the score.
    value = (pool.own / size + coverage).max(axis=1)
    # By the needs that are shared out so far: the best that so many members make of them.
    best = np.full(everything + 1, -np.inf)
    best[0] = 0.0
    found = -np.inf
    for members in range(1, min(size, len(pool.needs)) + 1):
        best = np.array([max((value[s] + best[u ^ s] for s in _shares(u)), default=-np.inf) for u in range(len(best))])
        found = max(found, float(best[everything] + most[size - members] / size))
    diversity = WEIGHTS["diversity"] if size > 1 else 0.0
    return found + diversity + WEIGHTS["size_efficiency"] * float(size_efficiency(size))


def _coverage(pool: Pool) -> Numbers:
    """For each set of needs (bit r stands for need r) what each candidate adds to the score by covering it; -inf where
    it cannot cover them all."""
    weight = WEIGHTS["skill_coverage"] / len(pool.needs)
    adds: Numbers = np.zeros((1, len(pool.own)))
    for fit in pool.fit.T:
        adds = np.concatenate([adds, adds + np.where(fit > 0, weight * fit, -np.inf)])
    return adds


def _shares(needs: int) -> list[int]:
    """The sets of needs that have the first of these, and no others."""
    first, shares = needs & -needs, []
    share = needs
    while share:
        if share & first:
            shares.append(share)
        share = (share - 1) & needs
    return shares


def _loose(pool: Pool) -> float:
    """The best coverage, the best members and full diversity, of each size."""
    sizes = np.arange(1, min(pool.most, len(pool.own)) + 1, dtype=float)
    means = np.cumsum(np.sort(pool.own)[::-1][: len(sizes)]) / sizes
    coverage = float(pool.fit.max(axis=0).mean())
    scores = means + WEIGHTS["diversity"] * (sizes > 1) + WEIGHTS["size_efficiency"] * size_efficiency(sizes)
    return WEIGHTS["skill_coverage"] * coverage + float(scores.max())
