"""Checks of a dataset as a whole: the figures that are measured, and how they are judged."""

from datetime import UTC, date, datetime
from typing import Any

from ibis.expr.types import Table, Value

from core.spec.check import Check, Distribution, Freshness, RowCount


def figures(table: Table, check: Check) -> dict[str, Value]:
    """What is to be measured for the check, as aggregates of a table of typed values."""
    match check:
        case RowCount():
            return {"rows": table.count()}
        case Freshness(column=column):
            return {"newest": table[column].max()}
        case Distribution(column=column, of_numbers=True):
            number = table[column].cast("float64")
            quantiles = {f"quantile_{i}": number.quantile(share) for i, share in enumerate(check.quantiles)}
            return {"mean": number.mean(), "std": number.std(how="sample"), **quantiles}
        case Distribution(column=column):
            text = table[column].cast("string")
            shares = {f"share_{i}": (text == value).sum().fill_null(0) for i, value in enumerate(check.shares)}
            return {"values": text.count(), **shares}
        case _:
            raise AssertionError(f"{check.name} is not a check of the whole")


def judge(check: Check, found: dict[str, Any], at: datetime) -> tuple[bool, str]:
    """Whether the figures pass, and in words what was measured. `at` is when the run began.

    What cannot be measured, such as the age of the newest of no values, does not pass.
    """
    match check:
        case RowCount(min=low, max=high):
            rows = found["rows"]
            return (low is None or rows >= low) and (high is None or rows <= high), f"{rows} rows"
        case Freshness(column=column):
            newest = _moment(found["newest"])
            if newest is None:
                return False, f"{column} has no value"
            return (
                at - newest <= check.age,
                f"the newest {column} is {newest:%Y-%m-%d %H:%M:%S}, at {at:%Y-%m-%d %H:%M:%S}",
            )
        case Distribution(of_numbers=True):
            return _numbers(check, found)
        case Distribution():
            return _categories(check, found)
        case _:
            raise AssertionError(f"{check.name} is not a check of the whole")


def _numbers(check: Distribution, found: dict[str, Any]) -> tuple[bool, str]:
    wanted = [("mean", "mean", check.mean), ("std", "std", check.std)]
    wanted += [(f"quantile {share:g}", f"quantile_{i}", r) for i, (share, r) in enumerate(check.quantiles.items())]
    asked = [(label, found[name], bounds) for label, name, bounds in wanted if bounds is not None]
    words = [f"{label} {value:.6g}" if value is not None else f"no {label}" for label, value, _ in asked]
    return all(value is not None and bounds.min <= value <= bounds.max for _, value, bounds in asked), ", ".join(words)


def _categories(check: Distribution, found: dict[str, Any]) -> tuple[bool, str]:
    values = found["values"]
    if not values:
        return False, f"{check.column} has no value"
    observed = [found[f"share_{i}"] / values for i in range(len(check.shares))]
    expected = list(check.shares.values())
    rest = (1 - sum(observed)) - (1 - sum(expected))
    distance = (sum(abs(o - e) for o, e in zip(observed, expected, strict=True)) + abs(rest)) / 2
    # So many steps of rounding as there are shares must not decide.
    return distance <= check.tolerance + 1e-9, f"total variation distance {distance:.4g}"


def _moment(value: date | datetime | None) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
