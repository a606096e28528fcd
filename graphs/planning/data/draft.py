"""A pipeline in the making: the parts of its document, each with why it is there."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from core.spec.check import Between, Check
from graphs.planning.data.dataset import Dataset, Rule, Survey
from graphs.planning.data.goal import ColumnOf, Goal
from graphs.planning.data.tasks import Asked, expression
from graphs.planning.plan import Plan

# Where more of a column's cells are missing than this, rows are not held back for it: of one by which they are grouped
# or looked up, and of one that is measured, where a row without a value still counts in other measures.
_FEW = 0.1
_FEW_MEASURED = 0.02


@dataclass
class Part:
    """A rule or check as the document has it, and the comment above it."""

    content: dict[str, Any]
    why: str


@dataclass
class Draft:
    """`columns` are those that each dataset declares, `result` those without which a row is of no use to the result."""

    columns: dict[str, list[str]] = field(default_factory=dict)
    result: dict[str, set[str]] = field(default_factory=dict)
    checks: dict[str, list[Part]] = field(default_factory=dict)
    transformation: dict[str, list[Part]] = field(default_factory=dict)
    enrichment: dict[str, list[Part]] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def critical(self) -> int:
        return sum(part.content.get("severity") == "critical" for parts in self.checks.values() for part in parts)


def drafted(plan: Plan, goal: Goal, wanted: Asked, survey: Survey) -> Draft:
    """What the plan's steps come to."""
    return _Drafting(goal, wanted, survey).of(plan)


class _Drafting:
    def __init__(self, goal: Goal, wanted: Asked, survey: Survey) -> None:
        self._goal = goal
        self._asked = wanted
        self._survey = survey
        self._draft = Draft()
        self._made: dict[str, set[str]] = {}
        self._keys: dict[str, list[str]] = {}

    def of(self, plan: Plan) -> Draft:
        for step in plan.steps:
            name, *arguments = step.task
            if step_method := getattr(self, f"_{str(name).replace(' ', '_')}", None):
                step_method(*arguments)
        for dataset in self._draft.columns:
            self._draft.checks[dataset] = self._checked(self._survey.datasets[dataset])
            self._draft.transformation[dataset] = [*self._plain(dataset), *self._draft.transformation.get(dataset, [])]
        self._draft.transformation = {name: parts for name, parts in self._draft.transformation.items() if parts}
        return self._draft

    def _read(self, dataset: str) -> None:
        found = self._survey.datasets[dataset]
        self._draft.columns[dataset] = [found.key] if found.key else []
        if not self._goal.measures and dataset == self._goal.base:
            self._use(dataset, [column.name for column in found.columns.values() if column.kind != "none"])

    def _parse(self, dataset: str, column: str, form: str) -> None:
        self._need(dataset, [column])
        found = self._survey.datasets[dataset].columns[column]
        turned = found.turned and ColumnOf(dataset=dataset, column=column) in self._goal.month_first
        formats = list(found.turned if turned else found.formats)
        why = f"the dates of {column} are written as {' or '.join(formats)}: {found.remark}"
        to = {"to": "timestamp"} if found.timed else {}
        self._early(dataset, {"rule": "parse_dates", "columns": [column], "formats": formats, **to}, why)
        if found.share < 1:
            odd = f"{1 - found.share:.1%} of the texts of {column} in {dataset} are no dates by {' or '.join(formats)}"
            self._draft.remarks.append(f"{odd}: their rows are held back")

    def _truncate(self, dataset: str, column: str, unit: Any, new: str) -> None:
        self._need(dataset, [column])
        why = f"the {unit} of {column}, as the goal asks for"
        self._early(dataset, {"rule": "derive", "columns": {new: expression(unit, column)}}, why)
        self._make(dataset, new)

    def _rename(self, dataset: str, column: str, new: str) -> None:
        self._need(dataset, [column])
        why = f"{self._goal.base} has a {column} of its own"
        self._early(dataset, {"rule": "rename", "columns": {column: new}}, why)
        self._make(dataset, new)

    def _look_up(self, dataset: str, column: str, other: str, key: str) -> None:
        self._need(dataset, [column])
        self._use(other, [key])
        self._keys.setdefault(other, []).append(key)
        links = self._survey.links
        link = next(one for one in links if one.names == (dataset, column, other, key))
        for name, of, rules in ((dataset, column, link.left_rules), (other, key, link.right_rules)):
            self._alike(name, rules, f"the values of {of} are written as those of the other side are: {link.evidence}")
        content = {"rule": "join", "dataset": other, "on": {column: key}, "columns": []}
        why = f"rows of {dataset} look up {other} by {column}: {link.evidence}"
        self._draft.enrichment.setdefault(dataset, []).append(Part(content, why))

    def _take(self, dataset: str, column: str, other: str, key: str, taken: str) -> None:
        self._need(other, [taken])
        self._make(dataset, taken)
        for part in self._draft.enrichment[dataset]:
            if (part.content.get("dataset"), part.content.get("on")) == (other, {column: key}):
                part.content["columns"] = list(dict.fromkeys([*part.content["columns"], taken]))

    def _combine(self, dataset: str, new: str, how: str, columns: Sequence[str]) -> None:
        self._need(dataset, columns)
        why = (
            f"the column {new} is made of {' and '.join(columns)}, as no column has it"
            if columns
            else "one group of all rows"
        )
        self._placed(dataset, {"rule": "derive", "columns": {new: how}}, why, columns)
        self._make(dataset, new)

    def _keep(self, dataset: str, condition: str, columns: Sequence[str]) -> None:
        self._need(dataset, columns)
        self._placed(dataset, {"rule": "filter", "where": condition}, "only these rows are asked for", columns)

    def _group(self, dataset: str) -> None:
        own = [c.column for m in self._goal.measures for c in m.columns if c.dataset == dataset]
        self._need(dataset, [*self._asked.group_by, *own])

    def _plain(self, dataset: str) -> list[Part]:
        """What makes numbers of measured texts that are written otherwise, before anything reads them."""
        compared = {(c.column.dataset, c.column.column) for c in self._goal.comparisons}
        names = [
            name
            for name in self._draft.columns[dataset]
            if self._measured(dataset, name) or (dataset, name) in compared
        ]
        columns = [self._survey.datasets[dataset].columns[name] for name in names]
        self._draft.remarks += [f"of {one.name} in {dataset}, {one.doubt}" for one in columns if one.doubt]
        self._draft.remarks += [
            f"{1 - column.share:.1%} of the numbers of {column.name} in {dataset} are written otherwise than"
            " the others: these rows are held back"
            for column in columns
            if column.plain and column.share < 1
        ]
        return [
            Part(rule, "" if number else f"the numbers of {column.name} are written {column.remark}")
            for column in columns
            for number, rule in enumerate(column.plain)
        ]

    def _early(self, dataset: str, content: dict[str, Any], why: str) -> None:
        self._draft.transformation.setdefault(dataset, []).append(Part(content, why))

    def _alike(self, dataset: str, rules: Sequence[Rule], why: str) -> None:
        """What makes a key like another's, before anything reads it; once, however many look it up."""
        there = [part.content for part in self._draft.transformation.get(dataset, [])]
        self._draft.transformation[dataset] = [
            *(Part(rule, why) for rule in rules if rule not in there),
            *self._draft.transformation.get(dataset, []),
        ]

    def _placed(self, dataset: str, content: dict[str, Any], why: str, columns: Sequence[str]) -> None:
        """Among the transformations, where all that it reads is there by then; else after the joins."""
        own = self._survey.datasets[dataset].columns
        early = all(column in own and column not in self._made.get(dataset, ()) for column in columns)
        stage = self._draft.transformation if early else self._draft.enrichment
        stage.setdefault(dataset, []).append(Part(content, why))

    def _make(self, dataset: str, column: str) -> None:
        self._made.setdefault(dataset, set()).add(column)

    def _use(self, dataset: str, columns: Sequence[str]) -> None:
        """Declare those of the columns that are the source's own."""
        found = self._survey.datasets[dataset].columns
        own = [column for column in columns if column in found and column not in self._made.get(dataset, ())]
        self._draft.columns[dataset] = list(dict.fromkeys([*self._draft.columns[dataset], *own]))

    def _need(self, dataset: str, columns: Sequence[str]) -> None:
        self._use(dataset, columns)
        self._draft.result.setdefault(dataset, set()).update(columns)

    def _checked(self, dataset: Dataset) -> list[Part]:
        parts: list[Part] = []
        keys = self._keys.get(dataset.name, [])
        for name in self._draft.columns[dataset.name]:
            column = dataset.columns[name]
            needed = name in self._draft.result.get(dataset.name, ()) or name in keys
            severity = {"severity": "critical"} if needed else {}
            if name == dataset.key or name in keys:
                parts.append(Part({"check": "not_null", "column": name, **severity}, self._identity(dataset, name)))
                # What stands twice counts twice.
                parts.append(Part({"check": "unique", "columns": [name], "severity": "critical"}, ""))
            elif needed and column.missing <= (_FEW_MEASURED if self._measured(dataset.name, name) else _FEW):
                gaps = f"{column.missing:.1%} of its cells are empty" if column.missing else "no cell is empty"
                why = f"a row without {name} has no place in the result; {gaps}"
                parts.append(Part({"check": "not_null", "column": name, **severity}, why))
            elif needed:
                empty = f"{column.missing:.0%} of the cells of {name} in {dataset.name} are empty"
                kept = any(
                    (one.column.dataset, one.column.column) == (dataset.name, name)
                    and not getattr(one, "negated", False)
                    for one in self._goal.kept
                )
                what = "are none of those that are asked for" if kept else "count without it"
                self._draft.remarks.append(f"{empty}: these rows {what}")
            if needed and column.type != "string" and column.share < 1:
                told = f"what is no {column.type} is repaired, or held back; {column.remark}"
                odd = f"{1 - column.share:.1%} of the cells of {name} in {dataset.name} are no {column.type}"
                self._draft.remarks.append(f"{odd}: these rows are held back unless they can be repaired")
                parts.append(Part({"check": "type", "column": name, "type": column.type, **severity}, told))
            parts += [Part({**_told(check), **severity}, column.remark or _seen(dataset)) for check in column.checks]
            if any(isinstance(check, Between) for check in column.checks):
                apart = column.remark.rpartition("; ")[2]
                self._draft.remarks.append(f"of {name} in {dataset.name}, {apart}: their rows are held back")
        return parts

    def _measured(self, dataset: str, column: str) -> bool:
        named = [c for measure in self._goal.measures for c in measure.columns]
        return any((one.dataset, one.column) == (dataset, column) for one in named)

    def _identity(self, dataset: Dataset, column: str) -> str:
        found = dataset.columns[column]
        rows = f"{found.distinct:,} different values in {dataset.rows:,} rows"
        copies = "; repeats are copies, or contradict each other" if found.distinct < dataset.rows else ""
        return f"the values of {column} tell the rows of {dataset.name} apart: {rows}{copies}"


def _told(check: Check) -> dict[str, Any]:
    return check.model_dump(mode="json", exclude_defaults=True, exclude={"severity", "dimension"})


def _seen(dataset: Dataset) -> str:
    return f"as almost all of {dataset.rows:,} rows have it"
