"""Changes to rules that the data defeats, and rules that make keys alike which are only spelled otherwise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.spec.rule import ParseDates
from flows.investigation.case import Case
from flows.investigation.change import Change
from flows.investigation.edit import Edit
from graphs.planning.data.dates import TURNED

# A notation or a type explains a column from this share of its cells on.
EXPLAINS = 0.95

# How dates are written that need no rule.
ISO = "%Y-%m-%d"


def of_rule(case: Case, dataset: str, column: str, told: Mapping[str, Any], name: str) -> Iterator[Change]:
    """What a rule that converts a column would need to be like, or to have before it, to read the cells it does not."""
    stage, number = told["stage"], told["number"]
    rule = getattr(case.spec, stage)[dataset][number]
    if isinstance(rule, ParseDates):
        yield from _further(dataset, column, rule, told, (stage, dataset, number), name)
        return
    to = rule.columns[column]
    wider = next((kind for kind, share in (told.get("types") or {}).items() if share >= 1.0), None)
    if wider:
        words = f"cast {column} of {dataset} to {wider}, as all its cells are; {told['rows']:,} are no {to}"
        edit = Edit(kind="set", place=(stage, dataset, number, "columns", column), value=wider)
        yield Change(id=f"cast of {dataset}.{column}", words=words, edits=(edit,), because=(name,))
        return
    if to in ("date", "timestamp") and (dates := notations(told)):
        formats = list(dict.fromkeys([*dates["formats"], ISO]))
        before: list[dict[str, Any]] = [{"rule": "parse_dates", "columns": [column], "formats": formats}]
        before[0] |= {"to": to} if to == "timestamp" else {}
        words = f"read {column} of {dataset} as dates written {' or '.join(formats)} before it is cast"
        yield _first(dataset, before, f"dates of {dataset}.{column}", words, name)
    numbers = told.get("numbers")
    if to not in ("date", "timestamp") and numbers and numbers["share"] >= EXPLAINS:
        *before, cast = numbers["rules"]
        fitting = cast["columns"][column] if to == "integer" and numbers["fractions"] else to
        words = (
            f"make plain numbers of {column} of {dataset} before it is cast to {fitting}, as {numbers['share']:.1%} are"
        )
        change = _first(dataset, before, f"numbers of {dataset}.{column}", f"{words} written {numbers['told']}", name)
        edit = Edit(kind="set", place=(stage, dataset, number, "columns", column), value=fitting)
        yield change.model_copy(update={"edits": (*change.edits, *([edit] if fitting != to else []))})


def of_keys(case: Case, dataset: str, told: Mapping[str, Any], name: str) -> Iterator[Change]:
    """Rules that write keys as the other side does, where more rows find theirs so."""
    alike, other = told["alike"], told["looked_up_in"]
    sides = [(dataset, alike["own"]), (other, alike["theirs"])]
    columns = [(side, column) for side, rules in sides for rule in rules for column in rule["columns"]]
    if not all(column in case.spec.sources[side].columns for side, column in columns):
        return
    edits = [edit for side, rules in sides for edit in _prepended(side, rules)]
    words = (
        f"write the keys of {dataset} and {other} alike: {alike['share']:.1%} of the rows find theirs {alike['told']}"
    )
    yield Change(id=f"keys of {dataset} in {other}", words=words, edits=tuple(edits), because=(name,))


def notations(told: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The notations of dates that together explain the odd cells; None where they do not, or the order is not clear."""
    dates: Mapping[str, Any] | None = told.get("notations")
    return dates if dates and dates["share"] >= EXPLAINS and not dates["unclear"] else None


def _further(
    dataset: str, column: str, rule: ParseDates, told: Mapping[str, Any], place: tuple[str | int, ...], name: str
) -> Iterator[Change]:
    """Further notations for a rule that reads dates; none that has day and month the other way round than it has."""
    dates = notations(told)
    if dates is None:
        return
    further = [form for form in dates["formats"] if form not in rule.formats]
    if any({form, there} == set(both) for both in TURNED for form in further for there in rule.formats):
        return
    edit = Edit(kind="set", place=(*place, "formats"), value=[*rule.formats, *further])
    words = (
        f"read {column} of {dataset} as dates written {' or '.join(further)} too, as {dates['share']:.1%} of the odd"
    )
    yield Change(id=f"dates of {dataset}.{column}", words=f"{words} ones are", edits=(edit,), because=(name,))


def _first(dataset: str, rules: Sequence[dict[str, Any]], id: str, words: str, name: str) -> Change:
    return Change(id=id, words=words, edits=tuple(_prepended(dataset, rules)), because=(name,))


def _prepended(dataset: str, rules: Sequence[dict[str, Any]]) -> Iterator[Edit]:
    """Edits that put rules before all others of a dataset, in their order."""
    for rule in reversed(rules):
        yield Edit(kind="prepend", place=("transformation", dataset), value=rule)
