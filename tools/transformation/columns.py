"""Which columns rules and checks read, and which of them later stages need: a stage writes no others."""

from collections.abc import Iterable

from core.spec.check import Check, Expression
from core.spec.pipeline import PipelineSpec
from core.spec.rule import Rule, Select
from core.task import Stage
from tools.transformation.expression import names

_ORDER = list(Stage)


def needed_after(spec: PipelineSpec, stage: Stage, dataset: str, columns: Iterable[str]) -> list[str]:
    """Those of the dataset's columns, in their order, that a stage after `stage` reads, or that are published.

    Raises ExpressionError if an expression of the spec cannot be parsed.
    """
    needed = _at_the_end(spec, dataset)
    later = _ORDER[_ORDER.index(stage) + 1 :]
    stages = {Stage.ENRICHMENT: spec.enrichment, Stage.TRANSFORMATION: spec.transformation}
    for rules in (of.get(dataset, ()) for of_stage, of in stages.items() if of_stage in later):
        for rule in reversed(rules):
            needed = _before(rule, needed)
    if needed is None:
        return list(columns)
    # Whoever looks this dataset up may do so in any stage after this one, its own enrichment included.
    for _, _, join in spec.joins():
        if join.dataset == dataset:
            needed |= {*join.keys(), *join.taken()}
    if stage == Stage.VALIDATION:
        # A validation that comes later looks its keys up here.
        needed |= {name for _, _, key in spec.foreign_keys() if key.dataset == dataset for name in key.on.values()}
    return [column for column in columns if column in needed]


def read_by_rule(rule: Rule) -> list[str]:
    """The columns that a rule reads, those of its expressions included, each once. Raises ExpressionError."""
    mentioned = (name for text in rule.expressions() for name in sorted(names(text)))
    return list(dict.fromkeys((*rule.reads(), *mentioned)))


def read_by_check(check: Check) -> list[str]:
    """The columns that a check looks at, those of its expression included. Raises ExpressionError."""
    return sorted(names(check.expression)) if isinstance(check, Expression) else list(check.reads)


def _at_the_end(spec: PipelineSpec, dataset: str) -> set[str] | None:
    """The columns that are needed when all rules are through; None for all of them."""
    if dataset != spec.result:
        return set()
    if spec.aggregation is None:
        return None
    return {*spec.aggregation.group_by, *(n for text in spec.aggregation.aggregates.values() for n in names(text))}


def _before(rule: Rule, needed: set[str] | None) -> set[str] | None:
    """The columns that are needed before a rule, given those that are needed after it."""
    if isinstance(rule, Select):
        # Nothing else comes through it.
        return set(rule.columns)
    if needed is None:
        return None
    return needed.union(read_by_rule(rule))
