"""Merging what the branches found: weights, attribution, intervals (systems G1)."""

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.task import Outcome

CONFIDENCE = 0.95

# Of the branches that a value comes from, this many are named.
NAMED = 20

# What a branch weighs that did not measure what its result is worth.
_UNMEASURED = 0.5


class Estimate(BaseModel):
    """A number that several branches found: their weighted mean, and where it lies with a confidence of 0.95.

    The interval is that of a weighted mean of the effective number of branches, (sum w)^2 / sum w^2, by Student's
    distribution; from one branch there is none.
    """

    model_config = ConfigDict(frozen=True)

    mean: float
    low: float | None
    high: float | None
    branches: int


class Merged(BaseModel):
    """What the branches found together.

    `estimates` has the numbers, by name; `values` everything else, by branch. `attribution` names, for each of both,
    the branches that it comes from with their share of the weight, the heaviest first.
    """

    model_config = ConfigDict(frozen=True)

    branches: int
    estimates: dict[str, Estimate]
    values: dict[str, dict[str, Any]]
    attribution: dict[str, dict[str, float]]


def weight(outcome: Outcome) -> float:
    """`0.7 quality + 0.3 / (1 + seconds / 60)`: good and quick counts for more."""
    quality = _UNMEASURED if outcome.quality is None else outcome.quality
    return 0.7 * quality + 0.3 / (1 + outcome.seconds / 60)


def merge(outcomes: Mapping[str, Outcome]) -> Merged:
    """The results of the branches that are done and found something, each by its weight."""
    found = {key: o for key, o in outcomes.items() if o.status == "done" and o.result}
    numbers: dict[str, list[tuple[str, float, float]]] = defaultdict(list)
    values: dict[str, dict[str, Any]] = defaultdict(dict)
    sources: dict[str, dict[str, float]] = defaultdict(dict)
    for key, outcome in found.items():
        w = weight(outcome)
        for name, value in (outcome.result or {}).items():
            sources[name][key] = w
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                numbers[name].append((key, float(value), w))
            elif len(values[name]) < NAMED:
                values[name][key] = value
    return Merged(
        branches=len(found),
        estimates={name: _estimate([(v, w) for _, v, w in weighed]) for name, weighed in sorted(numbers.items())},
        values=dict(sorted((name, by) for name, by in values.items() if by)),
        attribution={name: _shares(by) for name, by in sorted(sources.items())},
    )


def _estimate(weighed: list[tuple[float, float]]) -> Estimate:
    total = sum(w for _, w in weighed)
    mean = sum(v * w for v, w in weighed) / total
    effective = total**2 / sum(w * w for _, w in weighed)
    if len(weighed) < 2 or effective <= 1:
        return Estimate(mean=mean, low=None, high=None, branches=len(weighed))
    variance = sum(w * (v - mean) ** 2 for v, w in weighed) / total * effective / (effective - 1)
    # SciPy takes a while to import, which nobody needs who merges no numbers.
    from scipy.special import stdtrit

    reach = float(stdtrit(effective - 1, (1 + CONFIDENCE) / 2)) * math.sqrt(variance / effective)
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, branches=len(weighed))


def _shares(weights: Mapping[str, float]) -> dict[str, float]:
    total = sum(weights.values())
    heaviest = sorted(weights.items(), key=lambda item: (-item[1], item[0]))[:NAMED]
    return {key: round(w / total, 6) for key, w in heaviest}
