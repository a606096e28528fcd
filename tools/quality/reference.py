"""What a trusted sample teaches of the distribution of a column."""

from pathlib import Path
from typing import Any

import pyarrow as pa
from ibis.expr.types import Table

from core.errors import SpecError
from core.spec.check import Distribution, Range
from tools.engine.engine import Engine
from tools.engine.session import session
from tools.quality.checks import testable
from tools.quality.input import opened

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MOST_CATEGORIES = 50


def learned_distribution(data: str | Path | pa.Table, column: str, *, tolerance: float = 0.1) -> Distribution:
    """The check that later data is distributed as the sample is.

    Of numbers: the mean and the quantiles (see QUANTILES) may move by `tolerance` standard deviations, and the
    standard deviation by the share `tolerance` of itself. Of all else: the shares of the values, and `tolerance` as it
    is. Raises SpecError if there is no such column, no value to learn from, or more than 50 categories; SourceError.
    """
    with session() as (engine, scratch):
        given = opened(engine, data, scratch, {})
        if column not in given.columns:
            raise SpecError(given.name, [f"there is no column '{column}'; there are {', '.join(given.columns)}"])
        values = testable(given.table, given.columns).select(value=column)
        numeric = values["value"].type().is_numeric()
        expected = _of_numbers(engine, values, tolerance) if numeric else _shares(engine, values)
        if not expected:
            raise SpecError(given.name, [f"'{column}' has too few values to learn from, or too many different ones"])
        return Distribution(check="distribution", column=column, tolerance=tolerance, **expected)


def _of_numbers(engine: Engine, values: Table, tolerance: float) -> dict[str, Any]:
    numbers = values["value"].cast("float64")
    quantiles = {f"q{i}": numbers.quantile(share) for i, share in enumerate(QUANTILES)}
    aggregates = {"mean": numbers.mean(), "std": numbers.std(how="sample"), **quantiles}
    found = engine.row(values.aggregate(**aggregates))
    if found["std"] is None:
        return {}
    room = tolerance * found["std"]
    return {
        "mean": Range(min=found["mean"] - room, max=found["mean"] + room),
        "std": Range(min=found["std"] - room, max=found["std"] + room),
        "quantiles": {
            share: Range(min=found[f"q{i}"] - room, max=found[f"q{i}"] + room) for i, share in enumerate(QUANTILES)
        },
    }


def _shares(engine: Engine, values: Table) -> dict[str, Any]:
    texts = values.cast({"value": "string"}).filter(values["value"].notnull())
    counts = texts.group_by("value").aggregate(n=texts.count())
    found = engine.rows(counts.order_by("value").limit(MOST_CATEGORIES + 1))
    if not found or len(found) > MOST_CATEGORIES:
        return {}
    total = sum(row["n"] for row in found)
    return {"shares": {row["value"]: row["n"] / total for row in found}}
