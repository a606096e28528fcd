"""Texts that grow: joined, replaced and padded, but never beyond a bound.

The engine makes room for what becomes of a text before it looks at its limit of memory, and for some thousand rows at
once; and a text that is doubled thirty times is a thousand million times as long.
"""

import re
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import ibis
from ibis.expr.operations import Cast, Literal, ScalarUDF, Value

LONGEST = 100_000
_WIDEST = 10_000


@ibis.udf.scalar.builtin(name="raise_error")  # type: ignore[untyped-decorator]
def _raise_error(message: str) -> str:
    raise NotImplementedError("it is the engine's")


def joined(*texts: Any) -> Any:
    """Texts one after another. Of a missing one, nothing comes."""
    if len([text for text in texts if not _is_short(text)]) < 2:
        return reduce(add, texts)
    return _once(_joined, *texts)


def replaced(text: Any, old: Any, new: Any) -> Any:
    """The text with another in the place of each occurrence of one. Texts, or what Python has for them."""
    old, new = (ibis.literal(part) if isinstance(part, str) else part for part in (old, new))
    if all(_is_short(part) for part in (old, new)) and len(new.op().value) <= len(old.op().value):
        return text.replace(old, new)
    return _once(_replaced, text, old, new)


def substituted(text: Any, pattern: str, by: str) -> Any:
    """The text with `by` in the place of all that matches the pattern; in it, `\\1` is the first group."""
    # Spark finds patterns by a function of Python's, which cannot stand in what is computed once: around a text that is
    # bounded already, the bound is left to whatever grows it next.
    if not by or text.op().find(_is_guard, filter=Value):
        return text.re_replace(pattern, by)
    return _substituted(text, pattern, by)


def padded(text: Any, width: int, fill: str, *, left: bool) -> Any:
    """At least so long; what is longer already stays as it is, where engines would cut it."""
    if not fill:
        raise ValueError("a text cannot be padded with nothing")
    if width > _WIDEST:
        raise ValueError(f"a text is padded to {_WIDEST:,} characters at most")
    wanting = width - text.length()
    # Ibis has DuckDB repeat the whole fill for each character that is wanting.
    padding = ibis.literal(fill).repeat(wanting).substr(0, wanting)
    return ibis.ifelse(wanting <= 0, text, padding + text if left else text + padding)


def _joined(*texts: Any) -> Any:
    length = reduce(add, [_length(text).fill_null(0) for text in texts])
    return _bounded(length, reduce(add, texts))


def _replaced(text: Any, old: Any, new: Any) -> Any:
    kept, by = _length(text), _length(new)
    found = (kept - _length(text.replace(old, ""))) // _length(old).nullif(0)
    return _bounded(kept + kept * by, text.replace(old, new), kept + found.fill_null(0) * by)


def _substituted(text: Any, pattern: str, by: str) -> Any:
    kept = _length(text) * (1 + len(re.findall(r"\\\d", by)))
    found = _length(text.re_replace(pattern, "*")) - _length(text.re_replace(pattern, ""))
    most = kept + (_length(text) + 1) * len(by)
    return _bounded(most, text.re_replace(pattern, by), kept + found * len(by))


def _bounded(most: Any, text: Any, length: Any = None) -> Any:
    """The text, if it is not too long; else the engine fails. It has at most `most` characters.

    `length`, if given, is closer to it, and computed only if `most` is too many.
    """
    refused = _raise_error(f"a text would be longer than {LONGEST:,} characters")
    fits = refused if length is None else ibis.ifelse(length > LONGEST, refused, text)
    return ibis.ifelse(most > LONGEST, fits, text)


def _once(build: Callable[..., Any], *texts: Any) -> Any:
    """What is built of texts, each of which stands in it several times.

    If one is such a thing itself, they are computed before: nested ten times, the statement would have no end.
    """
    if not any(text.op().find(_is_guard, filter=Value) for text in texts):
        return build(*texts)
    fields = {f"t{index}": text for index, text in enumerate(texts)}
    return ibis.array([ibis.struct(fields)]).map(lambda once: build(*(once[name] for name in fields)))[0]


def _is_guard(node: Any) -> bool:
    return isinstance(node, ScalarUDF) and node.__func_name__ == "raise_error"


def _length(text: Any) -> Any:
    return text.length().cast("int64")


def _is_short(text: Any) -> bool:
    """Whether it is a text of the rule itself, or a value that has few characters as a text."""
    operation = text.op()
    if isinstance(operation, Cast):
        operation = operation.arg
        return not operation.dtype.is_string()
    return isinstance(operation, Literal)
