"""What a team is worth: each component a share from 0 to 1, and their weights (systems C3).

- skill coverage: the mean over the needs of the best fit in the team (see Candidate.fit);
- performance, collaboration, capacity, throughput: the means over the members;
- diversity: the mean over the pairs of members of how far the needs that they can cover differ (Jaccard's distance:
  1 - those that both can cover / those that either can); 0 for one alone;
- size efficiency: 1 up to three members, 0.08 less for each one more, at least 0.5.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from crews.formation.candidate import Candidate
from crews.skills import Need

# They add up to 1.
WEIGHTS = {
    "skill_coverage": 0.30,
    "performance": 0.20,
    "collaboration": 0.15,
    "capacity": 0.15,
    "diversity": 0.10,
    "throughput": 0.08,
    "size_efficiency": 0.02,
}

# What is averaged over the members.
_MEANS = ("performance", "collaboration", "capacity", "throughput")

# A team is no larger, unless there are more needs: from here on size costs nothing more, and efficiency would not
# keep it from growing.
MOST = 10

# Scores that differ by less are equal, whatever the order of summation.
EQUAL = 1e-9

Numbers = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class Pool:
    """Candidates and needs as tables, and the scores of teams, which are given as indices into the candidates.

    `fit` has a row for each candidate and a column for each need, `own` the weighted sum of what is averaged over
    the members.
    """

    def __init__(self, candidates: Sequence[Candidate], needs: Sequence[Need]) -> None:
        self.candidates = candidates
        self.needs = needs
        self.fit: Numbers = np.array([[each.fit(need) for need in needs] for each in candidates], dtype=float)
        self.fit = self.fit.reshape(len(candidates), len(needs))
        values = [[getattr(each, name) for name in _MEANS] for each in candidates]
        self.means: Numbers = np.array(values, dtype=float).reshape(len(candidates), len(_MEANS))
        self.own: Numbers = self.means @ np.array([WEIGHTS[name] for name in _MEANS])
        self.able: Numbers = (self.fit > 0).astype(float)
        self.most = max(MOST, len(needs))

    def subset(self, kept: Indices) -> "Pool":
        """The pool of these candidates alone."""
        return Pool([self.candidates[index] for index in kept], self.needs)

    def distances(self, members: Sequence[int] | Indices) -> Numbers:
        """How far each candidate differs from each of the members in what it can cover: a column for each member."""
        both = self.able @ self.able[members].T
        size = self.able.sum(axis=1)
        either = size[:, None] + size[members][None, :] - both
        apart: Numbers = 1 - both / np.maximum(either, 1)
        return apart

    def components(self, members: Sequence[int] | Indices) -> dict[str, float]:
        """Each component of a team's score."""
        chosen = np.asarray(members, dtype=np.intp)
        size = len(chosen)
        apart = self.distances(chosen)[chosen]
        means = dict(zip(_MEANS, self.means[chosen].mean(axis=0).tolist(), strict=True))
        found = {
            "skill_coverage": float(self.fit[chosen].max(axis=0).mean()),
            "diversity": float(apart[np.triu_indices(size, 1)].mean()) if size > 1 else 0.0,
            "size_efficiency": float(size_efficiency(size)),
            **means,
        }
        return {name: found[name] for name in WEIGHTS}


def total(components: dict[str, float]) -> float:
    """The score that the components add up to."""
    return sum(weight * components[name] for name, weight in WEIGHTS.items())


def size_efficiency(size: int | Numbers) -> Numbers:
    """Of teams of such sizes."""
    efficiency: Numbers = np.clip(1 - 0.08 * (np.asarray(size, dtype=float) - 3), 0.5, 1.0)
    return efficiency


def combined(coverage: Numbers, own: Numbers, apart: Numbers, size: Numbers) -> Numbers:
    """Scores of many teams at once: of their coverage, the sums of `own` and of the distances of pairs, and sizes."""
    pairs = np.maximum(size * (size - 1) / 2, 1)
    return (
        WEIGHTS["skill_coverage"] * coverage
        + own / np.maximum(size, 1)
        + WEIGHTS["diversity"] * apart / pairs
        + WEIGHTS["size_efficiency"] * size_efficiency(size)
    )
