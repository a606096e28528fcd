"""Arithmetic on numbers of different types: decimals stay exact; with a float among them, all become floats.

Ibis gives what is computed from decimals the type of one of them, in which the result may not have room.
"""

import operator
from collections.abc import Callable
from typing import Any

import ibis
from ibis.expr.operations import Literal

_MAX_DIGITS = 38
_SHORT_DIGITS = 18
_INTEGER_DIGITS = {1: 3, 2: 5, 4: 10, 8: 20}


def add(a: Any, b: Any) -> Any:
    return _sum(operator.add, a, b)


def subtract(a: Any, b: Any) -> Any:
    return _sum(operator.sub, a, b)


def multiply(a: Any, b: Any) -> Any:
    """The product, with the digits after the point of both factors."""
    for factor, times in ((a, b), (b, a)):
        if factor.type().is_decimal() and factor.type().precision + _digits(times) <= _SHORT_DIGITS:
            # As many digits as the number has, not as its type may have: the product stays short, and the engine quick.
            scale, digits = factor.type().scale, _digits(times)
            product = _decimal(factor.type().precision + digits - scale, scale)
            return (factor * times.cast(_decimal(digits, 0))).cast(product)
    a, b = _operands(a, b)
    if not a.type().is_decimal():
        return a * b
    scale = a.type().scale + b.type().scale
    product = _decimal(a.type().precision + b.type().precision - scale, scale)
    if a.type() != b.type():
        # Ibis multiplies only what has one scale; the digits that this adds are zeros, and go again.
        a, b = (value.cast(_rescaled(value, max(a.type().scale, b.type().scale))) for value in (a, b))
    if max(a.type().precision, b.type().precision) <= _SHORT_DIGITS < product.precision:
        # DuckDB takes the product of two short decimals for short, and refuses it if it is not.
        a, b = (value.cast(ibis.dtype(f"decimal({_SHORT_DIGITS + 1}, {value.type().scale})")) for value in (a, b))
    return (a * b).cast(product)


def divide(a: Any, b: Any) -> Any:
    """The quotient as a float; null where it would be by zero."""
    a, b = (value.cast("float64") for value in _operands(a, b))
    return a / b.nullif(0)


def modulo(a: Any, b: Any) -> Any:
    """What is left of `a`, with its sign; null where it would be divided by zero."""
    a, b = _operands(a, b)
    if not a.type().is_decimal():
        return a % b.nullif(0)
    common = _common([a, b])
    return (a.cast(common) % b.cast(common).nullif(ibis.literal(0).cast(common))).cast(common)


def number(value: Any) -> Any:
    """The value itself. Raises TypeError if it is none: Ibis takes truth values for numbers, the engine does not."""
    if not _is_number(value.type()):
        raise TypeError(f"{value.type()} is no number")
    return value


def ceil(value: Any) -> Any:
    return _rounded(lambda number: number.ceil(), value)


def floor(value: Any) -> Any:
    return _rounded(lambda number: number.floor(), value)


def as_float(values: Any) -> Any:
    """For statistics, which lie between the values: a decimal as a float, others as they are."""
    return values.cast("float64") if values.type().is_decimal() else number(values)


def mean(values: Any) -> Any:
    """The mean as a float; that of decimals from their exact sum."""
    return divide(values.sum(), values.count()) if values.type().is_decimal() else number(values).mean()


def alike(values: list[Any]) -> list[Any]:
    """The values, of which one will be taken: if there are decimals among them, with one type for all."""
    kinds = [value.type() for value in values if not value.type().is_null()]
    if not any(kind.is_decimal() for kind in kinds) or not all(map(_is_number, kinds)):
        return values
    if any(kind.is_floating() for kind in kinds):
        return [value.cast("float64") for value in values]
    common = _common([value for value in values if not value.type().is_null()])
    return [value.cast(common) for value in values]


def _rounded(operation: Callable[[Any], Any], value: Any) -> Any:
    kind = value.type()
    if not kind.is_decimal():
        return operation(number(value))
    # 99.9 becomes 100: there must be room for a digit more.
    digits = kind.precision - kind.scale + 1
    return operation(value.cast(_decimal(digits, kind.scale))).cast(_decimal(digits, 0))


def _sum(operation: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    a, b = _operands(a, b)
    if not a.type().is_decimal():
        return operation(a, b)
    common = _common([a, b])
    total = operation(a.cast(common), b.cast(common))
    return total.cast(_decimal(common.precision - common.scale + 1, common.scale))


def _operands(a: Any, b: Any) -> tuple[Any, Any]:
    """Both as decimals or both as floats, unless both are integers. Raises TypeError for what is no number."""
    kinds = (a.type(), b.type())
    if not all(map(_is_number, kinds)):
        raise TypeError(f"arithmetic is for numbers, not for {kinds[0]} and {kinds[1]}; text is joined by ||")
    if any(kind.is_floating() for kind in kinds):
        return a.cast("float64"), b.cast("float64")
    if any(kind.is_decimal() for kind in kinds):
        return a.cast(_exact(kinds[0])), b.cast(_exact(kinds[1]))
    # What is short enough for 32 bits need not stay so.
    return _long(a), _long(b)


def _digits(value: Any) -> int:
    """The digits of a whole number that stands in the expression; more than any has, for all else."""
    operation = value.op()
    if isinstance(operation, Literal) and value.type().is_integer() and operation.value is not None:
        return len(str(abs(operation.value)))
    return _MAX_DIGITS


def _long(value: Any) -> Any:
    return value if value.type().nbytes == 8 else value.cast("int64")


def _is_number(kind: Any) -> bool:
    return bool(kind.is_integer() or kind.is_floating() or kind.is_decimal())


def _exact(kind: Any) -> Any:
    return kind if kind.is_decimal() else _decimal(_INTEGER_DIGITS[kind.nbytes], 0)


def _common(values: list[Any]) -> Any:
    kinds = [_exact(value.type()) for value in values]
    return _decimal(max(kind.precision - kind.scale for kind in kinds), max(kind.scale for kind in kinds))


def _rescaled(value: Any, scale: int) -> Any:
    return _decimal(value.type().precision - value.type().scale, scale)


def _decimal(whole: int, scale: int) -> Any:
    """The type with so many digits before and after the point; those after it are kept where both are too many."""
    if scale >= _MAX_DIGITS:
        raise TypeError(f"the result would have {scale} digits after the point; round before")
    return ibis.dtype(f"decimal({min(_MAX_DIGITS, max(whole + scale, 1))}, {scale})")
