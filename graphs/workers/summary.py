"""Summary statistics of columns."""

from typing import Any

from ibis.expr.types import Value
from pydantic import BaseModel, ConfigDict

from graphs.workers.columns import Columns, aggregated
from graphs.workers.inference import Interval, mean_interval
from tools.engine.engine import Engine
from tools.quality.profile import ColumnProfile, Count

_TOP = 3
_MAX_TEXT = 80


class Summary(BaseModel):
    """One column, as tools.quality.profile measures it; of numbers also the mean, with its interval, and the sample's
    standard deviation. `top` are the three most frequent values of what is no number; texts are cut at 80 characters.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    missing: int
    distinct: int | None
    min: str | None = None
    max: str | None = None
    quantiles: dict[str, float] | None = None
    mean: float | None = None
    mean_interval: Interval | None = None
    std: float | None = None
    top: list[Count] | None = None


def summaries(engine: Engine, columns: Columns, confidence: float) -> tuple[list[Summary], list[str]]:
    """The summary of each profiled column, and notes on values that no figure could be made of."""
    measures: dict[tuple[str, ...], Value] = {(name, "n"): time.count() for name, time in columns.times.items()}
    for name, number in columns.numbers.items():
        measures |= {
            (name, "n"): number.count(),
            (name, "mean"): number.mean(),
            (name, "std"): number.std(how="sample"),
        }
    found = aggregated(engine, columns.figures, measures)
    made, notes = [], []
    for column in columns.profile.columns:
        own = {key: found.get((column.name, key)) for key in ("n", "mean", "std")}
        made.append(described(column, own, confidence))
        present = columns.profile.rows - column.missing
        if own["n"] is not None and own["n"] < present:
            notes.append(f"{column.name}: {present - own['n']} values are beyond what is reckoned with, and left out")
    return made, notes


def described(column: ColumnProfile, measured: dict[str, Any], confidence: float) -> Summary:
    """A column by its profile, and what was measured of its numbers: `n`, `mean`, `std`, None where it has none."""
    n, mean, std = (measured[key] for key in ("n", "mean", "std"))
    return Summary(
        name=column.name,
        type=column.type,
        missing=column.missing,
        distinct=column.distinct,
        min=_cut(column.min),
        max=_cut(column.max),
        quantiles=column.quantiles,
        mean=mean,
        mean_interval=None if mean is None or std is None else mean_interval(n, mean, std, confidence),
        std=std,
        top=None if column.quantiles else leading(column),
    )


def leading(column: ColumnProfile) -> list[Count]:
    """The three most frequent values of a column."""
    return [Count(value=str(_cut(count.value)), rows=count.rows) for count in column.top[:_TOP]]


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= _MAX_TEXT else text[: _MAX_TEXT - 3] + "..."
