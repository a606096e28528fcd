"""Checks as expressions: for each row, whether it fails, and what to say of it."""

from dataclasses import dataclass
from datetime import date

import ibis
from ibis.expr.types import BooleanValue, StringValue, Table, Value

from core.spec.check import Between, Check, Expression, InSet, Matches, NotNull, Unique
from core.spec.column import Column
from core.task import Dimension, Severity
from tools.engine.rowid import ROW
from tools.engine.types import missing, typed
from tools.transformation.expression import condition

# Before a column's name: its cell as it came.
CAME = "_came_"


@dataclass(frozen=True)
class Test:
    """A check of single rows, on one table. `fails` is never null."""

    name: str
    dimension: Dimension
    severity: Severity
    fails: BooleanValue
    reason: StringValue


def testable(raw: Table, columns: dict[str, Column]) -> Table:
    """The rows with each cell as a value of its declared type, and beside it as it came."""
    values = {name: typed(raw[name], column.type) for name, column in columns.items()}
    return raw.select(raw[ROW], **values, **{CAME + name: raw[name] for name in columns})


def tests(table: Table, columns: dict[str, Column], checks: tuple[Check, ...]) -> list[Test]:
    """The tests of a `testable` table: the declared types, then the declared checks but those of keys."""
    of_types = [_type_test(table, name, column) for name, column in columns.items() if column.type != "string"]
    return of_types + [_row_test(table, check) for check in checks if not isinstance(check, Unique)]


def _type_test(table: Table, name: str, column: Column) -> Test:
    cell = table[CAME + name]
    return Test(
        name=f"type({name})",
        dimension=Dimension.CONSISTENCY,
        severity=Severity.MAJOR,
        fails=~missing(cell) & table[name].isnull(),
        reason=ibis.literal(f"{name} is ") + _shown(cell) + f", not of type {column.type}",
    )


def _row_test(table: Table, check: Check) -> Test:
    match check:
        case NotNull(column=column):
            fails, reason = missing(table[CAME + column]), ibis.literal(f"{column} is missing")
        case InSet(column=column, values=allowed):
            fails = table[column].cast("string").notin(list(allowed))
            reason = ibis.literal(f"{column} is ") + _shown(table[column]) + f", not one of {', '.join(allowed)}"
        case Between(column=column, min=low, max=high):
            cell = table[column]
            below = cell < low if low is not None else ibis.literal(False)
            above = cell > high if high is not None else ibis.literal(False)
            fails = below | above
            bounds = [f"at least {_bound(low)}"] if low is not None else []
            bounds += [f"at most {_bound(high)}"] if high is not None else []
            reason = ibis.literal(f"{column} is ") + _shown(cell) + f", and should be {' and '.join(bounds)}"
        case Matches(column=column, pattern=pattern):
            fails = ~table[column].cast("string").re_search(f"^(?:{pattern})$")
            reason = ibis.literal(f"{column} is ") + _shown(table[column]) + f", not of the form {pattern}"
        case Expression(expression=expression):
            fails, reason = ~condition(expression, table), ibis.literal(f"not true: {expression}")
        case _:
            raise AssertionError(f"{check.name} is not a check of single rows")
    return Test(check.name, check.dimension, check.severity, fails.fill_null(False), reason)


def _bound(value: float | date) -> str:
    return value.isoformat() if isinstance(value, date) else f"{value:g}"


def _shown(cell: Value) -> StringValue:
    return ibis.literal("'") + cell.cast("string").fill_null("").substr(0, 80) + "'"
