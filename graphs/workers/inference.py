"""Intervals and tests: what a sample says of more than itself.

All of it assumes that rows are independent of each other; the intervals of means and slopes that the errors are about
normal or the rows many, those of correlations that both columns are about normal.
"""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict
from scipy.special import stdtr, stdtrit


class Interval(BaseModel):
    """Where the value is, at the level of confidence that was asked for."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float


class Tested(NamedTuple):
    """An estimate, its interval, and how probable one as far from 0 is where there is nothing (two-sided)."""

    estimate: float
    interval: Interval
    p: float


def mean_interval(n: int, mean: float, std: float, confidence: float) -> Interval | None:
    """The interval of a mean, by Student's t; None for fewer than two values. `std` is that of the sample."""
    if n < 2:
        return None
    reach = float(stdtrit(n - 1, (1 + confidence) / 2)) * std / math.sqrt(n)
    return Interval(low=mean - reach, high=mean + reach)


def slope(n: int, var_x: float, var_y: float, cov: float, confidence: float) -> Tested | None:
    """The slope of the least squares line of y over x, by Student's t on n - 2 degrees of freedom.

    Variances and covariance are those of the sample. None for fewer than three rows, or an x or y that does not vary.
    """
    if n < 3 or var_x <= 0 or var_y <= 0:
        return None
    estimate = cov / var_x
    # Rounding can make the rest of a perfect line negative.
    rest = max(0.0, (var_y - cov * estimate) * (n - 1) / (n - 2))
    error = math.sqrt(rest / ((n - 1) * var_x))
    reach = float(stdtrit(n - 2, (1 + confidence) / 2)) * error
    return Tested(estimate, Interval(low=estimate - reach, high=estimate + reach), _two_sided(estimate, error, n - 2))


def correlation(r: float, n: int, confidence: float) -> Tested | None:
    """Pearson's r: the interval by Fisher's z (R. A. Fisher, 1921), the test by Student's t with n - 2 degrees.

    None for fewer than four pairs, which leave Fisher's z no error to be estimated.
    """
    if n < 4:
        return None
    r = min(1.0, max(-1.0, r))
    z = math.atanh(r) if abs(r) < 1 else math.copysign(math.inf, r)
    reach = NormalDist().inv_cdf((1 + confidence) / 2) / math.sqrt(n - 3)
    interval = Interval(low=math.tanh(z - reach), high=math.tanh(z + reach))
    return Tested(r, interval, _two_sided(r, math.sqrt((1 - r * r) / (n - 2)), n - 2))


def holm(ps: Sequence[float]) -> list[float]:
    """The p-values of tests made together, adjusted by Holm's method (S. Holm, 1979), each in its place.

    Of all tests with an adjusted p below a level, the chance that even one is there by accident is below the level,
    however the tests depend on each other.
    """
    adjusted, least = [0.0] * len(ps), 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        least = max(least, min(1.0, (len(ps) - rank) * ps[index]))
        adjusted[index] = least
    return adjusted


def _two_sided(estimate: float, error: float, freedom: int) -> float:
    if error == 0:
        return 0.0 if estimate else 1.0
    return float(2 * stdtr(freedom, -abs(estimate) / error))
