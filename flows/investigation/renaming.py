"""Columns that are called otherwise than the spec says."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rapidfuzz import fuzz, process

from core.spec.check import Expression, ForeignKey
from core.spec.rule import Rule
from flows.investigation.case import Case
from flows.investigation.change import Change
from flows.investigation.edit import Edit
from tools.transformation.expression import names

# How the rehearsal tells of an expression that mentions a column which is not there.
_ABSENT = re.compile(r"([a-z]+)\.([\w-]+)(?:\.(\d+))?: '(.*?)': there is no column '([^']+)' here; there are ([^;.]+)")


def renamings(case: Case, source: str, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Changes for columns of a source that have other names now, in all of its files or in some."""
    yield from _in_some(case, source, facts)
    for old, new in (facts.get(f"{source}.renamed") or {}).items():
        words = f"{old} of {source} is called {new} now: read it so, and give it its old name behind the checks"
        yield Change(
            id=f"column {old} of {source}",
            words=words,
            edits=tuple(_renamed(case, source, old, new)),
            because=(f"{source}.missing", f"{source}.renamed"),
        )


def _in_some(case: Case, source: str, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Where some files call a column otherwise: let the voters map it, each time it happens."""
    renamed = facts.get(f"{source}.renamed_in_some") or {}
    if renamed and set(facts[f"{source}.missing"]) <= renamed.keys():
        told = ", ".join(f"{old} is {new}" for old, new in renamed.items())
        yield Change(
            id=f"schema of {source}",
            words=f"let a consensus judge changed files of {source}, in some of which {told}",
            edits=(Edit(kind="set", place=("sources", source, "on_schema_change"), value="consensus"),),
            because=(f"{source}.missing", f"{source}.renamed_in_some"),
            names={source: {old: (new,) for old, new in renamed.items()}},
        )


def _renamed(case: Case, source: str, old: str, new: str) -> Iterator[Edit]:
    """What names a source's column before its first rule has another name; the first rule gives it the old one back."""
    spec = case.spec
    yield Edit(kind="rename", place=("sources", source, "columns", old), value=new)
    for index, check in enumerate(spec.validation.get(source, ())):
        place = ("validation", source, index)
        if getattr(check, "column", None) == old:
            yield Edit(kind="set", place=(*place, "column"), value=new)
        if old in getattr(check, "columns", ()):
            columns = [new if column == old else column for column in check.reads]
            yield Edit(kind="set", place=(*place, "columns"), value=columns)
        if isinstance(check, ForeignKey) and old in check.on:
            yield Edit(kind="rename", place=(*place, "on", old), value=new)
        if isinstance(check, Expression) and old in names(check.expression):
            expression = _with_name(check.expression, old, new)
            yield Edit(kind="set", place=(*place, "expression"), value=expression)
        if old in check.per:
            yield Edit(kind="set", place=(*place, "per"), value=[new if c == old else c for c in check.per])
    for dataset, index, key in spec.foreign_keys():
        if key.dataset == source and old in key.on.values():
            own = next(mine for mine, theirs in key.on.items() if theirs == old)
            yield Edit(kind="set", place=("validation", dataset, index, "on", own), value=new)
    rule = {"rule": "rename", "columns": {new: old}}
    yield Edit(kind="prepend", place=("transformation", source), value=rule)


def misspellings(case: Case) -> Iterator[Change]:
    """Expressions that mention a column which is not there, where one is that is called almost so."""
    for stage, dataset, index, expression, absent, there in _ABSENT.findall(case.error):
        near = process.extractOne(absent, there.split(", "), scorer=fuzz.ratio, score_cutoff=60)
        for place, text in _expressions(case, stage, dataset, index):
            if near and text == expression:
                edit = Edit(kind="set", place=place, value=_with_name(text, absent, near[0]))
                words = f"say {near[0]} for {absent} in `{'.'.join(map(str, place))}`, which is no column there"
                yield Change(
                    id=f"expression at {'.'.join(map(str, place))}", words=words, edits=(edit,), because=("error",)
                )


def _expressions(case: Case, stage: str, dataset: str, index: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where expressions stand in the parts of a stage, and what they are."""
    of: Any = getattr(case.spec, stage, {})
    parts: Any = of.get(dataset, ()) if isinstance(of, dict) else ()
    for number, part in enumerate(parts):
        if index and number != int(index):
            continue
        place = (stage, dataset, number)
        for key in ("expression", "where"):
            if isinstance(getattr(part, key, None), str):
                yield (*place, key), getattr(part, key)
        columns = getattr(part, "columns", None)
        for name, text in columns.items() if isinstance(columns, dict) and _derives(part) else ():
            yield (*place, "columns", name), text


def _derives(part: Rule) -> bool:
    return getattr(part, "rule", "") == "derive"


def _with_name(expression: str, old: str, new: str) -> str:
    plain = new if re.fullmatch(r"[A-Za-z_]\w*", new) else f'"{new}"'
    return re.sub(rf'"{re.escape(old)}"|(?<![\w"\'.]){re.escape(old)}(?![\w"\'])', lambda _: plain, expression)
