"""The columns of a table as analysis takes them: numbers, times, and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import ibis
from ibis.expr.types import NumericValue, Table, TimestampValue, Value

from tools.discovery.words import words
from tools.engine.engine import Engine
from tools.engine.types import typed
from tools.quality.profile import Profile, profile

# Squares of what is larger would have no room.
_LARGEST = 1e100

# Last words of the names of columns that identify what their rows are about; and of others that measure nothing.
KEY_WORDS = frozenset({"id", "key", "code", "uuid", "no", "nr", "number", "sku"})
_NAMES_THINGS = KEY_WORDS | {"index", "zip", "postcode", "phone"}


@dataclass(frozen=True)
class Columns:
    """A profiled table. `numbers` and `times` are expressions on it, by the names of their columns."""

    table: Table
    profile: Profile
    numbers: dict[str, NumericValue]
    times: dict[str, TimestampValue]
    notes: tuple[str, ...]


def profiled(engine: Engine, table: Table, names: Sequence[str]) -> Columns:
    """Profile these columns. Texts that are all numbers or all times count as such.

    Numbers that are not finite, or beyond 1e100, are left out as if they were missing, with a note.
    """
    table, notes = _finite(engine, table.select(*names))
    found = profile(engine, table)
    numbers, times = {}, {}
    for column in found.columns:
        if column.type in ("integer", "float") or column.type.startswith("decimal"):
            numbers[column.name] = _number(table[column.name])
        elif column.type in ("date", "timestamp"):
            times[column.name] = _typed(table[column.name], column.type).cast("timestamp")
    return Columns(table, found, numbers, times, tuple(notes))


def identifies(name: str) -> bool:
    """Whether a column, by its name, tells things apart: its numbers are names, and measure nothing."""
    return bool(_NAMES_THINGS & set(words(name)[-1:]))


def aggregated(engine: Engine, table: Table, values: dict[tuple[str, ...], Value]) -> dict[tuple[str, ...], Any]:
    """Aggregates by keys of any parts, in one scan."""
    names = {key: f"v{index}" for index, key in enumerate(values)}
    row = engine.row(table.aggregate(**{names[key]: value for key, value in values.items()})) if values else {}
    return {key: row[name] for key, name in names.items()}


def _finite(engine: Engine, table: Table) -> tuple[Table, list[str]]:
    floats = [name for name in table.columns if table[name].type().is_floating()]
    if not floats:
        return table, []
    fit = {name: _fit(table[name]) for name in floats}
    counts = aggregated(engine, table, {(name,): (~fit[name]).sum().fill_null(0) for name in floats})
    notes = [f"{name}: {n} values are no finite numbers, or too large" for (name,), n in counts.items() if n]
    return table.mutate(**{name: ibis.ifelse(fit[name], table[name], ibis.null("float64")) for name in floats}), notes


def _fit(number: NumericValue) -> Value:
    return ~(number.isnan() | (number.abs() >= _LARGEST))


def _number(cell: Value) -> NumericValue:
    number = _typed(cell, "float") if cell.type().is_string() else cell.cast("float64")
    return ibis.ifelse(number.abs() < _LARGEST, number, ibis.null("float64"))


def _typed(cell: Value, kind: str) -> Value:
    return typed(cell.strip(), kind) if cell.type().is_string() else cell
