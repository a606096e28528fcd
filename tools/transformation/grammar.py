"""The grammar of expressions: what the parser makes of a text, and what of that is of the language."""

from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import TokenType

from core.errors import ExpressionError

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
    exp.Pad: {"is_left"},
    exp.Trim: {"position"},
    exp.TryCast: {"to"},
}
_READ_OF_ALL = {"this", "expression", "expressions"}
# The parser's notes on how other engines would say the same.
_NOTES = {
    "big_int",
    "coalesce",
    "date_part_boundary",
    "ignore_nulls",
    "is_string",
    "null_if_pos_overflow",
    "safe",
    "single_replace",
    "typed",
}

# Each engine means something else by these, and the parser takes them for functions.
_OTHER_OPERATORS = {TokenType.CARET, TokenType.CARET_AT, TokenType.DSTAR, TokenType.RLIKE, TokenType.TILDE}

# The parser's own names, where they are not those of the language.
_NAMES: dict[type[exp.Expr], str] = {
    exp.CountIf: "count_if",
    exp.DateAdd: "date_add",
    exp.DateDiff: "date_diff",
    exp.DateTrunc: "date_trunc",
    exp.DayOfWeekIso: "isodow",
    exp.DayOfYear: "dayofyear",
    exp.DenseRank: "dense_rank",
    exp.EndsWith: "ends_with",
    exp.LogicalAnd: "bool_and",
    exp.LogicalOr: "bool_or",
    exp.Pow: "power",
    exp.RegexpExtract: "regexp_extract",
    exp.RegexpLike: "regexp_matches",
    exp.RegexpReplace: "regexp_replace",
    exp.RowNumber: "row_number",
    exp.SplitPart: "split_part",
    exp.StartsWith: "starts_with",
    exp.Stddev: "stddev",
    exp.StddevSamp: "stddev",
    exp.StrPosition: "strpos",
    exp.Substring: "substr",
    exp.TimestampTrunc: "date_trunc",
    exp.WeekOfYear: "week",
}
_TRIMS = {"LEADING": "ltrim", "TRAILING": "rtrim"}


def parse(text: str) -> exp.Expr:
    """The tree of one expression, whatever it may contain. Raises ExpressionError if it is none."""
    try:
        for token in sqlglot.tokenize(text, dialect="duckdb"):
            if token.token_type in _OTHER_OPERATORS:
                raise ExpressionError(f"'{text}': the operator {token.text} is not allowed in an expression.")
        statements = sqlglot.parse(text, dialect="duckdb")
    except RecursionError as error:
        raise too_deep(text) from error
    except SqlglotError as error:
        words = " ".join(str(error).split("\n")[0].split())
        raise ExpressionError(f"'{text}' is no expression: {words}") from error
    if len(statements) != 1 or statements[0] is None:
        raise ExpressionError(f"'{text}' is not one expression.")
    return statements[0]


def too_deep(text: str) -> ExpressionError:
    """What is told of an expression with more levels than can be carried out."""
    return ExpressionError(
        f"'{text[:60]}...' is nested too deeply.", remedy="Split it over several derived columns, or use IN or CASE."
    )


def is_read(node: exp.Expr) -> bool:
    """Whether all that the parser found out about a node has a meaning in the language."""

    def known(key: str, value: Any) -> bool:
        is_argument = isinstance(node, exp.Func) and isinstance(value, (exp.Expr, list))
        return is_argument or key in _READ_OF_ALL | _NOTES | _READ.get(type(node), set())

    return all(known(key, value) for key, value in node.args.items() if value)


def call(node: exp.Func) -> tuple[str, list[exp.Expr]]:
    """A function's name in the language, and its arguments in their order."""
    match node:
        case exp.Anonymous():
            name = node.name.lower()
        case exp.Extract():
            # EXTRACT(year FROM x) is year(x).
            return node.text("this").lower(), [node.expression]
        case exp.Pad():
            name = "lpad" if node.args.get("is_left") else "rpad"
        case exp.Trim():
            name = _TRIMS.get(node.text("position"), "trim")
        case _:
            name = _NAMES.get(type(node), node.key)
    if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
        return name, [_unit(node), node.this]
    if isinstance(node, exp.DateDiff):
        # The parser turns them round.
        return name, [_unit(node), node.expression, node.this]
    if isinstance(node, exp.DateAdd):
        return name, [node.this, node.expression, *([_unit(node)] if node.args.get("unit") else [])]
    ordered = [node.args.get(key) for key in node.arg_types]
    flat = [item for value in ordered for item in (value if isinstance(value, list) else [value])]
    return name, [item for item in flat if isinstance(item, exp.Expr)]


def _unit(node: exp.Func) -> exp.Expr:
    return exp.Literal.string(node.text("unit").lower())
