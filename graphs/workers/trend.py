"""Trends: how the numbers of a table change over its time, and what they are period by period."""

from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from typing import Any, Literal

from ibis.expr.types import TimestampValue, Value
from pydantic import BaseModel, ConfigDict

from graphs.workers.columns import Columns, aggregated
from graphs.workers.inference import Interval, Tested, holm, slope
from tools.engine.engine import Engine

Unit = Literal["day", "week", "month", "quarter", "year"]

# Days in a period, the shortest first; how many periods are shown.
_UNITS: dict[Unit, float] = {"day": 1, "week": 7, "month": 30.4, "quarter": 91.3, "year": 365.2}
_MAX_PERIODS = 40
_DAY_S = 86_400

# Of fewer periods nothing can be told about what one has to do with the next.
_LEAST_PERIODS = 8


class Trend(BaseModel):
    """The least squares line of a column over time, by the `n` rows that have both.

    `slope` is the change in a day, with its interval. `p_adjusted` is that of the test against no slope, adjusted for
    all columns by Holm's method; `direction` is `rising` or `falling` where it is below 1 - confidence, else absent.
    """

    model_config = ConfigDict(frozen=True)

    column: str
    n: int
    slope: float
    interval: Interval
    p: float
    p_adjusted: float
    direction: Literal["rising", "falling"] | None


class Period(BaseModel):
    """A period by its first day, with its rows, and the means of the columns that have values in it."""

    model_config = ConfigDict(frozen=True)

    start: date
    rows: int
    means: dict[str, float]


class Course(BaseModel):
    """What becomes of a table's numbers over its `time`: `trends` by their p, and `periods` of a `unit` each."""

    model_config = ConfigDict(frozen=True)

    time: str
    unit: Unit
    trends: list[Trend]
    periods: list[Period]
    notes: list[str]


def course(engine: Engine, columns: Columns, time: str, names: Sequence[str], confidence: float) -> Course | None:
    """The course of these columns of numbers over a column of times; None if that has no value.

    The unit is the shortest of which at most 40 cover all of the time, else a year.
    """
    when = columns.times[time]
    ends = aggregated(engine, columns.figures, {("first",): when.min(), ("last",): when.max()})
    first, last = ends["first",], ends["last",]
    if first is None:
        return None
    span = (last - first).total_seconds() / _DAY_S
    unit: Unit = next((unit for unit, days in _UNITS.items() if span / days < _MAX_PERIODS - 1), "year")
    lines = _lines(engine, columns, when, names, confidence)
    periods, days = _periods(engine, columns, when, unit, names)
    adjusted = holm([line.tested.p for line in lines])
    trends = [
        Trend(
            column=line.column,
            n=line.n,
            slope=line.tested.estimate,
            interval=line.tested.interval,
            p=line.tested.p,
            p_adjusted=p,
            direction=None if p >= 1 - confidence else "rising" if line.tested.estimate > 0 else "falling",
        )
        for line, p in zip(lines, adjusted, strict=True)
    ]
    untold = [name for name in names if name not in {line.column for line in lines}]
    notes = [f"{name}: no trend, for it or {time} does not vary, or too few rows have both" for name in untold]
    notes += [note for line in lines if (note := _dependence(line, periods, days, unit))]
    if len(periods) > _MAX_PERIODS:
        notes.append(f"{len(periods) - _MAX_PERIODS} earlier periods are not shown")
    trends.sort(key=lambda trend: (trend.p, trend.column))
    return Course(time=time, unit=unit, trends=trends, periods=periods[-_MAX_PERIODS:], notes=notes)


class _Line(BaseModel):
    column: str
    n: int
    tested: Tested
    mean_x: float
    mean_y: float


def _lines(
    engine: Engine, columns: Columns, when: TimestampValue, names: Sequence[str], confidence: float
) -> list[_Line]:
    """The line of each column over days; columns without one are left out."""
    measures: dict[tuple[str, ...], Value] = {}
    for name in names:
        y = columns.numbers[name]
        both = y.notnull() & when.notnull()
        x = when.epoch_seconds().cast("float64") / _DAY_S
        measures |= {
            (name, "n"): both.sum().fill_null(0),
            (name, "mean_x"): x.mean(where=both),
            (name, "mean_y"): y.mean(where=both),
            (name, "var_x"): x.var(how="sample", where=both),
            (name, "var_y"): y.var(how="sample", where=both),
            (name, "cov"): x.cov(y, how="sample", where=both),
        }
    found = aggregated(engine, columns.figures, measures)
    lines = []
    for name in names:
        own: dict[str, Any] = {key: found[name, key] for key in ("n", "mean_x", "mean_y", "var_x", "var_y", "cov")}
        if None in own.values():
            continue
        if tested := slope(own["n"], own["var_x"], own["var_y"], own["cov"], confidence):
            lines.append(_Line(column=name, n=own["n"], tested=tested, mean_x=own["mean_x"], mean_y=own["mean_y"]))
    return lines


def _periods(
    engine: Engine, columns: Columns, when: TimestampValue, unit: Unit, names: Sequence[str]
) -> tuple[list[Period], list[float]]:
    """The periods that have rows, in their order, and the mean time of each, in days."""
    x = when.epoch_seconds().cast("float64") / _DAY_S
    table = columns.figures.select(
        start=when.truncate({"day": "D", "week": "W", "month": "M", "quarter": "Q", "year": "Y"}[unit]).date(),
        x=x,
        **{f"y{index}": columns.numbers[name] for index, name in enumerate(names)},
    )
    table = table.filter(table["start"].notnull())
    means = {f"y{index}": table[f"y{index}"].mean() for index in range(len(names))}
    found = table.group_by("start").aggregate(rows=table.count(), x=table["x"].mean(), **means)
    rows = engine.rows(found.order_by("start"))
    periods = [
        Period(
            start=row["start"],
            rows=row["rows"],
            means={name: row[f"y{i}"] for i, name in enumerate(names) if row[f"y{i}"] is not None},
        )
        for row in rows
    ]
    return periods, [row["x"] for row in rows]


def _dependence(line: _Line, periods: Sequence[Period], days: Sequence[float], unit: Unit) -> str | None:
    """A note where periods above the line follow on such, which the interval takes for chance.

    Told by the correlation of one period's distance from the line with the next one's, beyond 2 / sqrt(n).
    """
    rest = [
        period.means[line.column] - line.mean_y - line.tested.estimate * (day - line.mean_x)
        for period, day in zip(periods, days, strict=True)
        if line.column in period.means
    ]
    squares = sum(value * value for value in rest)
    if len(rest) < _LEAST_PERIODS or squares == 0:
        return None
    lag = sum(a * b for a, b in pairwise(rest)) / squares
    if lag <= 2 / len(rest) ** 0.5:
        return None
    return f"{line.column}: a {unit} is like the one before it ({lag:.2f}): the interval of its slope is too narrow"
