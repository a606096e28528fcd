"""Repairs of cells: the same value in the notation that its column wants.

Each repair is a function from a text to a better text, tried in a fixed order on the distinct texts of a column that
are suspect. None of them invents: they trim, they drop words that mean "nothing", they rewrite dates and numbers that
can be read in one way only, they put a listed value in its listed spelling. Where a text can be read in two ways, the
column's other cells are asked; where they disagree, the cell is left as it is. A wrong repair is worse than none.

The engine finds the suspect texts and puts the repaired ones in their places; in between they are plain Python, and so
mean the same on every engine.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import ibis
import pyarrow as pa
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

# What a repair makes of a text: another text, or None for nothing, and how sure that is.
Rewrite = Callable[[str], tuple[str | None, float]]


@dataclass
class Word:
    """A distinct text of a column: as it came, as it is now, the repairs that changed it, how sure they were."""

    before: str
    after: str | None
    rules: list[str]
    confidence: float


CHANGES = ibis.schema(
    {
        ROW: "int64",
        "column": "string",
        "before": "string",
        "after": "string",
        "rule": "string",
        "confidence": "float64",
    }
)


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
    about = {
        name: [check for check in checks if getattr(check, "column", None) == name and not check.whole]
        for name in columns
        if raw[name].type().is_string()
    }
    suspects = _suspects(engine, raw, columns, about)
    listed: list[Table] = []
    rows = raw
    for name, texts in suspects.items():
        words = [Word(text, text, [], 1.0) for text in texts]
        for rule, rewrite in _repairs(words, columns[name], about[name]):
            _apply(words, rule, rewrite)
        if found := [word for word in words if word.after != word.before]:
            corrections = _table(engine, found)
            pair = raw.select(ROW, _cell=raw[name]).inner_join(corrections, ibis._["_cell"] == corrections["_before"])
            listed.append(changes(pair, name, pair["_before"], pair["_after"], pair["_rule"], pair["_confidence"]))
            joined = rows.left_join(corrections, rows[name] == corrections["_before"])
            cells = {column: joined[column] for column in raw.columns}
            cells[name] = ibis.ifelse(joined["_before"].notnull(), joined["_after"], joined[name])
            rows = joined.select(**cells)
    return (engine.hold(rows), listed) if listed else (raw, [])


def _suspects(
    engine: Engine, raw: Table, columns: dict[str, Column], about: dict[str, list[Check]]
) -> dict[str, list[str]]:
    """For each column its distinct texts that may want repair, in order."""
    found = [
        raw.filter(_suspect(raw[name], columns[name], checks)).select(column=ibis.literal(name), text=raw[name])
        for name, checks in about.items()
    ]
    texts: dict[str, list[str]] = {}
    if found:
        table = ibis.union(*found, distinct=True) if len(found) > 1 else found[0].distinct()
        for row in engine.rows(table.order_by("column", "text")):
            texts.setdefault(row["column"], []).append(row["text"])
    return texts


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
    if checks and not any(isinstance(check, (InSet, Matches)) for check in checks):
        # Where such a check lets the word pass, it is a value: NA may be Namibia.
        reasons.append(text.lower().isin(NOTHING))
    return ibis.or_(*reasons)


def _apply(words: list[Word], rule: str, rewrite: Rewrite) -> None:
    for word in words:
        if word.after is not None:
            after, confidence = rewrite(word.after)
            if after != word.after:
                word.after = after
                word.rules.append(rule)
                word.confidence *= confidence


def _repairs(words: list[Word], column: Column, checks: list[Check]) -> Iterator[tuple[str, Rewrite]]:
    """The repairs for a column, in order. Each may look at what those before it made of the words."""
    yield "trim", _sure(str.strip)
    if column.type != "string" or checks:
        yield "nothing", _nothing(checks)
    if column.type == "date":
        order = dates.order_of(word.after for word in words if word.after is not None)
        yield "date notation", _sure(dates.iso)
        yield "date notation", lambda text: (dates.iso_slashed(text, order), order.confidence)
    elif column.type == "boolean":
        yield "boolean notation", _sure(booleans.plain)
    elif column.type in ("integer", "float") or scale_of(column.type) is not None:
        if len({numbers.currency(word.after) for word in words if word.after is not None} - {None}) <= 1:
            yield "currency", _sure(numbers.without_currency)
        commas = any(numbers.has_decimal_comma(word.after) for word in words if word.after is not None)
        yield "number notation", _sure(lambda text: numbers.plain(text, column.type, commas=commas))
    for check in checks:
        if isinstance(check, InSet):
            yield "spelling", _spelling(check.values)
        elif isinstance(check, Matches):
            yield "letter case", _sure(_letter_case(check.pattern))


def _sure(rewrite: Callable[[str], str]) -> Rewrite:
    return lambda text: (rewrite(text), 1.0)


def _spelling(values: tuple[str, ...]) -> Rewrite:
    def rewrite(text: str) -> tuple[str | None, float]:
        return (text, 1.0) if text in values else spelling.listed(text, values) or (text, 1.0)

    return rewrite


def _nothing(checks: list[Check]) -> Rewrite:
    # A listed word in other letters is for the spelling to put right.
    allowed = {value.lower() for check in checks if isinstance(check, InSet) for value in check.values}
    patterns = [_form(check.pattern) for check in checks if isinstance(check, Matches)]

    def rewrite(text: str) -> tuple[str | None, float]:
        nothing = text.lower() in NOTHING and text.lower() not in allowed
        return (None if nothing and not any(form.fullmatch(text) for form in patterns) else text, 1.0)

    return rewrite


def _letter_case(pattern: str) -> Callable[[str], str]:
    whole = _form(pattern)
    return lambda text: next((form for form in (text, text.upper(), text.lower()) if whole.fullmatch(form)), text)


def _form(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.ASCII)
    except re.error:
        # The engine's dialect knows things that Python's does not; then no text is taken to have the form.
        return re.compile(r"(?!)")


def _table(engine: Engine, words: list[Word]) -> Table:
    return engine.table(
        pa.table(
            {
                "_before": pa.array([word.before for word in words], pa.string()),
                "_after": pa.array([word.after for word in words], pa.string()),
                "_rule": pa.array([", ".join(word.rules) for word in words], pa.string()),
                "_confidence": pa.array([word.confidence for word in words], pa.float64()),
            }
        )
    )
