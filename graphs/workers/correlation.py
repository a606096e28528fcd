"""Correlations between the numbers of a table, each with its interval, and tested together."""

import math
from collections.abc import Sequence
from itertools import combinations

from ibis.expr.types import Value
from pydantic import BaseModel, ConfigDict

from graphs.workers.columns import Columns, aggregated
from graphs.workers.inference import Interval, correlation, holm
from tools.engine.engine import Engine

# 780 pairs; more would take long to plan, and nobody would read them.
MAX_COLUMNS = 40


class Correlation(BaseModel):
    """Pearson's r of two columns over the `n` rows that have both.

    `p_adjusted` is that of the test against no correlation, adjusted for all pairs by Holm's method; `significant` says
    that it is below 1 - confidence.
    """

    model_config = ConfigDict(frozen=True)

    left: str
    right: str
    n: int
    r: float
    interval: Interval
    p: float
    p_adjusted: float
    significant: bool


def correlations(engine: Engine, columns: Columns, names: Sequence[str], confidence: float) -> list[Correlation]:
    """All pairs of these columns of numbers, the strongest first. Pairs without an r, or with too few rows, are left
    out."""
    numbers = columns.numbers
    pairs = list(combinations(names, 2))
    measures: dict[tuple[str, ...], Value] = {}
    for left, right in pairs:
        measures[left, right, "n"] = (numbers[left].notnull() & numbers[right].notnull()).sum().fill_null(0)
        # That of the population is that of the sample: what they differ by cancels out.
        measures[left, right, "r"] = numbers[left].corr(numbers[right], how="pop")
    found = aggregated(engine, columns.figures, measures)
    tested = []
    for left, right in pairs:
        r, n = found[left, right, "r"], found[left, right, "n"]
        if r is not None and math.isfinite(r) and (test := correlation(r, n, confidence)):
            tested.append((left, right, n, test))
    adjusted = holm([test.p for *_, test in tested])
    made = [
        Correlation(
            left=left,
            right=right,
            n=n,
            r=test.estimate,
            interval=test.interval,
            p=test.p,
            p_adjusted=p,
            significant=p < 1 - confidence,
        )
        for (left, right, n, test), p in zip(tested, adjusted, strict=True)
    ]
    return sorted(made, key=lambda pair: (-abs(pair.r), pair.left, pair.right))
