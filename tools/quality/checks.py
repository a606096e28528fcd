"""Checks of rows as expressions: for each row, whether it fails, and what to say of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal, InvalidOperation
from typing import Any

import ibis
import pyarrow as pa
from ibis.expr.types import BooleanValue, StringValue, Table, Value

from core.errors import CheckError, EngineError
from core.spec.check import Between, Check, Expression, ForeignKey, InSet, Matches, NotNull, Type, Unique
from core.spec.column import RESERVED, Column
from tools.engine.engine import Engine
from tools.engine.types import is_typed, missing, typed
from tools.transformation.columns import read_by_check
from tools.transformation.expression import condition

# Before a column's name: its cell as it came; before a check's index: the flag of its rows.
CAME = "_came_"
ORPHAN = "_orphan_"
_WIDE = Context(prec=400)
DOUBLE = "_double_"


@dataclass(frozen=True)
class Test:
    """A check of single rows, on one table; `index` is its place among the checks.

    `fails` is true of the rows that fail, and false or null of the others. `reads` are the columns that it looks at.
    `alone` says that a row's cells in these columns are all that it takes: rows that agree in them fare alike. `never`
    says that no row can fail, whatever is in it.
    """

    index: int
    check: Check
    reads: frozenset[str]
    alone: bool
    never: bool
    fails: BooleanValue
    reason: StringValue


def with_types(columns: Mapping[str, Column], checks: Iterable[Check]) -> tuple[Check, ...]:
    """The checks of the columns' declared types, but where one of `checks` is of that very type; then `checks`."""
    checks = tuple(checks)
    told = {(check.column, check.type) for check in checks if isinstance(check, Type)}
    implied = (
        Type(check="type", column=name, type=column.type)
        for name, column in columns.items()
        if column.type != "string" and (name, column.type) not in told
    )
    return (*implied, *checks)


def testable(raw: Table, columns: Mapping[str, Column]) -> Table:
    """The rows with each cell as a value of its declared type, and beside it as it came; Crewline's own columns too."""
    values = {name: typed(raw[name], column.type) for name, column in columns.items()}
    own = [raw[name] for name in raw.columns if name.startswith(RESERVED) and name not in columns]
    return raw.select(*own, **values, **{CAME + name: raw[name] for name in columns})


def came(table: Table, column: str) -> Value:
    """A cell of a `testable` table as it came."""
    return table[CAME + column]


def with_orphans(table: Table, checks: Iterable[Check], others: Mapping[str, Table]) -> Table:
    """A `testable` table with a flag for each foreign key: whether the row's key is not among the other dataset's.

    `others` has the datasets that foreign keys refer to, as values of their types; a dataset that refers to itself is
    not among them.
    """
    rows = table
    for index, check in enumerate(checks):
        if isinstance(check, ForeignKey):
            keys = others.get(check.dataset, table)
            known = {f"_key_{position}": keys[theirs] for position, theirs in enumerate(check.on.values())}
            there = keys.filter([keys[theirs].notnull() for theirs in check.on.values()])
            there = there.select(**known).distinct().mutate(_there=True)
            both = rows.left_join(there, [rows[own] == there[f"_key_{i}"] for i, own in enumerate(check.on)])
            orphan = ibis.and_(both["_there"].isnull(), *(both[own].notnull() for own in check.on))
            rows = both.select(*rows.columns, **{f"{ORPHAN}{index}": orphan})
    return rows


def tests(table: Table, checks: Iterable[Check]) -> list[Test]:
    """The tests of a `testable` table: one for each check of rows, in their order.

    Keys, which rows alone do not tell, are tested where the table has their flag: foreign keys by `with_orphans`,
    unique ones by `tools.quality.keys.with_doubles`. Raises ExpressionError.
    """
    found = []
    for index, check in enumerate(checks):
        flag = {ForeignKey: ORPHAN, Unique: DOUBLE}.get(type(check))
        if not check.whole and (flag is None or f"{flag}{index}" in table.columns):
            found.append(row_test(table, index, check))
    return found


def row_test(table: Table, index: int, check: Check) -> Test:
    """The test for a check of rows. Raises ExpressionError."""
    fails, reason = _judged(table, index, check)
    return Test(
        index=index,
        check=check,
        reads=frozenset(read_by_check(check)),
        alone=not isinstance(check, (ForeignKey, Unique)),
        never=isinstance(check, Type) and is_typed(came(table, check.column), check.type),
        fails=fails,
        reason=reason,
    )


def check_patterns(engine: Engine, dataset: str, checks: Iterable[Check]) -> None:
    """Raise CheckError for a pattern that the engine cannot read, by itself and not as part of a larger one."""
    patterns = [check for check in checks if isinstance(check, Matches)]
    nothing = engine.table(pa.table({"text": pa.array([], pa.string())}))
    for check in patterns:
        try:
            engine.rows(nothing.filter(nothing["text"].re_search(check.pattern)))
        except EngineError as error:
            raise CheckError(dataset, check.name, f"'{check.pattern}' is no pattern: {error.what}") from error


def attributed(engine: Engine, table: Table, row_tests: list[Test], dataset: str, error: EngineError) -> CheckError:
    """The error of the one check that met it: the engine computes all at once, and does not say whose it was."""
    for test in row_tests:
        try:
            engine.row(table.aggregate(n=test.fails.sum()))
        except EngineError as own:
            return CheckError(dataset, test.check.name, own.what)
    return CheckError(dataset, "of rows", error.what)


def _judged(table: Table, index: int, check: Check) -> tuple[BooleanValue, StringValue]:
    match check:
        case NotNull(column=column):
            return missing(came(table, column)), ibis.literal(f"{column} is missing")
        case Type(column=column, type=kind):
            cell = came(table, column)
            # Of a cell that is of its type as it came there is nothing to be asked, and it need not be read.
            fails = cell.isnull() & False if is_typed(cell, kind) else ~missing(cell) & typed(cell, kind).isnull()
            return fails, ibis.literal(f"{column} is ") + _shown(cell) + f", not of type {kind}"
        case InSet(column=column, values=allowed):
            reason = ibis.literal(f"{column} is ") + _shown(table[column]) + f", not one of {', '.join(allowed)}"
            return ~_among(table[column], allowed), reason
        case Between(column=column, min=low, max=high):
            return _outside(table[column], low, high), _out_of_bounds(table, check)
        case Matches(column=column, pattern=pattern):
            fails = ~table[column].cast("string").re_search(f"^(?:{pattern})$")
            return fails, ibis.literal(f"{column} is ") + _shown(table[column]) + f", not of the form {pattern}"
        case ForeignKey(on=on, dataset=dataset):
            key = ibis.literal(", ").join([_shown(table[own]) for own in on])
            said = ibis.literal(f"no row of {dataset} has ") + key + f" as {', '.join(on.values())}"
            return table[f"{ORPHAN}{index}"], said
        case Unique(columns=columns):
            return table[f"{DOUBLE}{index}"], ibis.literal(f"other rows have the same {', '.join(columns)}")
        case Expression(expression=expression):
            return ~condition(expression, table), ibis.literal(f"not true: {expression}")
        case _:
            raise AssertionError(f"{check.name} is not a check of single rows")


def _among(cell: Value, allowed: tuple[str, ...]) -> BooleanValue:
    kind = cell.type()
    if kind.is_string():
        return cell.isin(list(allowed))
    if kind.is_integer():
        return cell.isin([int(text) for text in allowed if text.lstrip("+-").isdecimal()])
    if kind.is_decimal():
        allowed = tuple(_plain(text, kind.scale) for text in allowed)
    return cell.cast("string").isin(list(allowed))


def _plain(text: str, scale: int) -> str:
    try:
        value = Decimal(text)
        return f"{value:.{scale}f}" if value.is_finite() and value == round(value, scale) else text
    except InvalidOperation:
        return text


def _outside(cell: Value, low: float | date | None, high: float | date | None) -> BooleanValue:
    below = cell < _limit(low, cell, ROUND_CEILING) if low is not None else ibis.literal(False)
    above = cell > _limit(high, cell, ROUND_FLOOR) if high is not None else ibis.literal(False)
    return below | above


def _limit(bound: float | date, cell: Value, rounding: str) -> Any:
    """The bound as an exact number of the column's type, where it has one: no cell must be made a float for it."""
    kind = cell.type()
    if isinstance(bound, date) or not (kind.is_integer() or kind.is_decimal()):
        return bound
    scale = kind.scale if kind.is_decimal() else 0
    exact = Decimal(repr(bound)).quantize(Decimal(1).scaleb(-scale), rounding=rounding, context=_WIDE)
    if kind.is_integer():
        return int(exact) if abs(exact) < 2**63 else bound
    return ibis.literal(exact, type=kind) if abs(exact) < Decimal(10) ** (kind.precision - scale) else bound


def _out_of_bounds(table: Table, check: Between) -> StringValue:
    bounds = [f"at least {_bound(check.min)}"] if check.min is not None else []
    bounds += [f"at most {_bound(check.max)}"] if check.max is not None else []
    return ibis.literal(f"{check.column} is ") + _shown(table[check.column]) + f", and should be {' and '.join(bounds)}"


def _bound(value: float | date) -> str:
    return value.isoformat() if isinstance(value, date) else f"{value:g}"


def _shown(cell: Value) -> StringValue:
    return ibis.literal("'") + cell.cast("string").fill_null("").substr(0, 80) + "'"
