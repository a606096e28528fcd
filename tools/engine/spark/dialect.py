"""Ibis expressions as Spark's SQL, with the meaning that they have on DuckDB.

Only what differs is here. What must hold of both is in tests/spark.
"""

import re
from typing import Any, ClassVar

import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import pyarrow as pa
import pyarrow.compute as pc
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.pyspark import PySparkCompiler
from ibis.common.exceptions import UnsupportedOperationError
from ibis.expr.types import Table

from core.errors import EngineError
from tools.engine.spark.pattern import in_java

_BLANK = " \t\n\r\v\f"


def sql(table: Table) -> str:
    """The table as a statement of Spark's."""
    return str(_COMPILER.to_sqlglot(table.unbind()).sql(dialect="spark"))


def sql_type(kind: Any) -> str:
    """A type of Ibis as one of Spark's."""
    return str(_COMPILER.type_mapper.to_string(kind))


class _Compiler(PySparkCompiler):  # type: ignore[misc]  # Ibis is not typed
    __slots__ = ()

    # Ibis would put functions of these names over the methods below.
    SIMPLE_OPS: ClassVar[dict[Any, str]] = {}

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:
        if dtype.is_floating():
            # Spark takes 0.1 for a decimal.
            return self.cast(repr(float(value)), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_IsNull(self, op: Any, *, arg: Any) -> Any:
        return arg.is_(sge.Null())

    def visit_NotNull(self, op: Any, *, arg: Any) -> Any:
        return arg.is_(sge.Not(this=sge.Null()))

    def visit_IsInf(self, op: Any, *, arg: Any) -> Any:
        return self.f.abs(arg).eq(self.POS_INF) if op.arg.dtype.is_floating() else sge.false()

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        return self._converted(op, arg, to, self.cast)

    def visit_TryCast(self, op: Any, *, arg: Any, to: Any) -> Any:
        if _strangers(op.arg.dtype, to):
            return self.cast(sge.Null(), to)
        return self._converted(op, arg, to, self._tried)

    def _tried(self, value: Any, kind: Any) -> Any:
        # What is not said to be safe is written as a plain cast.
        return sge.TryCast(this=value, to=self.type_mapper.from_ibis(kind), safe=True)

    def _converted(self, op: Any, arg: Any, to: Any, cast: Any) -> Any:
        kind = op.arg.dtype
        if to.is_json() and kind.is_struct():
            keep_nulls = self.f.anon.map(sge.convert("ignoreNullFields"), sge.convert("false"))
            return self.f.to_json(arg, keep_nulls)
        if to.is_json() and kind.is_string():
            return self._by_duckdb("json", arg)
        if kind.is_floating() and to.is_string():
            return self._by_duckdb("text", arg)
        if kind.is_floating() and to.is_integer():
            return cast(self.f.rint(arg), to)
        if kind.is_decimal() and to.is_integer():
            return cast(self.f.round(arg, 0), to)
        if kind.is_floating() and to.is_decimal():
            return cast(self._rounded(arg, to.scale), to)
        return cast(arg, to)

    def visit_Round(self, op: Any, *, arg: Any, digits: Any) -> Any:
        if op.arg.dtype.is_floating() and isinstance(op.digits, (ops.Literal, type(None))):
            rounded = self._rounded(arg, op.digits.value if op.digits else 0)
            return self.cast(rounded, op.dtype)
        return super().visit_Round(op, arg=arg, digits=digits)

    def _rounded(self, arg: Any, digits: int) -> Any:
        """Half away from zero of the float itself, where Spark rounds its decimal notation."""
        if digits == 0:
            return self.f.round(arg, 0)
        power = self.cast(repr(10.0 ** abs(digits)), dt.float64)
        return self.f.round(arg * power, 0) / power if digits > 0 else self.f.round(arg / power, 0) * power

    def visit_Mean(self, op: Any, *, arg: Any, where: Any) -> Any:
        if op.arg.dtype.is_integer():
            # The exact sum, where Spark adds up floats.
            exact = self.agg.sum(self.cast(arg, dt.Decimal(38, 0)), where=where)
            return self.cast(exact, dt.float64) / self.agg.count(arg, where=where)
        return super().visit_Mean(op, arg=arg, where=where)

    def visit_WindowFunction(self, op: Any, *, func: Any, **window: Any) -> Any:
        over = super().visit_WindowFunction
        if isinstance(op.func, ops.Mean) and op.func.arg.dtype.is_integer():
            # Each of the two aggregates that the mean is made of has the window.
            total, count = func.this.this, func.expression
            return self.cast(over(op, func=total, **window), dt.float64) / over(op, func=count, **window)
        return over(op, func=func, **window)

    def visit_Strip(self, op: Any, *, arg: Any) -> Any:
        return self.f.anon.btrim(arg, sge.convert(_BLANK))

    def visit_LStrip(self, op: Any, *, arg: Any) -> Any:
        return self.f.anon.ltrim(sge.convert(_BLANK), arg)

    def visit_RStrip(self, op: Any, *, arg: Any) -> Any:
        return self.f.anon.rtrim(sge.convert(_BLANK), arg)

    def visit_StringSQLLike(self, op: Any, *, arg: Any, pattern: Any, escape: Any) -> Any:
        # Spark's LIKE always has an escape: one that cannot stand in a text escapes nothing.
        return sge.Escape(this=arg.like(pattern), expression=sge.convert(escape.this if escape else "\ufdd0"))

    def visit_RegexSearch(self, op: Any, *, arg: Any, pattern: Any) -> Any:
        java = in_java(_pattern(op))
        return self._by_duckdb("search", arg, pattern) if java is None else arg.rlike(sge.convert(java))

    def visit_RegexReplace(self, op: Any, *, arg: Any, pattern: Any, replacement: Any) -> Any:
        _pattern(op)
        return self._by_duckdb("replace", arg, pattern, replacement)

    def visit_RegexExtract(self, op: Any, *, arg: Any, pattern: Any, index: Any) -> Any:
        java = in_java(_pattern(op))
        if java is None:
            return self._by_duckdb("extract", arg, pattern, index)
        return self.f.anon.regexp_extract(arg, sge.convert(java), index)

    def visit_StringSplit(self, op: Any, *, arg: Any, delimiter: Any) -> Any:
        if not isinstance(op.delimiter, ops.Literal):
            raise UnsupportedOperationError("a separator must be a literal")
        # Spark splits at what a pattern finds.
        return self.f.anon.split(arg, sge.convert(re.escape(op.delimiter.value)))

    def visit_JSONGetItem(self, op: Any, *, arg: Any, index: Any) -> Any:
        return self._by_duckdb("json_item", arg, index)

    def visit_UnwrapJSONString(self, op: Any, *, arg: Any) -> Any:
        return self._by_duckdb("json_string", arg)

    def _by_duckdb(self, function: str, *arguments: Any) -> Any:
        return self.f.anon[f"crewline_{function}"](*arguments)

    def visit_TimestampTruncate(self, op: Any, *, arg: Any, unit: Any) -> Any:
        return self.cast(super().visit_TimestampTruncate(op, arg=arg, unit=unit), op.dtype)

    visit_DateTruncate = visit_TimestampTruncate


def _pattern(op: Any) -> str:
    """The operation's pattern. Raises EngineError if it is none of RE2's."""
    if not isinstance(op.pattern, ops.Literal):
        raise UnsupportedOperationError("a pattern must be a literal")
    text = str(op.pattern.value)
    try:
        pc.match_substring_regex(pa.array([""]), text)
    except pa.ArrowInvalid as error:
        raise EngineError(str(error)) from error
    return text


def _strangers(one: Any, other: Any) -> bool:
    """Whether no value of one type is ever one of the other: Spark refuses to try."""
    kinds = {_kind(one), _kind(other)}
    return len(kinds) == 2 and "text" not in kinds


def _kind(of: Any) -> str:
    if of.is_numeric() or of.is_boolean():
        return "number"
    return "time" if of.is_temporal() else "nested" if of.is_nested() else "text"


_COMPILER = _Compiler()
