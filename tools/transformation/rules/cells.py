"""Rules about cells."""

import os
from collections.abc import Iterable, Iterator

import ibis
from ibis.expr.types import StringValue, Value

from core.spec.rule import Case, Cast, Fill, Hash, Map, Mask, ParseDates, Replace, Trim
from core.task import Fate
from tools.engine.types import constant, ibis_type, typed
from tools.transformation.functions import checked_pattern
from tools.transformation.rules.date_format import parsed
from tools.transformation.rules.passage import Passage
from tools.transformation.text import replaced, substituted

_AT_ONCE = 16


def cast(passage: Passage, rule: Cast) -> None:
    for names in _groups(passage, rule.columns):
        values = {name: as_declared(passage.marked[name], rule.columns[name]) for name in names}
        _become(passage, values, "cast", {name: f"not of type {rule.columns[name]}" for name in names})


def fill(passage: Passage, rule: Fill) -> None:
    here = passage.marked
    passage.change(**{n: here[n].fill_null(constant(v, here[n].type())) for n, v in rule.columns.items()})


def trim(passage: Passage, rule: Trim) -> None:
    passage.change(**{name: passage.text(name).strip() for name in rule.columns})


def case(passage: Passage, rule: Case) -> None:
    writes = {"lower": StringValue.lower, "upper": StringValue.upper, "capitalised": StringValue.capitalize}
    passage.change(**{name: writes[rule.to](passage.text(name)) for name in rule.columns})


def replace(passage: Passage, rule: Replace) -> None:
    def changed(text: StringValue) -> StringValue:
        if rule.pattern is None:
            return replaced(text, rule.text, rule.by)
        return substituted(text, checked_pattern(rule.pattern), rule.by)

    passage.change(**{name: changed(passage.text(name)) for name in rule.columns})


def replace_values(passage: Passage, rule: Map) -> None:
    cell = passage.marked[rule.column]
    kind = cell.type()
    branches = [
        (cell == constant(key, kind), ibis.null(kind) if value is None else constant(value, kind))
        for key, value in rule.values.items()
    ]
    listed = cell.isin([constant(key, kind) for key in rule.values])
    if rule.otherwise == "quarantine":
        why = [f"{rule.column} is '", cell, "', not one of those mapped"]
        passage.keep(cell.isnull() | listed, f"map({rule.column})", why, Fate.QUARANTINED)
    passage.change(**{rule.column: ibis.cases(*branches, else_=cell if rule.otherwise == "keep" else ibis.null(kind))})


def parse_dates(passage: Passage, rule: ParseDates) -> None:
    what = f"not a {rule.to} of the form {' or '.join(rule.formats)}"
    for names in _groups(passage, rule.columns):
        values = {name: parsed(passage.text(name), rule.formats, rule.to) for name in names}
        _become(passage, values, "parse_dates", dict.fromkeys(names, what))


def digest(passage: Passage, rule: Hash) -> None:
    salt = ""
    if rule.salt_env is not None:
        salt = os.environ.get(rule.salt_env, "")
        if not salt:
            raise ValueError(f"the environment variable {rule.salt_env}, which has the salt, is not set")
    here = passage.marked
    texts = {name: ibis.literal(salt) + here[name].cast("string") for name in rule.columns}
    passage.change(**{name: text.hexdigest(rule.algorithm) for name, text in texts.items()})


def mask(passage: Passage, rule: Mask) -> None:
    def masked(text: StringValue) -> StringValue:
        hidden = ibis.ifelse(text.length() > rule.keep, text.length() - rule.keep, text.length())
        return ibis.literal("*").repeat(hidden) + text.substr(hidden)

    passage.change(**{name: masked(passage.marked[name].cast("string")) for name in rule.columns})


def as_declared(cell: Value, declared: str) -> Value:
    """The cell as a value of a type of the spec; null if it is none. Text is what every value can become."""
    return cell.cast("string") if declared == "string" else typed(cell, declared).cast(ibis_type(declared))


def _groups(passage: Passage, columns: Iterable[str]) -> Iterator[list[str]]:
    """The columns, as many at once as the engine plans well together."""
    names = list(columns)
    for first in range(0, len(names), _AT_ONCE):
        passage.pause()
        yield names[first : first + _AT_ONCE]


def _become(passage: Passage, values: dict[str, Value], rule: str, what: dict[str, str]) -> None:
    """Replace columns by their new values; a row one of whose values has become none goes to quarantine."""
    new = {name: f"_new_{name}" for name in values}
    passage.change(**{new[name]: value for name, value in values.items()})
    for name in values:
        here = passage.marked
        why = [f"{name} is '", here[name], f"', {what[name]}"]
        passage.keep(here[name].isnull() | here[new[name]].notnull(), f"{rule}({name})", why, Fate.QUARANTINED)
    passage.change(**{name: passage.marked[new[name]] for name in values})
    passage.marked = passage.marked.drop(*new.values())
