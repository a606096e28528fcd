"""What a table holds, column by column: types, gaps, distinct values, ranges, quantiles, top values, patterns.

Columns are measured in batches, as engines take long to plan a statement of thousands of measures. Each column is read
once for its measures, and once for the counts of its values.
"""

from collections.abc import Iterator, Sequence
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
# Columns measured in one statement; and how many cells may be listed in one, a row for each.
_MEASURED = 20
_CELLS = 1_000_000
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
    rows = engine.count(table)
    found: dict[str, ColumnProfile] = {}
    for batch in _batches(names, _MEASURED):
        measures = {
            f"c{index}_{key}": value
            for index, name in enumerate(batch)
            for key, value in _measures(table[name]).items()
        }
        measured = engine.row(table.aggregate(**measures))
        for index, name in enumerate(batch):
            prefix = f"c{index}_"
            own = {key.removeprefix(prefix): value for key, value in measured.items() if key.startswith(prefix)}
            found[name] = _column(table[name], name, own, rows)
    plain = [name for name in names if declared_type(table[name].type()) is not None]
    for batch in _batches(plain, min(_MEASURED, max(1, _CELLS // max(rows, 1)))):
        for name, frequent in _frequent(engine, table, batch).items():
            found[name] = found[name].model_copy(update=frequent)
    return Profile(rows=rows, columns=[found[name] for name in names])


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


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


def _column(cell: Value, name: str, own: dict[str, Any], rows: int) -> ColumnProfile:
    kind = declared_type(cell.type())
    if kind is None:
        return ColumnProfile(name=name, type=str(cell.type()), missing=own["missing"], distinct=0)
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
    return ColumnProfile(
        name=name,
        type=kind,
        missing=own["missing"],
        distinct=own["distinct"],
        min=low,
        max=high,
        quantiles=quantiles,
    )


def _number(value: float, kind: str) -> str:
    return str(int(value)) if kind == "integer" else repr(value)


def _frequent(engine: Engine, table: Table, names: Sequence[str]) -> dict[str, dict[str, list[Count]]]:
    """The most frequent values and forms of some columns, by name."""
    cells = [_cell(index, table[name]) for index, name in enumerate(names)]
    # One column needs no array, and a table of many rows has its columns come one by one.
    listed = table.select(cell=cells[0] if len(cells) == 1 else ibis.array(cells).unnest())
    listed = listed.select(column=listed["cell"]["column"], value=listed["cell"]["value"])
    listed = listed.filter(listed["value"].notnull())
    counts = engine.hold(listed.group_by("column", "value").aggregate(rows=listed.count()))
    form = counts["value"].re_replace("[A-Z]+", "A").re_replace("[a-z]+", "a")
    form = form.re_replace(r"[^\x00-\x7f]+", "x").re_replace("[0-9]+", "9")
    forms = counts.select("column", "rows", value=form).group_by("column", "value")
    found: dict[str, dict[str, list[Count]]] = {name: {"top": [], "patterns": []} for name in names}
    for kind, of in (("top", counts), ("patterns", forms.aggregate(rows=lambda t: t["rows"].sum()))):
        for row in engine.rows(_leading(of)):
            found[names[row["column"]]][kind].append(Count(value=row["value"], rows=row["rows"]))
    return found


def _cell(column: int, cell: Value) -> Value:
    text = ibis.ifelse(missing(cell), ibis.null("string"), cell.cast("string"))
    return ibis.struct({"column": ibis.literal(column, "int32"), "value": text})


def _leading(counts: Table) -> Table:
    order = [ibis.desc("rows"), ibis.asc("value")]
    place = ibis.row_number().over(group_by="column", order_by=order)
    return counts.mutate(place=place).filter(lambda t: t["place"] < _TOP).order_by("column", "place")
