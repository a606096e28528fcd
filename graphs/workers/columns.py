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

# Engines have times that Python has not.
_FIRST, _LAST = ibis.timestamp("0001-01-01T00:00:00"), ibis.timestamp("9999-12-31T23:59:59")

# Last words of the names of columns that identify what their rows are about; and of others that measure nothing.
KEY_WORDS = frozenset({"id", "key", "code", "uuid", "no", "nr", "number", "sku"})
_NAMES_THINGS = KEY_WORDS | {"index", "zip", "postcode", "phone"}


@dataclass(frozen=True)
class Columns:
    """A profiled table. `numbers` and `times` are the columns of `figures`, by their names in the table.

    What they could not take is null there: numbers beyond 1e100, times beyond the years 1 to 9999.
    """

    profile: Profile
    figures: Table
    numbers: dict[str, NumericValue]
    times: dict[str, TimestampValue]
    notes: tuple[str, ...]


def profiled(engine: Engine, table: Table, names: Sequence[str]) -> Columns:
    """Profile these columns. Texts that are all numbers or all times count as such.

    Floats that are not finite, or beyond 1e100, are left out as if they were missing, with a note.
    """
    table, notes = _finite(engine, table if list(names) == list(table.columns) else table.select(*names))
    found = profile(engine, table)
    figures: dict[str, Value] = {}
    for column in found.columns:
        if column.type in ("integer", "float") or column.type.startswith("decimal"):
            figures[column.name] = _number(table[column.name])
        elif column.type in ("date", "timestamp"):
            figures[column.name] = _time(table[column.name], column.type)
    # Computed once for all measures: to plan each of them over its own expression would take many times as long.
    projected = table.select(**figures) if figures else table
    return Columns(
        profile=found,
        figures=projected,
        numbers={name: projected[name] for name, value in figures.items() if value.type().is_numeric()},
        times={name: projected[name] for name, value in figures.items() if value.type().is_timestamp()},
        notes=tuple(notes),
    )


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
    unfit: dict[tuple[str, ...], Value] = {(name,): _unfit(table[name]).sum().fill_null(0) for name in floats}
    counts = {key[0]: n for key, n in aggregated(engine, table, unfit).items() if n}
    if not counts:
        return table, []
    fit = {name: ibis.ifelse(_unfit(table[name]), ibis.null("float64"), table[name]) for name in counts}
    return table.mutate(**fit), [
        f"{name}: {n} values are no finite numbers, or too large" for name, n in counts.items()
    ]


def _unfit(number: NumericValue) -> Value:
    return number.isnan() | (number.abs() >= _LARGEST)


def _number(cell: Value) -> NumericValue:
    if not cell.type().is_string():
        return cell.cast("float64")
    number = _typed(cell, "float")
    return ibis.ifelse(number.abs() < _LARGEST, number, ibis.null("float64"))


def _time(cell: Value, kind: str) -> TimestampValue:
    time = _typed(cell, kind).cast("timestamp")
    return ibis.ifelse(time.between(_FIRST, _LAST), time, ibis.null("timestamp"))


def _typed(cell: Value, kind: str) -> Value:
    return typed(cell.strip(), kind) if cell.type().is_string() else cell
