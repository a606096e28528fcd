"""Expressions of rules and checks: parsed, compared with a list of what is allowed, and built as Ibis expressions.

The text never reaches the engine. What is not listed here does not exist: no statement, no subquery, no function of
files or the network.
"""

from collections.abc import Callable
from typing import Any

import ibis
import sqlglot
from ibis.expr.types import Table, Value
from sqlglot import exp
from sqlglot.errors import SqlglotError

from core.errors import ExpressionError
from core.spec.column import parse_type
from tools.engine.types import ibis_type

_OPERATORS: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: lambda a, b: a + b,
    exp.Sub: lambda a, b: a - b,
    exp.Mul: lambda a, b: a * b,
    exp.Div: lambda a, b: a / b.nullif(0),
    exp.Mod: lambda a, b: a % b.nullif(0),
    exp.EQ: lambda a, b: a == b,
    exp.NEQ: lambda a, b: a != b,
    exp.GT: lambda a, b: a > b,
    exp.GTE: lambda a, b: a >= b,
    exp.LT: lambda a, b: a < b,
    exp.LTE: lambda a, b: a <= b,
    exp.And: lambda a, b: a & b,
    exp.Or: lambda a, b: a | b,
    exp.DPipe: lambda a, b: a.cast("string") + b.cast("string"),
    exp.Like: lambda a, b: a.like(_constant(b)),
}

_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": lambda x: x.abs(),
    "ceil": lambda x: x.ceil(),
    "coalesce": lambda *xs: ibis.coalesce(*xs),
    "concat": lambda *xs: _concat(xs),
    "date_trunc": lambda unit, x: x.truncate(_unit(unit)).cast(x.type()),
    "day": lambda x: x.day(),
    "floor": lambda x: x.floor(),
    "greatest": lambda *xs: ibis.greatest(*xs),
    "least": lambda *xs: ibis.least(*xs),
    "length": lambda x: x.length(),
    "lower": lambda x: x.lower(),
    "month": lambda x: x.month(),
    "nullif": lambda x, y: x.nullif(y),
    "quarter": lambda x: x.quarter(),
    "replace": lambda x, old, new: x.replace(old, new),
    "round": lambda x, digits=None: x.round(0 if digits is None else int(_constant(digits))),
    "substr": lambda x, start, length=None: x.substr(start - 1, length),
    "trim": lambda x: x.strip(),
    "upper": lambda x: x.upper(),
    "year": lambda x: x.year(),
}

_AGGREGATES: dict[str, Callable[..., Any]] = {
    "avg": lambda x: x.mean(),
    "count": lambda x: x.count(),
    "count_distinct": lambda x: x.nunique(),
    "max": lambda x: x.max(),
    "median": lambda x: x.median(),
    "min": lambda x: x.min(),
    "stddev": lambda x: x.std(how="sample"),
    "sum": lambda x: x.sum(),
}

_UNITS = {"year": "Y", "quarter": "Q", "month": "M", "week": "W", "day": "D", "hour": "h", "minute": "m"}


def scalar(text: str, table: Table) -> Any:
    """The expression over each row of the table. Raises ExpressionError, saying what is not allowed or not there."""
    return _checked(text, _Builder(text, table, _FUNCTIONS))


def aggregate(text: str, table: Table) -> Any:
    """The expression over a group of rows: aggregates, and scalar functions over or within them."""
    value = _checked(text, _Builder(text, table, _FUNCTIONS | _AGGREGATES))
    if not isinstance(value, ibis.expr.types.Scalar):
        raise ExpressionError(f"'{text}' is no aggregate.", remedy=f"Use one of {', '.join(sorted(_AGGREGATES))}.")
    return value


def names(text: str) -> set[str]:
    """The columns that an expression mentions. Raises ExpressionError if it cannot be parsed."""
    return {column.name for column in _parse(text).find_all(exp.Column)}


def _checked(text: str, builder: "_Builder") -> Any:
    tree = _parse(text)
    try:
        return builder.build(tree)
    except (TypeError, ValueError, AttributeError, ibis.common.exceptions.IbisError) as error:
        words = str(error).strip().splitlines()
        raise ExpressionError(f"'{text}' does not fit its columns: {words[0] if words else error!r}.") from error


def _parse(text: str) -> exp.Expr:
    try:
        statements = sqlglot.parse(text, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        words = " ".join(str(error).split("\n")[0].split())
        raise ExpressionError(f"'{text}' is no expression: {words}") from error
    if len(statements) != 1 or statements[0] is None:
        raise ExpressionError(f"'{text}' is not one expression.")
    return statements[0]


class _Builder:
    """Turns the parsed tree into an Ibis expression, node by node."""

    def __init__(self, text: str, table: Table, functions: dict[str, Callable[..., Any]]) -> None:
        self._text = text
        self._table = table
        self._functions = functions

    def build(self, node: exp.Expr) -> Any:
        if node.comments:
            raise self._refused("a comment")
        operator = _OPERATORS.get(type(node))
        if operator:
            return operator(self.build(node.this), self.build(node.expression))
        method = getattr(self, f"_{type(node).__name__.lower()}", None)
        if method:
            return method(node)
        if isinstance(node, exp.Func):
            return self._function(node)
        raise self._refused(f"'{node.sql(dialect='duckdb')}'")

    def _column(self, node: exp.Column) -> Value:
        if node.table:
            raise self._refused(f"'{node.sql()}': name the column alone")
        if node.name not in self._table.columns or node.name.startswith("_"):
            there = ", ".join(column for column in self._table.columns if not column.startswith("_"))
            raise ExpressionError(f"'{self._text}': there is no column '{node.name}' here; there are {there}.")
        return self._table[node.name]

    def _literal(self, node: exp.Literal) -> Value:
        if node.is_string:
            return ibis.literal(node.this)
        number = node.this
        if number.isdigit():
            return ibis.literal(int(number))
        whole, point, fraction = number.partition(".")
        if point and (whole + fraction).isdigit() and len(whole + fraction) <= 38:
            # A decimal literal keeps decimal arithmetic exact; a float would make it inexact.
            digits = len((whole + fraction).lstrip("0")) or 1
            return ibis.literal(number).cast(f"decimal({max(digits, len(fraction) + 1)}, {len(fraction)})")
        return ibis.literal(float(number))

    def _boolean(self, node: exp.Boolean) -> Value:
        return ibis.literal(bool(node.this))

    def _null(self, node: exp.Null) -> Value:
        return ibis.null()

    def _paren(self, node: exp.Paren) -> Any:
        return self.build(node.this)

    def _neg(self, node: exp.Neg) -> Any:
        return -self.build(node.this)

    def _not(self, node: exp.Not) -> Any:
        return ~self.build(node.this)

    def _is(self, node: exp.Is) -> Any:
        value, other = self.build(node.this), node.expression
        if isinstance(other, exp.Null):
            return value.isnull()
        if isinstance(other, exp.Boolean):
            return value.fill_null(not other.this) == bool(other.this)
        raise self._refused(f"'{node.sql()}'")

    def _in(self, node: exp.In) -> Any:
        if node.args.get("query") or node.args.get("unnest") or not node.expressions:
            raise self._refused("a subquery")
        return self.build(node.this).isin([self.build(value) for value in node.expressions])

    def _between(self, node: exp.Between) -> Any:
        return self.build(node.this).between(self.build(node.args["low"]), self.build(node.args["high"]))

    def _case(self, node: exp.Case) -> Any:
        if node.this is not None:
            raise self._refused("CASE with an operand: write CASE WHEN condition THEN value ... END")
        branches = [(self.build(branch.this), self.build(branch.args["true"])) for branch in node.args["ifs"]]
        default = node.args.get("default")
        return ibis.cases(*branches, else_=self.build(default) if default is not None else None)

    def _if(self, node: exp.If) -> Any:
        otherwise = node.args.get("false")
        return ibis.ifelse(
            self.build(node.this),
            self.build(node.args["true"]),
            self.build(otherwise) if otherwise else ibis.null(),
        )

    def _cast(self, node: exp.Cast) -> Any:
        try:
            declared = parse_type(_TYPE_NAMES.get(node.to.sql().lower(), node.to.sql().lower()))
        except ValueError as error:
            raise ExpressionError(f"'{self._text}': {error}.") from error
        return self.build(node.this).try_cast(ibis_type(declared))

    _trycast = _cast

    def _count(self, node: exp.Count) -> Any:
        self._listed("count")
        if isinstance(node.this, exp.Star):
            return self._table.count()
        if isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
            return self.build(node.this.expressions[0]).nunique()
        return self.build(node.this).count()

    def _function(self, node: exp.Func) -> Any:
        name = node.name.lower() if isinstance(node, exp.Anonymous) else _FUNCTION_NAMES.get(type(node), node.key)
        build = self._listed(name)
        return build(*(self.build(argument) for argument in _arguments(node)))

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


def _unit(value: Any) -> str:
    unit = str(_constant(value)).lower()
    if unit not in _UNITS:
        raise ValueError(f"'{unit}' is no unit; allowed are {', '.join(_UNITS)}")
    return _UNITS[unit]


def _concat(values: tuple[Any, ...]) -> Any:
    first, *rest = (value.cast("string") for value in values)
    return first.concat(*rest) if rest else first
