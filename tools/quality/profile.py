"""What a table holds, column by column: types, gaps, distinct values, ranges, quantiles, top values, patterns.

All measures come from one scan. Top values and patterns need the counts of each value, which are one query a column.
"""

from typing import Any

import ibis
from ibis.expr.types import Table, Value
from pydantic import BaseModel, ConfigDict

from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import declared_type, missing, typed

# What the texts of a column may all be, the narrowest first.
_KINDS = ("integer", "float", "boolean", "date", "timestamp")
_NUMBERS = ("integer", "float")
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_TOP = 20
# A code, not a number: as a number it would lose its zeros.
_LEADING_ZERO = r"^[+-]?0[0-9]"


class Count(BaseModel):
    """A value or pattern, and how many rows have it."""

    model_config = ConfigDict(frozen=True)

    value: str
    rows: int


class ColumnProfile(BaseModel):
    """One column.

    `type` is the spec's type that all its values have; texts that are all numbers or dates have that type (texts with
    leading zeros are codes, and no numbers). `missing` counts rows without a value (null or blank), `distinct` the
    different values. `min` and `max` are in the order of the type, as text. `quantiles` (0.05, 0.25, 0.5, 0.75, 0.95)
    are of numbers. `top` are the twenty most frequent values, `patterns` the twenty most frequent forms: a run of
    capitals is `A`, of small letters `a`, of other letters `x`, of digits `9`. Both are in the order of their counts,
    then of the alphabet.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    missing: int
    distinct: int
    min: str | None = None
    max: str | None = None
    quantiles: dict[str, float] | None = None
    top: list[Count] = []
    patterns: list[Count] = []


class Profile(BaseModel):
    """A table: its rows, and its columns in their order."""

    model_config = ConfigDict(frozen=True)

    rows: int
    columns: list[ColumnProfile]


def profile(engine: Engine, table: Table) -> Profile:
    """Profile all columns but `_row`. Columns of nested types are told by their gaps alone."""
    names = [name for name in table.columns if name != ROW]
    measures: dict[str, Value] = {"rows": table.count()}
    for index, name in enumerate(names):
        measures |= {f"c{index}_{key}": value for key, value in _measures(table[name]).items()}
    measured = engine.row(table.aggregate(**measures))
    columns = []
    for index, name in enumerate(names):
        prefix = f"c{index}_"
        own = {key.removeprefix(prefix): value for key, value in measured.items() if key.startswith(prefix)}
        columns.append(_column(engine, table, name, own, int(measured["rows"])))
    return Profile(rows=int(measured["rows"]), columns=columns)


def _measures(cell: Value) -> dict[str, Value]:
    if declared_type(cell.type()) is None:
        return {"missing": cell.isnull().sum().fill_null(0)}
    present = ibis.ifelse(missing(cell), ibis.null(cell.type()), cell)
    measures = {
        "missing": missing(cell).sum().fill_null(0),
        "distinct": present.nunique(),
        "min": present.min().cast("string"),
        "max": present.max().cast("string"),
    }
    if cell.type().is_string():
        for kind in _KINDS:
            value = typed(cell.strip(), kind)
            measures[kind] = value.count()
            if kind not in (*_NUMBERS, "boolean"):
                measures |= {f"{kind}_min": value.min().cast("string"), f"{kind}_max": value.max().cast("string")}
        measures["codes"] = cell.strip().re_search(_LEADING_ZERO).sum().fill_null(0)
        measures |= _of_numbers(typed(cell.strip(), "float"))
    elif cell.type().is_numeric():
        measures |= _of_numbers(cell.cast("float64"))
    return measures


def _of_numbers(number: Value) -> dict[str, Value]:
    return {"least": number.min(), "most": number.max(), "quantiles": number.quantile(list(_QUANTILES))}


def _column(engine: Engine, table: Table, name: str, own: dict[str, Any], rows: int) -> ColumnProfile:
    kind = declared_type(table[name].type())
    if kind is None:
        return ColumnProfile(name=name, type=str(table[name].type()), missing=own["missing"], distinct=0)
    present = rows - own["missing"]
    if kind == "string" and present:
        kinds = [narrow for narrow in _KINDS if own[narrow] == present and not (narrow in _NUMBERS and own["codes"])]
        kind = kinds[0] if kinds else "string"
    low, high, quantiles = own["min"], own["max"], None
    if own.get("quantiles") and (kind in _NUMBERS or kind.startswith("decimal")):
        quantiles = {str(share): value for share, value in zip(_QUANTILES, own["quantiles"], strict=True)}
        low, high = _number(own["least"], kind), _number(own["most"], kind)
    elif f"{kind}_min" in own:
        low, high = own[f"{kind}_min"], own[f"{kind}_max"]
    top, patterns = _frequent(engine, table, name)
    return ColumnProfile(
        name=name,
        type=kind,
        missing=own["missing"],
        distinct=own["distinct"],
        min=low,
        max=high,
        quantiles=quantiles,
        top=top,
        patterns=patterns,
    )


def _number(value: float, kind: str) -> str:
    return str(int(value)) if kind == "integer" else repr(value)


def _frequent(engine: Engine, table: Table, name: str) -> tuple[list[Count], list[Count]]:
    present = table.filter(~missing(table[name])).select(value=table[name].cast("string"))
    counts = engine.hold(present.group_by("value").aggregate(rows=present.count()))
    form = counts["value"].re_replace("[A-Z]+", "A").re_replace("[a-z]+", "a")
    form = form.re_replace(r"[^\x00-\x7f]+", "x").re_replace("[0-9]+", "9").name("value")
    forms = counts.select(form, counts["rows"])
    forms = forms.group_by("value").aggregate(rows=forms["rows"].sum())
    return _leading(engine, counts), _leading(engine, forms)


def _leading(engine: Engine, counts: Table) -> list[Count]:
    leading = counts.order_by(ibis.desc("rows"), "value").limit(_TOP)
    return [Count(value=row["value"], rows=row["rows"]) for row in engine.rows(leading)]
