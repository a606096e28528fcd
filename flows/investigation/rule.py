"""Rules of a spec by the names under which rows leave: `parse_dates(day)`, `cast(amount)`."""

from collections.abc import Iterator
from typing import NamedTuple

from core.spec import PipelineSpec
from core.spec.rule import Cast, ParseDates


class NamedRule(NamedTuple):
    """A rule that converts a column: its stage and number there, and to which type. `made` says that the column is not
    the source's by then: a rule before has written it."""

    kind: str
    column: str
    stage: str
    number: int
    to: str
    made: bool
    formats: tuple[str, ...] = ()


def rule_named(spec: PipelineSpec, dataset: str, name: str) -> NamedRule | None:
    """The rule of a dataset that rows leave by under this name, the first if there are several."""
    return next((rule for rule in _rules(spec, dataset) if f"{rule.kind}({rule.column})" == name), None)


def rule_names(spec: PipelineSpec, dataset: str) -> list[str]:
    return [f"{rule.kind}({rule.column})" for rule in _rules(spec, dataset)]


def _rules(spec: PipelineSpec, dataset: str) -> Iterator[NamedRule]:
    written: set[str] = set()
    for stage in ("transformation", "enrichment"):
        for number, rule in enumerate(getattr(spec, stage).get(dataset, ())):
            if isinstance(rule, Cast):
                for column, to in rule.columns.items():
                    yield NamedRule("cast", column, stage, number, to, column in written)
            elif isinstance(rule, ParseDates):
                for column in rule.columns:
                    yield NamedRule("parse_dates", column, stage, number, rule.to, column in written, rule.formats)
            # What is trimmed is the same cell still.
            written |= set(rule.writes()) if rule.rule != "trim" else set()
