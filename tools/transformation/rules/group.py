"""Rules that make other rows of the rows: the new ones have ids of their own, from 1."""

import ibis
from ibis.expr.types import Table

from core.spec.rule import Aggregate, Change, Pivot, Unpivot
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.transformation.expression import aggregate

ROWS = "_rows"

# Wider tables are hardly what was meant, and slow everywhere.
_MOST_COLUMNS = 1_000


def mapped(engine: Engine, rows: Table, rule: Change) -> Table:
    """The rows that a rule makes of others: `_row`, the columns, and `_rows`, of how many rows each one is made.

    In the order of the groups, or of the rows that were there before. Raises ExpressionError, TypeError or ValueError
    if the rule does not fit.
    """
    match rule:
        case Aggregate():
            values = {name: aggregate(text, rows) for name, text in rule.aggregates.items()}
            made = rows.group_by(list(rule.group_by)).aggregate(**values, **{ROWS: rows.count()})
            return _numbered(made, rule.group_by)
        case Pivot():
            return _numbered(_pivoted(engine, rows, rule), rule.group_by)
        case Unpivot():
            return _unpivoted(rows, rule)
        case _:
            raise AssertionError(f"{rule.rule} keeps rows")


def rows_behind(rule: Change, made: int) -> int:
    """Of how many rows those were made whose `_rows` sum up to `made`: an unpivot names each as often as it uses it."""
    return made // len(rule.columns) if isinstance(rule, Unpivot) else made


def _numbered(groups: Table, order: tuple[str, ...]) -> Table:
    window = ibis.window(order_by=[groups[name].asc(nulls_first=False) for name in order])
    return groups.mutate(**{ROW: (ibis.row_number().over(window) + 1).cast("int64")})


def _pivoted(engine: Engine, rows: Table, rule: Pivot) -> Table:
    key = list(rule.group_by)
    values = rule.values or _values(engine, rows, rule.column)
    # The engine tells columns apart without regard to case.
    folded = [name.lower() for name in (*key, *values)]
    if taken := [v for v in values if not v.strip() or v.startswith("_") or folded.count(v.lower()) > 1]:
        raise ValueError(f"no column can be called '{taken[0]}'; map the values of '{rule.column}' to others first")
    first = rows.mutate(_value=rows[rule.column].cast("string"))
    cells = first.group_by([*key, "_value"]).aggregate(_cell=aggregate(rule.aggregate, first), **{ROWS: first.count()})
    # There is one cell for a value in a group, so that any aggregate takes it as it is.
    columns = {value: cells["_cell"].max(where=cells["_value"] == value) for value in values}
    return cells.group_by(key).aggregate(**columns, **{ROWS: cells[ROWS].sum()})


def _values(engine: Engine, rows: Table, column: str) -> tuple[str, ...]:
    found = rows.filter(rows[column].notnull()).select(value=rows[column].cast("string")).distinct()
    values = tuple(row["value"] for row in engine.rows(found.order_by("value").limit(_MOST_COLUMNS + 1)))
    if len(values) > _MOST_COLUMNS:
        raise ValueError(f"column '{column}' has more than {_MOST_COLUMNS} values; list those wanted in `values`")
    return values


def _unpivoted(rows: Table, rule: Unpivot) -> Table:
    if rule.name.lower() == rule.value.lower():
        raise ValueError("the columns for names and values must have different names")
    kept = [name for name in rows.columns if not name.startswith("_") and name not in rule.columns]
    if taken := [name for name in (rule.name, rule.value) if name in kept]:
        raise ValueError(f"column {', '.join(taken)} is here already; name another")
    kinds = {str(rows[name].type()) for name in rule.columns}
    if len(kinds) > 1:
        raise TypeError(f"the columns are of different types ({', '.join(sorted(kinds))}); cast them first")
    place = ibis.row_number().over(ibis.window(order_by=rows[ROW].asc())).cast("int64") * len(rule.columns)
    counted = rows.mutate(_place=place)
    made = [
        counted.select(
            *kept,
            **{
                rule.name: ibis.literal(name),
                rule.value: counted[name],
                ROW: counted["_place"] + index,
                ROWS: ibis.literal(1, "int64"),
            },
        )
        for index, name in enumerate(rule.columns, start=1)
    ]
    return ibis.union(*made) if len(made) > 1 else made[0]
