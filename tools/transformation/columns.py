"""Which columns rules and checks read, and which of them later stages need: a stage writes no others."""

from collections.abc import Iterable

from core.spec.check import Check, Expression
from core.spec.pipeline import PipelineSpec
from core.spec.rule import Rule
from core.task import Stage
from tools.transformation.expression import names

_ORDER = list(Stage)


def needed_after(spec: PipelineSpec, stage: Stage, dataset: str, columns: Iterable[str]) -> list[str]:
    """Those of the dataset's columns, in their order, that a stage after `stage` reads, or that are published.

    Raises ExpressionError if an expression of the spec cannot be parsed.
    """
    if dataset == spec.result and spec.aggregation is None:
        return list(columns)
    mentioned: set[str] = set()
    later = _ORDER[_ORDER.index(stage) + 1 :]
    if Stage.TRANSFORMATION in later:
        mentioned |= _mentioned(spec.transformation.get(dataset, ()))
    if Stage.ENRICHMENT in later:
        mentioned |= _mentioned(spec.enrichment.get(dataset, ()))
    # Whoever looks this dataset up may do so in any stage after this one, its own enrichment included.
    for _, _, join in spec.joins():
        if join.dataset == dataset:
            mentioned |= {*join.keys(), *join.taken()}
    if stage == Stage.VALIDATION:
        # A validation that comes later looks its keys up here.
        mentioned |= {name for _, _, key in spec.foreign_keys() if key.dataset == dataset for name in key.on.values()}
    if spec.aggregation and dataset == spec.result:
        mentioned |= set(spec.aggregation.group_by)
        mentioned |= {name for text in spec.aggregation.aggregates.values() for name in names(text)}
    return [column for column in columns if column in mentioned]


def read_by_rule(rule: Rule) -> list[str]:
    """The columns that a rule reads, those of its expressions included, each once. Raises ExpressionError."""
    mentioned = (name for text in rule.expressions() for name in sorted(names(text)))
    return list(dict.fromkeys((*rule.reads(), *mentioned)))


def read_by_check(check: Check) -> list[str]:
    """The columns that a check looks at, those of its expression included. Raises ExpressionError."""
    return sorted(names(check.expression)) if isinstance(check, Expression) else list(check.reads)


def _mentioned(rules: Iterable[Rule]) -> set[str]:
    return {name for rule in rules for name in read_by_rule(rule)}
