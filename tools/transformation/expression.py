"""Expressions of rules and checks: parsed, compared with a list of what is allowed, and built as Ibis expressions.

The text never reaches the engine. What is not listed does not exist: no statement, no subquery, no function of files
or the network. `grammar` reads the text, `functions` says what there is, `build` puts it together.
"""

from collections.abc import Callable
from typing import Any

import ibis
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.types import Table
from sqlglot import exp

from core.errors import ExpressionError
from tools.transformation.build import Builder
from tools.transformation.functions import AGGREGATES, PLACES, RANKS, SCALARS, Function, as_condition
from tools.transformation.grammar import parse


def scalar(text: str, table: Table) -> Any:
    """The expression over each row of the table. Raises ExpressionError, saying what is not allowed or not there."""
    return _checked(text, Builder(text, table, SCALARS))


def condition(text: str, table: Table) -> Any:
    """An expression that is true or false of each row."""
    return _checked(text, Builder(text, table, SCALARS), as_condition)


def aggregate(text: str, table: Table) -> Any:
    """The expression over a group of rows: aggregates, and scalar functions over or within them."""
    value = _checked(text, Builder(text, table, SCALARS | AGGREGATES))
    if not isinstance(value, ibis.expr.types.Scalar):
        raise ExpressionError(f"'{text}' is no aggregate.", remedy=f"Use one of {', '.join(sorted(AGGREGATES))}.")
    return value


def windowed(text: str, table: Table, *, frame: Any, order: Any, rank: Any) -> Any:
    """The expression over each row among others: aggregates over `frame`, places by `order`, ranks by `rank`.

    The three are Ibis windows over the table's rows.
    """
    functions = {name: _over(name, build, frame) for name, build in AGGREGATES.items()}
    functions |= {name: _over(name, build, order) for name, build in PLACES.items()}
    functions |= {name: _over(name, build, rank) for name, build in RANKS.items()}
    return _checked(text, Builder(text, table, SCALARS | functions))


def _over(name: str, build: Function, window: Any) -> Function:
    def over(*arguments: Any) -> Any:
        if any(argument.op().find(ibis.expr.operations.WindowFunction) for argument in arguments):
            raise ValueError(f"{name} cannot look at what was computed over a window itself; use two rules")
        return build(*arguments).over(window)

    return over


def names(text: str) -> set[str]:
    """The columns that an expression mentions. Raises ExpressionError if it cannot be parsed."""
    return {column.name for column in parse(text).find_all(exp.Column)}


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    # Ibis repeats the whole expression first, and then says of each argument what is wrong with it.
    of_arguments = [line.strip() for line in lines if line.startswith("  `")]
    return (of_arguments or lines or [repr(error)])[0].rstrip(".")


def _checked(text: str, builder: Builder, finish: Callable[[Any], Any] = lambda value: value) -> Any:
    tree = parse(text)
    try:
        value = finish(builder.build(tree))
        if value.type().is_null():
            raise TypeError("it has no type; write CAST(NULL AS ...)")
        return value
    except (TypeError, ValueError, AttributeError, IbisError, ValidationError) as error:
        raise ExpressionError(f"'{text}' does not fit its columns: {reason(error)}.") from error
