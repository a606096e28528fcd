"""Expressions of rules and checks: parsed, compared with a list of what is allowed, and built as Ibis expressions.

The text never reaches the engine. What is not listed here does not exist: no statement, no subquery, no function of
files or the network.
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import ibis
import sqlglot
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError
from ibis.expr.types import Table, Value
from sqlglot import exp
from sqlglot.errors import SqlglotError

from core.errors import ExpressionError
from core.spec.column import parse_type
from tools.engine.types import ibis_type, typed
from tools.transformation.arithmetic import (
    add,
    alike,
    as_float,
    ceil,
    divide,
    floor,
    mean,
    modulo,
    multiply,
    number,
    subtract,
)

# Deeper ones could be read, but the engine's statement for them could not always be written.
_MAX_DEPTH = 100

_OPERATORS: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: add,
    exp.Sub: subtract,
    exp.Mul: multiply,
    exp.Div: divide,
    exp.Mod: modulo,
    exp.EQ: lambda a, b: _compared(operator.eq, a, b),
    exp.NEQ: lambda a, b: _compared(operator.ne, a, b),
    exp.GT: lambda a, b: _compared(operator.gt, a, b),
    exp.GTE: lambda a, b: _compared(operator.ge, a, b),
    exp.LT: lambda a, b: _compared(operator.lt, a, b),
    exp.LTE: lambda a, b: _compared(operator.le, a, b),
    exp.And: lambda a, b: _as_condition(a) & _as_condition(b),
    exp.Or: lambda a, b: _as_condition(a) | _as_condition(b),
    exp.DPipe: lambda a, b: a.cast("string") + b.cast("string"),
}

# What is read of each kind of node. The parser puts into further arguments what changes a meaning, such as the NOT of
# NOT LIKE, or the LEADING of a TRIM: what is not read is refused. Of functions, all arguments are read.
_READ: dict[type[exp.Expr], set[str]] = {
    exp.Between: {"low", "high"},
    exp.Case: {"ifs", "default"},
    exp.Cast: {"to"},
    exp.Column: {"table", "db", "catalog"},
    exp.If: {"true", "false"},
    exp.In: {"query", "unnest", "expressions"},
    exp.Like: {"negate"},
    exp.TryCast: {"to"},
}
_READ_OF_ALL = {"this", "expression", "expressions"}
# The parser's notes on how other engines would say the same.
_NOTES = {"big_int", "coalesce", "ignore_nulls", "is_string", "safe", "typed"}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda x: number(x).abs(),
    "ceil": ceil,
    "coalesce": lambda *xs: ibis.coalesce(*alike(list(xs))),
    "concat": lambda *xs: _concat(xs),
    "date_trunc": lambda unit, x: x.truncate(_unit(unit)).cast(x.type()),
    "day": lambda x: x.day(),
    "floor": floor,
    "greatest": lambda *xs: ibis.greatest(*alike(list(xs))),
    "least": lambda *xs: ibis.least(*alike(list(xs))),
    "length": lambda x: x.length(),
    "lower": lambda x: x.lower(),
    "month": lambda x: x.month(),
    "nullif": lambda x, y: ibis.ifelse(_compared(operator.eq, x, y), ibis.null(x.type()), x),
    "quarter": lambda x: x.quarter(),
    "replace": lambda x, old, new: x.replace(old, new),
    "round": lambda x, digits=None: number(x).round(0 if digits is None else int(_constant(digits))),
    "substr": lambda x, start, length=None: _part(x, start, length),
    "trim": lambda x: x.strip(),
    "upper": lambda x: x.upper(),
    "year": lambda x: x.year(),
}

_AGGREGATES: dict[str, Callable[..., Any]] = {
    "avg": mean,
    "count": lambda x: x.count(),
    "count_distinct": lambda x: x.nunique(),
    "max": lambda x: x.max(),
    "median": lambda x: as_float(x).median(),
    "min": lambda x: x.min(),
    "stddev": lambda x: as_float(x).std(how="sample"),
    "sum": lambda x: x.sum(),
}

_UNITS = {"year": "Y", "quarter": "Q", "month": "M", "week": "W", "day": "D", "hour": "h", "minute": "m"}


def scalar(text: str, table: Table) -> Any:
    """The expression over each row of the table. Raises ExpressionError, saying what is not allowed or not there."""
    return _checked(text, _Builder(text, table, _FUNCTIONS))


def condition(text: str, table: Table) -> Any:
    """An expression that is true or false of each row."""
    return _checked(text, _Builder(text, table, _FUNCTIONS), _as_condition)


def aggregate(text: str, table: Table) -> Any:
    """The expression over a group of rows: aggregates, and scalar functions over or within them."""
    value = _checked(text, _Builder(text, table, _FUNCTIONS | _AGGREGATES))
    if not isinstance(value, ibis.expr.types.Scalar):
        raise ExpressionError(f"'{text}' is no aggregate.", remedy=f"Use one of {', '.join(sorted(_AGGREGATES))}.")
    return value


def names(text: str) -> set[str]:
    """The columns that an expression mentions. Raises ExpressionError if it cannot be parsed."""
    return {column.name for column in _parse(text).find_all(exp.Column)}


def reason(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines()
    # Ibis repeats the whole expression first, and then says of each argument what is wrong with it.
    of_arguments = [line.strip() for line in lines if line.startswith("  `")]
    return (of_arguments or lines or [repr(error)])[0].rstrip(".")


def _checked(text: str, builder: "_Builder", finish: Callable[[Any], Any] = lambda value: value) -> Any:
    tree = _parse(text)
    try:
        value = finish(builder.build(tree))
        if value.type().is_null():
            raise TypeError("it has no type; write CAST(NULL AS ...)")
        return value
    except (TypeError, ValueError, AttributeError, IbisError, ValidationError) as error:
        raise ExpressionError(f"'{text}' does not fit its columns: {reason(error)}.") from error


def _parse(text: str) -> exp.Expr:
    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except RecursionError as error:
        raise _too_deep(text) from error
    except SqlglotError as error:
        words = " ".join(str(error).split("\n")[0].split())
        raise ExpressionError(f"'{text}' is no expression: {words}") from error
    if len(statements) != 1 or statements[0] is None:
        raise ExpressionError(f"'{text}' is not one expression.")
    return statements[0]


def _too_deep(text: str) -> ExpressionError:
    return ExpressionError(
        f"'{text[:60]}...' is nested too deeply.", remedy="Split it over several derived columns, or use IN or CASE."
    )


class _Builder:
    """Turns the parsed tree into an Ibis expression, node by node."""

    def __init__(self, text: str, table: Table, functions: dict[str, Callable[..., Any]]) -> None:
        self._text = text
        self._table = table
        self._functions = functions
        self._depth = 0

    def build(self, node: exp.Expr) -> Any:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise _too_deep(self._text)
        value = self._built(node)
        self._depth -= 1
        return value

    def _built(self, node: exp.Expr) -> Any:
        if node.comments:
            raise self._refused("a comment")
        if any(value for key, value in node.args.items() if not self._read(node, key, value)):
            raise self._refused(f"'{node.sql(dialect='duckdb')}'")
        operation = _OPERATORS.get(type(node))
        if operation:
            return operation(self.build(node.this), self.build(node.expression))
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method:
            return method(node)
        if isinstance(node, exp.Func):
            return self._function(node)
        raise self._refused(f"'{node.sql(dialect='duckdb')}'")

    def _read(self, node: exp.Expr, key: str, value: Any) -> bool:
        is_argument = isinstance(node, exp.Func) and isinstance(value, (exp.Expr, list))
        return is_argument or key in _READ_OF_ALL | _NOTES | _READ.get(type(node), set())

    def _column(self, node: exp.Column) -> Value:
        if node.table:
            raise ExpressionError(f"'{self._text}': '{node.sql()}' names more than a column; name the column alone.")
        if node.name not in self._table.columns or node.name.startswith("_"):
            there = ", ".join(column for column in self._table.columns if not column.startswith("_"))
            raise ExpressionError(f"'{self._text}': there is no column '{node.name}' here; there are {there}.")
        return self._table[node.name]

    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return ibis.literal(node.this)
        written = node.this
        if written.isdigit():
            return ibis.literal(int(written))
        before, point, after = written.partition(".")
        if point and (before + after).isdigit() and len(before + after) <= 38:
            # A decimal literal keeps decimal arithmetic exact; a float would make it inexact.
            digits = len((before + after).lstrip("0")) or 1
            return ibis.literal(written).cast(f"decimal({max(digits, len(after) + 1)}, {len(after)})")
        if not math.isfinite(float(written)):
            raise ValueError(f"{written} is too large")
        return ibis.literal(float(written))

    def _boolean(self, node: exp.Boolean) -> Value:
        return ibis.literal(bool(node.this))

    def _null(self, node: exp.Null) -> Value:
        return ibis.null()

    def _paren(self, node: exp.Paren) -> Any:
        return self.build(node.this)

    def _neg(self, node: exp.Neg) -> Any:
        return -number(self.build(node.this))

    def _not(self, node: exp.Not) -> Any:
        return ~_as_condition(self.build(node.this))

    def _is(self, node: exp.Is) -> Any:
        value, other = _enclosed(self.build(node.this)), node.expression
        if isinstance(other, exp.Null):
            return value.isnull()
        if isinstance(other, exp.Boolean):
            return value.fill_null(not other.this) == bool(other.this)
        raise self._refused(f"'{node.sql()}'")

    def _like(self, node: exp.Like) -> Any:
        alike = self.build(node.this).like(_text(self.build(node.expression)))
        return ~alike if node.args.get("negate") else alike

    def _in(self, node: exp.In) -> Any:
        if node.args.get("query") or node.args.get("unnest") or not node.expressions:
            raise self._refused("a subquery")
        value, listed = _enclosed(self.build(node.this)), [self.build(item) for item in node.expressions]
        for item in listed:
            _compared(operator.eq, value, item)
        return value.isin(listed)

    def _between(self, node: exp.Between) -> Any:
        value, low, high = (self.build(part) for part in (node.this, node.args["low"], node.args["high"]))
        return _compared(operator.ge, value, low) & _compared(operator.le, value, high)

    def _case(self, node: exp.Case) -> Any:
        if node.this is not None:
            raise self._refused("CASE with an operand (write CASE WHEN condition THEN value ... END)")
        conditions = [_as_condition(self.build(branch.this)) for branch in node.args["ifs"]]
        default = node.args.get("default")
        values = [self.build(branch.args["true"]) for branch in node.args["ifs"]]
        *values, otherwise = alike([*values, self.build(default) if default is not None else ibis.null()])
        return ibis.cases(*zip(conditions, values, strict=True), else_=otherwise)

    def _if(self, node: exp.If) -> Any:
        otherwise = node.args.get("false")
        values = [self.build(node.args["true"]), self.build(otherwise) if otherwise else ibis.null()]
        return ibis.ifelse(_as_condition(self.build(node.this)), *alike(values))

    def _cast(self, node: exp.Cast) -> Any:
        name = node.to.sql(dialect="duckdb").lower()
        try:
            declared = parse_type(_TYPE_NAMES.get(name, name))
        except ValueError as error:
            raise ExpressionError(f"'{self._text}': {error}.") from error
        value = self.build(node.this)
        if value.type().is_null():
            return ibis.null(ibis_type(declared))
        # What text stands for a value is said once, and not by the engine.
        as_text = value.type().is_string() and declared != "string"
        return typed(value, declared) if as_text else value.try_cast(ibis_type(declared))

    _trycast = _cast

    def _count(self, node: exp.Count) -> Any:
        if node.this is None or node.expressions:
            raise self._refused("a count of no column or of several")
        if isinstance(node.this, exp.Star):
            self._listed("count")
            return self._table.count()
        if isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
            return self._applied("count_distinct", node.this.expressions)
        return self._applied("count", [node.this])

    def _function(self, node: exp.Func) -> Any:
        name = node.name.lower() if isinstance(node, exp.Anonymous) else _FUNCTION_NAMES.get(type(node), node.key)
        return self._applied(name, _arguments(node))

    def _applied(self, name: str, nodes: list[exp.Expr]) -> Any:
        build, arguments = self._listed(name), [self.build(node) for node in nodes]
        try:
            return build(*arguments)
        except (AttributeError, TypeError, ValidationError) as error:
            kinds = ", ".join(str(argument.type()).removeprefix("!") for argument in arguments)
            raise TypeError(f"{name} cannot be applied to {kinds}") from error

    def _listed(self, name: str) -> Callable[..., Any]:
        if name not in self._functions:
            raise ExpressionError(
                f"'{self._text}': the function {name} is not allowed here.",
                remedy=f"Allowed are {', '.join(sorted(self._functions))}.",
            )
        return self._functions[name]

    def _refused(self, what: str) -> ExpressionError:
        return ExpressionError(
            f"'{self._text}': {what} is not allowed in an expression.",
            remedy="Allowed are columns, literals, arithmetic, comparisons, AND, OR, NOT, IN, BETWEEN, LIKE, IS NULL, "
            "CASE, CAST and the listed functions.",
        )


# The parser's own names, where they are not those of the language.
_FUNCTION_NAMES: dict[type[exp.Expr], str] = {
    exp.DateTrunc: "date_trunc",
    exp.TimestampTrunc: "date_trunc",
    exp.Substring: "substr",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
}

_TYPE_NAMES = {
    "text": "string",
    "varchar": "string",
    "int": "integer",
    "bigint": "integer",
    "double": "float",
    "real": "float",
    "bool": "boolean",
}


def _arguments(node: exp.Func) -> list[exp.Expr]:
    if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
        return [exp.Literal.string(node.text("unit")), node.this]
    ordered = [node.args.get(key) for key in node.arg_types]
    flat = [item for value in ordered for item in (value if isinstance(value, list) else [value])]
    return [item for item in flat if isinstance(item, exp.Expr)]


def _constant(value: Any) -> Any:
    """The Python value of a literal; some arguments of Ibis must be known when the expression is built."""
    operation = value.op()
    if not isinstance(operation, ibis.expr.operations.Literal):
        raise TypeError("this argument must be a literal")
    return operation.value


def _text(value: Any) -> str:
    constant = _constant(value)
    if not isinstance(constant, str):
        raise TypeError("this argument must be a text")
    return constant


def _as_condition(value: Any) -> Any:
    """The value as a truth value. Raises TypeError if it is of another type."""
    if not (value.type().is_boolean() or value.type().is_null()):
        raise TypeError(f"a condition must be true or false, not of type {value.type()}")
    return value.cast("boolean")


def _compared(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if a.type().is_null() or b.type().is_null():
        # Ibis would ask whether the other is null.
        return ibis.null("boolean")
    return operation(*alike([_enclosed(a), _enclosed(b)]))


def _enclosed(value: Any) -> Any:
    """The value as something that nothing can be read into: Ibis writes (NOT a) IS NULL without the parentheses."""
    is_simple = isinstance(value.op(), (ibis.expr.operations.Field, ibis.expr.operations.Literal))
    return value if is_simple or not value.type().is_boolean() else ibis.coalesce(value)


def _part(text: Any, start: Any, length: Any = None) -> Any:
    for value, least in ((start, 1), (length, 0)):
        if isinstance(value, ibis.expr.types.IntegerScalar) and _constant(value) < least:
            raise ValueError("substr counts from 1, and takes no less than nothing")
    return text.substr(start - 1, length)


def _unit(value: Any) -> str:
    unit = str(_constant(value)).lower()
    if unit not in _UNITS:
        raise ValueError(f"'{unit}' is no unit; allowed are {', '.join(_UNITS)}")
    return _UNITS[unit]


def _concat(values: tuple[Any, ...]) -> Any:
    first, *rest = (value.cast("string") for value in values)
    return first.concat(*rest) if rest else first
