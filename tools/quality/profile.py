"""What a table holds, column by column: types, gaps, distinct values, ranges, quantiles, top values, patterns.

Columns of one type are measured together, listed one below the other: what engines take long for is to plan a
statement of thousands of measures, not to group. A table of many rows has few columns listed at a time.
"""

from collections.abc import Iterator
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
# Amounts of money, which as floats would not add up.
_AMOUNT = "decimal(18,2)"
_UNCODED = (*_NUMBERS, _AMOUNT)
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_TOP = 20
# How many columns, and how many cells, may be listed in one statement.
_COLUMNS = 500
_CELLS = 1_000_000
# Files can have unsigned integers, which the spec has not.
_LARGEST = 2**63 - 1
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
    leading zeros are codes, and no numbers), and `kinds` counts how many texts are of each. `missing` counts rows
    without a value (null or blank), `distinct` the different values; it is None for types that no column of a spec can
    have, of which nothing else is measured. `endless` counts floats that are infinite or NaN: values, but without a
    place among the others. `min` and `max` are in the order of the type, as text. `quantiles` (0.05, 0.25, 0.5, 0.75,
    0.95) are of numbers. `top` are the twenty most frequent values, `patterns` the twenty most frequent forms: a run of
    capitals is `A`, of small letters `a`, of other letters `x`, of digits `9`. Both are in the order of their counts,
    then of the alphabet.
    """

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    missing: int
    distinct: int | None = None
    endless: int = 0
    min: str | None = None
    max: str | None = None
    quantiles: dict[str, float] | None = None
    kinds: dict[str, int] = {}
    top: list[Count] = []
    patterns: list[Count] = []


class Profile(BaseModel):
    """A table: its rows, and its columns in their order.

    Of a file, `unreadable` counts the lines that are no records, which are not among the rows, and `notes` say what was
    taken for granted when it was read.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    columns: list[ColumnProfile]
    unreadable: int = 0
    notes: list[str] = []


def profile(engine: Engine, table: Table) -> Profile:
    """Profile all columns but `_row`. Columns of types that no column of a spec can have are told by their gaps alone,
    with the engine's name of the type."""
    rows = engine.count(table)
    found: dict[str, ColumnProfile] = {}
    alike: dict[Any, list[str]] = {}
    for name in table.columns:
        if name != ROW:
            alike.setdefault(table[name].type(), []).append(name)
    for kind, names in alike.items():
        for batch in _batches(names, min(_COLUMNS, max(1, _CELLS // max(rows, 1)))):
            cells = [table[name] for name in batch]
            of = _profiled if declared_type(kind) else _gaps
            found |= {column.name: column for column in of(engine, table, dict(zip(batch, cells, strict=True)), rows)}
    return Profile(rows=rows, columns=[found[name] for name in table.columns if name != ROW])


def _batches(names: list[str], size: int) -> Iterator[list[str]]:
    return (names[start : start + size] for start in range(0, len(names), size))


def _gaps(engine: Engine, table: Table, cells: dict[str, Value], rows: int) -> Iterator[ColumnProfile]:
    there = engine.row(table.aggregate(**{f"c{index}": cell.count() for index, cell in enumerate(cells.values())}))
    for index, (name, cell) in enumerate(cells.items()):
        yield ColumnProfile(name=name, type=str(cell.type()), missing=rows - there[f"c{index}"])


def _profiled(engine: Engine, table: Table, cells: dict[str, Value], rows: int) -> Iterator[ColumnProfile]:
    listed = _listed(table, list(cells.values()))
    kind = listed["value"].type()
    measured = listed.group_by("column").aggregate(**_measures(listed["value"]))
    own = {row["column"]: row for row in engine.rows(measured)}
    frequent = _frequent(engine, listed)
    for index, name in enumerate(cells):
        column = _column(name, declared_type(kind) or "string", own.get(index, {}), rows)
        yield column.model_copy(update={key: counts.get(index, []) for key, counts in frequent.items()})


def _listed(table: Table, cells: list[Value]) -> Table:
    """The cells of columns one below the other, where there are any, with the number of their column.

    Blank texts come as nulls.
    """
    structs = [ibis.struct({"column": ibis.literal(index, "int32"), "value": cell}) for index, cell in enumerate(cells)]
    # One column needs no array, and a table of many rows has its columns come one by one.
    listed = table.select(cell=structs[0] if len(structs) == 1 else ibis.array(structs).unnest())
    listed = listed.select(column=listed["cell"]["column"], value=listed["cell"]["value"])
    return listed.filter(~missing(listed["value"]))


def _measures(cell: Value) -> dict[str, Value]:
    """Of the cells of a column that are there."""
    finite = (
        ibis.ifelse(cell.isnan() | cell.isinf(), ibis.null(cell.type()), cell) if cell.type().is_floating() else cell
    )
    measures = {
        "present": cell.count(),
        "distinct": cell.nunique(),
        "endless": cell.count() - finite.count(),
        "min": finite.min().cast("string"),
        "max": finite.max().cast("string"),
    }
    if cell.type().is_string():
        for kind in _KINDS:
            value = typed(cell.strip(), kind)
            measures[kind] = value.count()
            if kind != "boolean":
                measures |= {f"{kind}_min": value.min().cast("string"), f"{kind}_max": value.max().cast("string")}
        measures[_AMOUNT] = typed(cell.strip(), _AMOUNT).count()
        measures["codes"] = cell.strip().re_search(_LEADING_ZERO).sum().fill_null(0)
        measures["quantiles"] = typed(cell.strip(), "float").quantile(list(_QUANTILES))
    elif cell.type().is_numeric():
        measures["quantiles"] = finite.cast("float64").quantile(list(_QUANTILES))
    return measures


def _column(name: str, kind: str, own: dict[str, Any], rows: int) -> ColumnProfile:
    if not own:
        return ColumnProfile(name=name, type=kind, missing=rows, distinct=0)
    low, high, quantiles = own["min"], own["max"], None
    if kind == "string":
        kinds = [k for k in _KINDS if own[k] == own["present"] and not (k in _NUMBERS and own["codes"])]
        kind = kinds[0] if kinds else kind
        low, high = own.get(f"{kind}_min", low), own.get(f"{kind}_max", high)
    elif kind == "integer" and high is not None and int(high) > _LARGEST:
        kind = "decimal(20,0)"
    if own.get("quantiles") and (kind in _NUMBERS or kind.startswith("decimal")):
        quantiles = {str(share): value for share, value in zip(_QUANTILES, own["quantiles"], strict=True)}
    return ColumnProfile(
        name=name,
        type=kind,
        missing=rows - own["present"],
        distinct=own["distinct"],
        endless=own["endless"],
        min=low,
        max=high,
        quantiles=quantiles,
        kinds={k: own[k] for k in (*_KINDS, _AMOUNT) if own.get(k) and not (k in _UNCODED and own["codes"])},
    )


def _frequent(engine: Engine, listed: Table) -> dict[str, dict[int, list[Count]]]:
    """The most frequent values and forms of the listed columns, by number."""
    texts = listed.select("column", value=listed["value"].cast("string"))
    counts = engine.hold(texts.group_by("column", "value").aggregate(rows=texts.count()))
    form = counts["value"].re_replace("[A-Z]+", "A").re_replace("[a-z]+", "a")
    form = form.re_replace(r"[^\x00-\x7f]+", "x").re_replace("[0-9]+", "9")
    forms = counts.select("column", "rows", value=form).group_by("column", "value")
    found: dict[str, dict[int, list[Count]]] = {"top": {}, "patterns": {}}
    for kind, of in (("top", counts), ("patterns", forms.aggregate(rows=lambda t: t["rows"].sum()))):
        for row in engine.rows(_leading(of)):
            found[kind].setdefault(row["column"], []).append(Count(value=row["value"], rows=row["rows"]))
    return found


def _leading(counts: Table) -> Table:
    order = [ibis.desc("rows"), ibis.asc("value")]
    place = ibis.row_number().over(group_by="column", order_by=order)
    return counts.mutate(place=place).filter(lambda t: t["place"] < _TOP).order_by("column", "place")
