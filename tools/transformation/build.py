"""Building: the parsed tree of an expression, turned into an Ibis expression node by node."""

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import ibis
from ibis.common.annotations import ValidationError
from ibis.expr.types import Table, Value
from sqlglot import exp

from core.errors import ExpressionError
from core.spec.column import parse_type
from tools.engine.types import constant, ibis_type, typed
from tools.transformation.arithmetic import add, alike, divide, modulo, multiply, number, subtract
from tools.transformation.functions import as_condition, compared, enclosed, text_constant
from tools.transformation.grammar import call, is_read, too_deep
from tools.transformation.text import joined

# Deeper ones could be read, but the engine's statement for them could not always be written.
_MAX_DEPTH = 100

_OPERATORS: dict[type[exp.Expr], Callable[[Any, Any], Any]] = {
    exp.Add: add,
    exp.Sub: subtract,
    exp.Mul: multiply,
    exp.Div: divide,
    exp.Mod: modulo,
    exp.EQ: lambda a, b: compared(operator.eq, a, b),
    exp.NEQ: lambda a, b: compared(operator.ne, a, b),
    exp.GT: lambda a, b: compared(operator.gt, a, b),
    exp.GTE: lambda a, b: compared(operator.ge, a, b),
    exp.LT: lambda a, b: compared(operator.lt, a, b),
    exp.LTE: lambda a, b: compared(operator.le, a, b),
    exp.And: lambda a, b: as_condition(a) & as_condition(b),
    exp.Or: lambda a, b: as_condition(a) | as_condition(b),
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


class Builder:
    """Turns the parsed tree into an Ibis expression, node by node."""

    def __init__(self, text: str, table: Table, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._text = text
        self._table = table
        self._functions = functions
        self._depth = 0

    def build(self, node: exp.Expr) -> Any:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise too_deep(self._text)
        value = self._built(node)
        self._depth -= 1
        return value

    def _built(self, node: exp.Expr) -> Any:
        if node.comments:
            raise self._refused("a comment")
        if not is_read(node):
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

    def _dpipe(self, node: exp.DPipe) -> Any:
        parts = list(node.flatten())
        if len(parts) > _MAX_DEPTH:
            raise too_deep(self._text)
        return joined(*(self.build(part).cast("string") for part in parts))

    def _boolean(self, node: exp.Boolean) -> Value:
        return ibis.literal(bool(node.this))

    def _null(self, node: exp.Null) -> Value:
        return ibis.null()

    def _paren(self, node: exp.Paren) -> Any:
        return self.build(node.this)

    def _neg(self, node: exp.Neg) -> Any:
        return -number(self.build(node.this))

    def _not(self, node: exp.Not) -> Any:
        return ~as_condition(self.build(node.this))

    def _is(self, node: exp.Is) -> Any:
        value, other = enclosed(self.build(node.this)), node.expression
        if isinstance(other, exp.Null):
            return value.isnull()
        if isinstance(other, exp.Boolean):
            return value.fill_null(not other.this) == bool(other.this)
        raise self._refused(f"'{node.sql()}'")

    def _like(self, node: exp.Like) -> Any:
        value = self.build(node.this)
        if not value.type().is_string():
            raise TypeError(f"LIKE is for text, not for {value.type()}")
        alike = value.like(text_constant(self.build(node.expression)))
        return ~alike if node.args.get("negate") else alike

    def _in(self, node: exp.In) -> Any:
        if node.args.get("query") or node.args.get("unnest") or not node.expressions:
            raise self._refused("a subquery")
        value, listed = enclosed(self.build(node.this)), [self.build(item) for item in node.expressions]
        for item in listed:
            compared(operator.eq, value, item)
        return value.isin(listed)

    def _between(self, node: exp.Between) -> Any:
        value, low, high = (self.build(part) for part in (node.this, node.args["low"], node.args["high"]))
        return compared(operator.ge, value, low) & compared(operator.le, value, high)

    def _case(self, node: exp.Case) -> Any:
        if node.this is not None:
            raise self._refused("CASE with an operand (write CASE WHEN condition THEN value ... END)")
        conditions = [as_condition(self.build(branch.this)) for branch in node.args["ifs"]]
        default = node.args.get("default")
        values = [self.build(branch.args["true"]) for branch in node.args["ifs"]]
        *values, otherwise = alike([*values, self.build(default) if default is not None else ibis.null()])
        return ibis.cases(*zip(conditions, values, strict=True), else_=otherwise)

    def _if(self, node: exp.If) -> Any:
        otherwise = node.args.get("false")
        values = [self.build(node.args["true"]), self.build(otherwise) if otherwise else ibis.null()]
        return ibis.ifelse(as_condition(self.build(node.this)), *alike(values))

    def _cast(self, node: exp.Cast) -> Any:
        name = node.to.sql(dialect="duckdb").lower()
        try:
            declared = parse_type(_TYPE_NAMES.get(name, name))
        except ValueError as error:
            raise ExpressionError(f"'{self._text}': {error}.") from error
        value = self.build(node.this)
        if value.type().is_null():
            return ibis.null(ibis_type(declared))
        if isinstance(node.this, exp.Literal) and node.this.is_string and not isinstance(node, exp.TryCast):
            # Nobody means a value that is missing in every row.
            _check(node.this.this, declared)
        # What text stands for a value is said once, and not by the engine.
        as_text = value.type().is_string() and declared != "string"
        return typed(value, declared) if as_text else value.try_cast(ibis_type(declared))

    _trycast = _cast

    def _count(self, node: exp.Count) -> Any:
        if node.this is None or node.expressions:
            raise self._refused("a count of no column or of several")
        if isinstance(node.this, exp.Star):
            return self._listed("count")(self._table)
        if isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
            return self._applied("count_distinct", node.this.expressions)
        return self._applied("count", [node.this])

    def _function(self, node: exp.Func) -> Any:
        return self._applied(*call(node))

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


def _check(text: str, declared: str) -> None:
    """Raise ValueError unless the text stands for a value of the type."""
    if declared == "string":
        return
    try:
        constant(text, ibis.dtype(ibis_type(declared)))
    except (TypeError, ValueError) as error:
        raise ValueError(f"'{text}' is not of type {declared}") from error
