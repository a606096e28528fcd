"""Changes to the spec that facts speak for. Each says what it rests on; what nothing speaks for is not proposed."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from core.spec.check import Expression, InSet, Unique
from core.spec.source import PostgresSource
from flows.investigation.case import Case
from flows.investigation.change import Change
from flows.investigation.edit import Edit
from flows.investigation.mending import EXPLAINS, ISO, notations, of_keys, of_rule
from flows.investigation.renaming import misspellings, renamings
from tools.transformation.expression import names

# A value that is not accepted is a category, and no slip, from this share of the rows on, and so many of them.
CATEGORY_SHARE, CATEGORY_ROWS = 0.01, 3

# A threshold is missed by little up to here.
LITTLE = 0.01


def proposals(case: Case, facts: Mapping[str, Any]) -> list[Change]:
    """All changes that the facts speak for, those of sources first."""
    found: list[Change] = []
    for source in case.spec.sources:
        found += _of_source(case, source, facts)
    for name, told in facts.items():
        dataset, _, check = name.partition(".")
        if isinstance(told, dict) and "of" in told and dataset in case.spec.sources:
            found += _of_check(case, dataset, check, told, name)
    found += misspellings(case)
    found += _of_memory(case)
    return found or list(_of_thresholds(case, facts))


def _of_source(case: Case, source: str, facts: Mapping[str, Any]) -> Iterator[Change]:
    near = facts.get(f"{source}.usable")
    if near:
        edit = Edit(kind="set", place=("sources", source, "path"), value=near)
        yield Change(
            id=f"path of {source}", words=f"read {source} from {near}", edits=(edit,), because=(f"{source}.usable",)
        )
    for key in ("delimiter", "encoding"):
        told = facts.get(f"{source}.{key}")
        if told and told["declared"] != told["found"]:
            edit = Edit(kind="set", place=("sources", source, key), value=told["found"])
            words = f"read {source} with {key} {told['found']!r}, not {told['declared']!r}"
            yield Change(id=f"{key} of {source}", words=words, edits=(edit,), because=(f"{source}.{key}",))
    yield from renamings(case, source, facts)


def _of_check(case: Case, dataset: str, check: str, told: dict[str, Any], name: str) -> Iterator[Change]:
    declared = case.spec.sources[dataset].columns
    column = check.partition("(")[2].rstrip(")")
    if check.startswith("type(") and column in declared:
        yield from _of_type(case, dataset, column, told, name)
    if told.get("rule"):
        yield from of_rule(case, dataset, column, told, name)
    if told.get("alike"):
        yield from of_keys(case, dataset, told, name)
    for index, of in enumerate(case.spec.validation.get(dataset, ())):
        place = ("validation", dataset, index)
        if of.name == check and isinstance(of, InSet):
            enough = max(CATEGORY_ROWS, CATEGORY_SHARE * told["of"])
            for value, rows in told.get("unknown", ()):
                if rows >= enough and value.strip():
                    yield Change(
                        id=f"value {value} of {dataset}.{of.column}",
                        words=f"accept {value!r} as {of.column}, which {rows:,} of {told['of']:,} rows have",
                        edits=(Edit(kind="append", place=(*place, "values"), value=value),),
                        because=(name,),
                    )
        if of.name == check and isinstance(of, Unique) and not told.get("copies") and told.get("told_apart_by"):
            further = told["told_apart_by"][0]
            edit = Edit(kind="set", place=(*place, "columns"), value=[*of.columns, further])
            words = f"rows of {dataset} are told apart by {', '.join(of.columns)} and {further} together"
            yield Change(id=f"key of {dataset}", words=words, edits=(edit,), because=(name,))


def _of_type(case: Case, dataset: str, column: str, told: dict[str, Any], name: str) -> Iterator[Change]:
    place = ("sources", dataset, "columns", column)
    declared = case.spec.sources[dataset].columns[column].type
    forms, share = _dated(told)
    if forms and _free(case, dataset, column):
        # Those that are written as declared are read too.
        forms += [ISO] if told.get("written_right") and ISO not in forms else []
        rule = {"rule": "parse_dates", "columns": [column], "formats": forms}
        if declared == "timestamp":
            rule["to"] = "timestamp"
        edits = (
            Edit(kind="set", place=place, value="string"),
            Edit(kind="prepend", place=("transformation", dataset), value=rule),
        )
        odd = " or ".join(form for form in forms if form != ISO)
        words = (
            f"read {column} of {dataset} as text, and then as dates written {odd}, as {share:.1%} of the odd ones are"
        )
        yield Change(id=f"dates of {dataset}.{column}", words=words, edits=edits, because=(name,))
        return
    for kind, fits in (told.get("types") or {}).items():
        if fits >= 1.0:
            edit = Edit(kind="set", place=place, value=kind)
            words = f"{column} of {dataset} is of type {kind}, as all its cells are; {told['rows']:,} are no {declared}"
            yield Change(id=f"type of {dataset}.{column}", words=words, edits=(edit,), because=(name,))
            return


def _dated(told: Mapping[str, Any]) -> tuple[list[str], float]:
    """The notation of dates that explains the odd cells, or the several that do; none where the order is not clear."""
    form, share = next(iter((told.get("formats") or {}).items()), ("", 0.0))
    if share >= EXPLAINS:
        return ([], 0.0) if _ambiguous(told["formats"]) else ([form], share)
    several = notations(told)
    return ([*several["formats"]], several["share"]) if several else ([], 0.0)


def _ambiguous(formats: Mapping[str, float]) -> bool:
    """Whether the day could be the month: no slashed date of the column tells."""
    return all(formats.get(form, 0.0) >= EXPLAINS for form in ("%d/%m/%Y", "%m/%d/%Y"))


def _free(case: Case, dataset: str, column: str) -> bool:
    """Whether no check needs the column's type, which it has only behind the checks then."""
    checks = case.spec.validation.get(dataset, ())
    typed = [
        check for check in checks if check.check in ("between", "freshness", "distribution", "foreign_key", "type")
    ]
    expressions = [check for check in checks if isinstance(check, Expression) and column in names(check.expression)]
    keyed = [key for _, _, key in case.spec.foreign_keys() if key.dataset == dataset and column in key.on.values()]
    return not expressions and not keyed and not any(column in check.reads for check in typed)


def _of_memory(case: Case) -> Iterator[Change]:
    """More, and so smaller, tasks where memory was too little; the sources tell how many there can be."""
    short = [key for key, failure in case.failures.items() if failure.error == "OutOfMemory"]
    plan = case.history.plan
    higher = {"simple": "standard", "standard": "complex"}.get(plan.level if plan else "")
    files = any(not isinstance(source, PostgresSource) for source in case.spec.sources.values())
    if short and higher and files:
        edit = Edit(kind="set", place=("complexity",), value=higher)
        words = f"plan for {higher} data, which cuts it into more and smaller tasks: {short[0]} had too little memory"
        yield Change(id="complexity", words=words, edits=(edit,), because=("failures",))


def _of_thresholds(case: Case, facts: Mapping[str, Any]) -> Iterator[Change]:
    """Where nothing else is to be changed, what is missed by little: the data may be as good as it gets."""
    for missed in facts.get("gate.missed", ()):
        if not 0 < missed["by"] <= LITTLE:
            continue
        dimension = missed.get("dimension")
        if dimension is None:
            reached = math.floor(missed["reached"] * 1000) / 1000
            edit = Edit(kind="set", place=("gate", "publish"), value=reached)
            words = f"publish from a mean quality of {reached:g} on, for {case.spec.gate.publish:g} is missed by a hair"
            yield Change(id="gate.publish", words=words, edits=(edit,), because=("gate.missed",))
            continue
        lower = math.floor((missed["reached"] + case.spec.gate.critical_margin) * 1000) / 1000
        edit = _threshold(case, dimension, lower)
        words = (
            f"ask for a {dimension} of {lower:g}: {missed['dataset']} has {missed['reached']:.4f}, and more than"
            f" {case.spec.gate.critical_margin:g} below the threshold is critical"
        )
        yield Change(id=f"threshold of {dimension}", words=words, edits=(edit,), because=("gate.missed",))


def _threshold(case: Case, dimension: str, share: float) -> Edit:
    """The edit of a threshold: those that a document gives replace all defaults."""
    place = ("gate", "thresholds")
    given = case.values.get("gate") or {}
    if isinstance(given, dict) and given.get("thresholds"):
        return Edit(kind="set", place=(*place, dimension), value=share)
    everything = {str(name): value for name, value in case.spec.gate.thresholds.items()}
    return Edit(kind="set", place=place, value=everything | {dimension: share})
