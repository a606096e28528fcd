"""Checks learned from a sample that is trusted: what all of it satisfies, and rows like it will."""

import re
from collections.abc import Iterator
from datetime import date, timedelta

from core.spec.check import Between, Check, InSet, Matches, NotNull, Unique
from core.spec.column import check_given, parse_type
from tools.quality.profile import ColumnProfile, Profile

# A smaller sample teaches nothing.
_ROWS = 50
# A set is closed if it is small and each of its values is in so many rows: then hardly one was missed.
_MAX_SET = 15
_EACH = 5
_MAX_PATTERNS = 3
# Bounds leave half of the sample's span to either side.
_MARGIN = 0.5

_RUNS = {"A": "[A-Z]+", "a": "[a-z]+", "x": r"[^\x00-\x7f]+", "9": "[0-9]+"}


def suggest_checks(sample: Profile) -> list[Check]:
    """Checks that hold on the sample, in the order of its columns; none from fewer than 50 rows.

    `not_null` where no value is missing, `unique` for columns of whole numbers or of one pattern without a repeat,
    `in_set` for up to 15 values each in five rows and more, `matches` for texts with digits of at most three patterns,
    `between` for other numbers and dates, with half of their span to spare on both sides, and not below zero where
    nothing is.
    """
    if sample.rows < _ROWS:
        return []
    return [check for column in sample.columns for check in _checks(column, sample.rows)]


def unusable(sample: Profile) -> dict[str, str]:
    """The columns that no pipeline can declare, each with the reason."""
    found = {}
    for column in sample.columns:
        try:
            check_given(column.name)
            parse_type(column.type)
        except ValueError as error:
            found[column.name] = str(error)
    return found


def _checks(column: ColumnProfile, rows: int) -> Iterator[Check]:
    name, present = column.name, rows - column.missing
    if present < _ROWS:
        return
    if not column.missing:
        yield NotNull(check="not_null", column=name)
    formed = column.type == "integer" or (column.type == "string" and len(column.patterns) == 1)
    # Measurements and days may be all different too, and are no keys.
    key = formed and not column.missing and column.distinct == rows
    if key:
        yield Unique(check="unique", columns=(name,))
    if column.type in ("string", "integer") and _closed(column):
        yield InSet(check="in_set", column=name, values=tuple(sorted(count.value for count in column.top)))
    elif column.type == "string" and _formed(column, present):
        yield Matches(check="matches", column=name, pattern=_pattern(column))
    elif not key and (column.quantiles or column.type == "date"):
        yield from _bounds(column)


def _closed(column: ColumnProfile) -> bool:
    return (
        column.distinct is not None
        and column.distinct <= _MAX_SET
        and column.distinct == len(column.top)
        and all(count.rows >= _EACH and count.value == count.value.strip() for count in column.top)
    )


def _formed(column: ColumnProfile, present: int) -> bool:
    return (
        len(column.patterns) <= _MAX_PATTERNS
        and sum(count.rows for count in column.patterns) == present
        and all("9" in count.value and count.rows >= _EACH for count in column.patterns)
    )


def _pattern(column: ColumnProfile) -> str:
    """The patterns as one regular expression."""
    return "|".join(
        "".join(_RUNS.get(mark, re.escape(mark)) for mark in count.value)
        for count in sorted(column.patterns, key=lambda count: count.value)
    )


def _bounds(column: ColumnProfile) -> Iterator[Check]:
    # What is infinite or no number lies within no bounds.
    if column.min is None or column.max is None or column.endless:
        return
    if column.type == "date":
        try:
            first, last = date.fromisoformat(column.min), date.fromisoformat(column.max)
        except ValueError:
            # Files can have dates that no check can name: before the year 1, and after 9999.
            return
        spare = timedelta(days=round(_MARGIN * (last - first).days))
        if spare and first - date.min > spare and date.max - last > spare:
            yield Between(check="between", column=column.name, min=first - spare, max=last + spare)
        return
    low, high = float(column.min), float(column.max)
    spare_number = _MARGIN * (high - low)
    if spare_number:
        least = max(low - spare_number, 0.0) if low >= 0 else low - spare_number
        yield Between(check="between", column=column.name, min=least, max=high + spare_number)
