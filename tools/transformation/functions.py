"""The functions of expressions, as Ibis expressions: of single rows, of groups, and of rows among others.

A function of a missing value is missing, but for coalesce, greatest and least, which leave missing values out. What is
no finite number (the root of a negative one, the logarithm of 0, a power too large) is missing too.
"""

import operator
from collections.abc import Callable
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.compute as pc
from ibis.common.annotations import ValidationError
from ibis.common.exceptions import IbisError

from tools.transformation.arithmetic import alike, as_float, ceil, floor, mean, number
from tools.transformation.text import joined, padded, replaced, substituted

Function = Callable[..., Any]

_UNITS = {"year": "Y", "quarter": "Q", "month": "M", "week": "W", "day": "D", "hour": "h", "minute": "m", "second": "s"}
_SECONDS = {"hour": 3_600, "minute": 60, "second": 1}
_MONTHS = {"year": 12, "quarter": 3, "month": 1}

SCALARS: dict[str, Function] = {
    "abs": lambda x: number(x).abs(),
    "ceil": ceil,
    "coalesce": lambda *xs: ibis.coalesce(*alike(list(xs))),
    "concat": lambda *xs: joined(*(x.cast("string") for x in xs)),
    "contains": lambda x, part: x.contains(part),
    "date_add": lambda x, n, unit: _date_add(x, n, _unit(unit)),
    "date_diff": lambda unit, a, b: _date_diff(_unit(unit), a, b),
    "date_trunc": lambda unit, x: x.truncate(_UNITS[_unit(unit)]).cast(x.type()),
    "day": lambda x: x.day(),
    "dayofyear": lambda x: x.day_of_year(),
    "ends_with": lambda x, part: x.endswith(part),
    "exp": lambda x: _finite(number(x).cast("float64").exp()),
    "floor": floor,
    "greatest": lambda *xs: ibis.greatest(*alike(list(xs))),
    "hour": lambda x: x.hour(),
    "isodow": lambda x: x.day_of_week.index() + 1,
    "least": lambda *xs: ibis.least(*alike(list(xs))),
    "left": lambda x, n: x.left(_count(n)),
    "length": lambda x: x.length(),
    "ln": lambda x: _positive(x).ln(),
    "log": lambda base, x: _positive(x).ln() / _positive(base).ln().nullif(0),
    "lower": lambda x: x.lower(),
    "lpad": lambda x, n, by=None: padded(x, _count(n), _fill(by), left=True),
    "ltrim": lambda x: x.lstrip(),
    "minute": lambda x: x.minute(),
    "month": lambda x: x.month(),
    "nullif": lambda x, y: ibis.ifelse(compared(operator.eq, x, y), ibis.null(x.type()), x),
    "power": lambda x, y: _finite(number(x).cast("float64").pow(number(y).cast("float64"))),
    "quarter": lambda x: x.quarter(),
    "regexp_extract": lambda x, pattern, group: _extracted(x, pattern, group),
    "regexp_matches": lambda x, pattern: x.re_search(checked_pattern(text_constant(pattern))),
    "regexp_replace": lambda x, pattern, by: substituted(x, checked_pattern(text_constant(pattern)), text_constant(by)),
    "replace": replaced,
    "reverse": lambda x: x.reverse(),
    "right": lambda x, n: x.right(_count(n)),
    "round": lambda x, digits=None: number(x).round(0 if digits is None else int(_constant(digits))),
    "rpad": lambda x, n, by=None: padded(x, _count(n), _fill(by), left=False),
    "rtrim": lambda x: x.rstrip(),
    "second": lambda x: x.second(),
    "sign": lambda x: number(x).sign().cast("int64"),
    "split_part": lambda x, by, n: _split_part(x, text_constant(by), _count(n, least=1)),
    "sqrt": lambda x: _finite(number(x).cast("float64").sqrt()),
    "starts_with": lambda x, part: x.startswith(part),
    "strpos": lambda x, part: x.find(part) + 1,
    "substr": lambda x, start, length=None: _part(x, start, length),
    "trim": lambda x: x.strip(),
    "upper": lambda x: x.upper(),
    "week": lambda x: x.week_of_year(),
    "year": lambda x: x.year(),
}

AGGREGATES: dict[str, Function] = {
    "avg": mean,
    "bool_and": lambda x: as_condition(x).all(),
    "bool_or": lambda x: as_condition(x).any(),
    "count": lambda x: x.count(),
    "count_distinct": lambda x: x.nunique(),
    "count_if": lambda x: as_condition(x).fill_null(False).sum().fill_null(0),
    "max": lambda x: x.max(),
    "median": lambda x: as_float(x).median(),
    "min": lambda x: x.min(),
    "quantile": lambda x, share: as_float(x).quantile(_share(share)),
    "stddev": lambda x: as_float(x).std(how="sample"),
    "sum": lambda x: x.sum(),
    "variance": lambda x: as_float(x).var(how="sample"),
}

# Of a row among the others: by their order, and by rank, where equals are equal.
PLACES: dict[str, Function] = {
    "lag": lambda x, n=None: x.lag(1 if n is None else _count(n, least=1)),
    "lead": lambda x, n=None: x.lead(1 if n is None else _count(n, least=1)),
    "ntile": lambda n: ibis.ntile(_count(n, least=1)) + 1,
    "row_number": lambda: ibis.row_number() + 1,
}
RANKS: dict[str, Function] = {
    "dense_rank": lambda: ibis.dense_rank() + 1,
    "rank": lambda: ibis.rank() + 1,
}


def checked_pattern(pattern: str) -> str:
    """The pattern itself. Raises ValueError if it is none (RE2 syntax): the engine would tell only in the middle."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)
    except pa.ArrowInvalid as error:
        words = str(error).partition("regular expression: ")[2] or str(error)
        raise ValueError(f"'{pattern}' is no regular expression: {words}") from error
    return pattern


def as_condition(value: Any) -> Any:
    """The value as a truth value. Raises TypeError if it is of another type."""
    if not (value.type().is_boolean() or value.type().is_null()):
        raise TypeError(f"a condition must be true or false, not of type {value.type()}")
    return value.cast("boolean")


def compared(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    """A comparison, null where one side is; numbers of different types are compared by value. Raises TypeError."""
    if a.type().is_null() or b.type().is_null():
        # Ibis would ask whether the other is null.
        return ibis.null("boolean")
    try:
        return operation(*alike([enclosed(a), enclosed(b)]))
    except (TypeError, IbisError, ValidationError) as error:
        kinds = f"{a.type()} and {b.type()}".replace("!", "")
        raise TypeError(f"{kinds} cannot be compared; CAST one of them to the other's type") from error


def enclosed(value: Any) -> Any:
    """The value as something that nothing can be read into: Ibis writes (NOT a) IS NULL without the parentheses."""
    is_simple = isinstance(value.op(), (ibis.expr.operations.Field, ibis.expr.operations.Literal))
    return value if is_simple or not value.type().is_boolean() else ibis.coalesce(value)


def text_constant(value: Any) -> str:
    """The Python text of a literal. Raises TypeError if it is none."""
    constant = _constant(value)
    if not isinstance(constant, str):
        raise TypeError("this argument must be a text")
    return constant


def _constant(value: Any) -> Any:
    """The Python value of a literal; some arguments of Ibis must be known when the expression is built."""
    operation = value.op()
    if not isinstance(operation, ibis.expr.operations.Literal):
        raise TypeError("this argument must be a literal")
    return operation.value


def _count(value: Any, least: int = 0) -> int:
    n = _constant(value)
    if not isinstance(n, int) or isinstance(n, bool) or n < least:
        raise ValueError(f"this argument must be a whole number of at least {least}")
    return n


def _share(value: Any) -> float:
    # A decimal literal is a text made a decimal.
    written = value.op().arg if isinstance(value.op(), ibis.expr.operations.Cast) else value.op()
    share = float(_constant(written.to_expr()))
    if not 0 <= share <= 1:
        raise ValueError("a quantile is asked for by a number from 0 to 1")
    return share


def _fill(value: Any) -> str:
    return " " if value is None else text_constant(value)


def _unit(value: Any) -> str:
    unit = text_constant(value).lower()
    if unit not in _UNITS:
        raise ValueError(f"'{unit}' is no unit; allowed are {', '.join(_UNITS)}")
    return unit


def _finite(value: Any) -> Any:
    return ibis.ifelse(value.isnan() | value.isinf(), ibis.null("float64"), value)


def _positive(value: Any) -> Any:
    as_is = number(value).cast("float64")
    return ibis.ifelse(as_is > 0, as_is, ibis.null("float64"))


def _part(text: Any, start: Any, length: Any = None) -> Any:
    for value, least in ((start, 1), (length, 0)):
        if isinstance(value, ibis.expr.types.IntegerScalar) and _constant(value) < least:
            raise ValueError("substr counts from 1, and takes no less than nothing")
    return text.substr(start - 1, length)


def _split_part(text: Any, by: str, n: int) -> Any:
    if not by:
        raise ValueError("a text cannot be split at nothing")
    parts = text.split(by)
    return ibis.ifelse(parts.length() >= n, parts[n - 1], ibis.null("string"))


def _extracted(text: Any, pattern: Any, group: Any) -> Any:
    """What the group matched; null, not empty, where the pattern does not match."""
    checked = checked_pattern(text_constant(pattern))
    return ibis.ifelse(text.re_search(checked), text.re_extract(checked, _count(group)), ibis.null("string"))


def _date_add(value: Any, n: Any, unit: str) -> Any:
    """So many units later. A day that the month does not have becomes its last."""
    if value.type().is_date() and unit in ("hour", "minute", "second"):
        raise TypeError(f"a date has no {unit}; cast it to a timestamp")
    if not n.type().is_integer():
        raise TypeError("a whole number of units can be added")
    if unit in _MONTHS:
        n, unit = n.cast("int64") * _MONTHS[unit], "month"
    return (value + n.as_interval(_UNITS[unit])).cast(value.type())


def _date_diff(unit: str, a: Any, b: Any) -> Any:
    """How many boundaries of the unit lie between two dates: of a year, from 31 December to 1 January, one."""
    if not all(x.type().is_date() or x.type().is_timestamp() for x in (a, b)):
        raise TypeError("a difference is between dates or timestamps")
    if unit in _MONTHS:
        return _months(unit, b) - _months(unit, a)
    if unit in ("week", "day"):
        first, last = (x.cast("date") for x in (a, b))
        if unit == "week":
            first, last = first.truncate("W"), last.truncate("W")
        days = last.delta(first, unit="day")
        return (days / 7 if unit == "week" else days).cast("int64")
    first, last = (x.cast("timestamp(6)").truncate(_UNITS[unit]).epoch_seconds() for x in (a, b))
    return ((last - first) / _SECONDS[unit]).cast("int64")


def _months(unit: str, value: Any) -> Any:
    whole = value.year().cast("int64")
    if unit == "quarter":
        return whole * 4 + value.quarter()
    return whole * 12 + value.month() if unit == "month" else whole
