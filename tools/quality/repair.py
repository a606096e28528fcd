"""Repairs of cells: the same value in the notation that its column wants.

Each repair is a function from a text to a better text, tried in a fixed order on the distinct texts that fail. None
of them invents: they trim, they drop words that mean "nothing", they rewrite dates and numbers that can be read in
one way only, they put a listed value in its listed spelling. Where a text can be read in two ways, the column's other
cells are asked; where they disagree, the cell is left as it is. A wrong repair is worse than none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ibis
from ibis.expr.types import BooleanValue, StringValue, Table, Value

from core.spec.check import Check, InSet, Matches
from core.spec.column import Column
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import notation, scale_of
from tools.quality import spelling
from tools.quality.notation import booleans, dates, numbers

# What people write where there is nothing to write.
NOTHING = ("", "-", "--", "?", "n/a", "na", "nan", "nil", "none", "null", "unknown")

_TEXT = "_text_"


@dataclass(frozen=True)
class Repair:
    """One kind of repair of one column. `confidence` is 1 where only the notation changes."""

    rule: str
    rewrite: Callable[[StringValue], StringValue]
    confidence: float = 1.0


def changes(rows: Table, column: str, before: Value, after: Value, rule: Value, confidence: Value) -> Table:
    """Changed cells of one column as records: `_row`, column, before, after, rule, confidence."""
    return rows.select(
        rows[ROW],
        column=ibis.literal(column),
        before=before.cast("string"),
        after=after.cast("string"),
        rule=rule.cast("string"),
        confidence=confidence.cast("float64"),
    )


def repaired(
    engine: Engine, raw: Table, columns: dict[str, Column], checks: tuple[Check, ...]
) -> tuple[Table, list[Table]]:
    """The rows with their cells repaired, and the changed cells (see `changes`), a table for each column."""
    listed: list[Table] = []
    for name, column in columns.items():
        if not raw[name].type().is_string():
            continue
        about = [check for check in checks if getattr(check, "column", None) == name]
        found = _corrections(engine, raw, name, column, about)
        if found is None:
            continue
        theirs = found.rename({f"{_TEXT}{field}": field for field in found.columns})
        both = engine.hold(raw.left_join(theirs, raw[name] == theirs[f"{_TEXT}before"]))
        corrected = both[f"{_TEXT}before"].notnull()
        of = [both[f"{_TEXT}{field}"] for field in ("before", "after", "rule", "confidence")]
        listed.append(engine.hold(changes(both.filter(corrected), name, *of)))
        cells = {column: both[column] for column in raw.columns}
        cells[name] = ibis.ifelse(corrected, both[f"{_TEXT}after"], both[name])
        raw = both.select(**cells)
    return engine.hold(raw) if listed else raw, listed


def _corrections(engine: Engine, raw: Table, name: str, column: Column, checks: list[Check]) -> Table | None:
    """What texts of the column become: before, after, rule, confidence. None if there is nothing to repair."""
    text = raw[name]
    start = {"after": text, "rule": ibis.literal(""), "confidence": ibis.literal(1.0)}
    suspects = engine.hold(raw.filter(_suspect(text, column, checks)).select(before=text, **start).distinct())
    if engine.row(suspects.aggregate(n=suspects.count()))["n"] == 0:
        return None
    words = suspects
    for kind in _kinds(column, checks):
        for repair in kind(engine, words):
            words = engine.hold(_tried(words, repair))
    return engine.hold(words.filter(~words["after"].identical_to(words["before"])))


def _suspect(text: StringValue, column: Column, checks: list[Check]) -> BooleanValue:
    """Whether a text may want repair: it is padded, means nothing, or fails its column's type or checks."""
    reasons = [text != text.strip()]
    if column.type != "string":
        reasons.append(~text.re_search(notation(column.type)))
    for check in checks:
        if isinstance(check, InSet):
            reasons.append(text.notin(list(check.values)))
        elif isinstance(check, Matches):
            reasons.append(~text.re_search(f"^(?:{check.pattern})$"))
    if checks:
        reasons.append(text.lower().isin(NOTHING))
    return ibis.or_(*reasons)


def _tried(words: Table, repair: Repair) -> Table:
    tried = words.mutate(_new=repair.rewrite(words["after"]))
    changed = ~tried["_new"].identical_to(tried["after"])
    so_far = ibis.ifelse(tried["rule"] == "", repair.rule, tried["rule"] + f", {repair.rule}")
    return tried.select(
        tried["before"],
        after=tried["_new"],
        rule=ibis.ifelse(changed, so_far, tried["rule"]),
        confidence=ibis.ifelse(changed, tried["confidence"] * repair.confidence, tried["confidence"]),
    )


Kind = Callable[[Engine, Table], Iterator[Repair]]


def _kinds(column: Column, checks: list[Check]) -> Iterator[Kind]:
    """The kinds of repair for a column, in order. Each looks at the texts as the kinds before it left them."""
    yield lambda engine, words: iter([Repair("trim", lambda text: text.strip())])
    if column.type != "string" or checks:
        allowed = {value.lower() for check in checks if isinstance(check, InSet) for value in check.values}
        yield lambda engine, words: iter([_nothing([word for word in NOTHING if word not in allowed])])
    if column.type == "date":
        yield _dates
    elif column.type == "boolean":
        yield lambda engine, words: iter([Repair("boolean notation", booleans.plain)])
    elif column.type in ("integer", "float") or scale_of(column.type) is not None:
        yield lambda engine, words: _numbers(engine, words, column.type)
    for check in checks:
        if isinstance(check, InSet):
            yield lambda engine, words, values=check.values: _spellings(engine, words, values)  # type: ignore[misc]
        elif isinstance(check, Matches):
            yield lambda engine, words, pattern=check.pattern: iter([_letter_case(pattern)])  # type: ignore[misc]


def _nothing(words: list[str]) -> Repair:
    return Repair("nothing", lambda text: ibis.ifelse(text.lower().isin(words), ibis.null("string"), text))


def _dates(engine: Engine, words: Table) -> Iterator[Repair]:
    order = dates.order_of(engine.row(words.aggregate(**dates.evidence(words["after"]))))
    yield Repair("date notation", lambda text: dates.iso(text, dates.Order(None, 1.0)))
    if order.first:
        yield Repair("date notation", lambda text: dates.iso(text, order), order.confidence)


def _numbers(engine: Engine, words: Table, declared: str) -> Iterator[Repair]:
    currencies = engine.row(words.aggregate(n=numbers.currency(words["after"]).nunique()))["n"]
    if currencies <= 1:
        yield Repair("currency", numbers.without_currency)
    yield Repair("number notation", lambda text: numbers.plain(text, declared))


def _spellings(engine: Engine, words: Table, values: tuple[str, ...]) -> Iterator[Repair]:
    for confidence, found in spelling.corrections(engine, words["after"], values):
        yield Repair("spelling", lambda text, found=found: text.substitute(found), confidence)  # type: ignore[misc]


def _letter_case(pattern: str) -> Repair:
    whole = f"^(?:{pattern})$"

    def rewrite(text: StringValue) -> StringValue:
        forms = [text, text.upper(), text.lower()]
        return ibis.cases(*((form.re_search(whole), form) for form in forms), else_=text)

    return Repair("letter case", rewrite)
