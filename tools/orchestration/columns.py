"""Which columns of the sources each published column comes from, as far as the spec tells."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.spec import Aggregation, PipelineSpec
from core.spec.check import ForeignKey, Unique
from core.spec.rule import Deduplicate, Derive, DropNulls, Filter, Reference, Rename, Rule, Select
from core.spec.rule.change import InPlace
from core.task import Stage
from tools.orchestration.requirements import units_of
from tools.transformation.columns import read_by_check, read_by_rule
from tools.transformation.expression import names

Kind = Literal["check", "filter", "join", "deduplicate", "group_by"]


class SourceColumn(BaseModel):
    """A column that a source declares."""

    model_config = ConfigDict(frozen=True)

    dataset: str
    column: str


class Derivation(BaseModel):
    """What the values of a column are made of. `by` has the rules and expressions that they went through, in order."""

    model_config = ConfigDict(frozen=True)

    inputs: tuple[SourceColumn, ...]
    kind: Literal["identity", "transformation", "aggregation"] = "identity"
    by: tuple[str, ...] = ()


class Influence(BaseModel):
    """A source column that decides which rows there are, or how they are grouped, and by what it does so."""

    model_config = ConfigDict(frozen=True)

    input: SourceColumn
    kind: Kind
    by: str


class ColumnLineage(BaseModel):
    """The published columns, and what decides about their rows."""

    columns: dict[str, Derivation]
    influences: list[Influence]


class _Dataset:
    """A dataset on its way through the stages."""

    def __init__(self, name: str, columns: Iterable[str]) -> None:
        self.columns = {c: Derivation(inputs=(SourceColumn(dataset=name, column=c),)) for c in columns}
        self.influences: list[Influence] = []

    def keep(self, names: Iterable[str]) -> None:
        """These columns only, as far as it is known what they are made of."""
        self.columns = {name: self.columns[name] for name in names if name in self.columns}

    def derive(self, inputs: Iterable[str], by: str, kind: Literal["transformation", "aggregation"]) -> Derivation:
        """What is made of these columns."""
        made = [self.columns[name] for name in inputs if name in self.columns]
        return Derivation(
            inputs=tuple(dict.fromkeys(origin for derivation in made for origin in derivation.inputs)),
            kind=kind,
            by=(*dict.fromkeys(step for derivation in made for step in derivation.by), by),
        )

    def decide(self, inputs: Iterable[str], kind: Kind, by: str, *, of: "_Dataset | None" = None) -> None:
        """These columns, its own or those of another dataset, decide about its rows."""
        columns = (of or self).columns
        for name in inputs:
            for origin in columns[name].inputs if name in columns else ():
                self._add(Influence(input=origin, kind=kind, by=by))

    def look_up(self, other: "_Dataset", rule: Reference) -> None:
        by = f"{rule.rule}({rule.dataset})"
        self.decide(rule.reads(), "join", by)
        self.decide(rule.keys(), "join", by, of=other)
        for influence in other.influences:
            self._add(influence)
        taken = zip(rule.writes(), rule.taken(), strict=True)
        self.columns |= {name: other.columns[theirs] for name, theirs in taken if theirs in other.columns}

    def _add(self, influence: Influence) -> None:
        if influence not in self.influences:
            self.influences.append(influence)


def trace(spec: PipelineSpec) -> ColumnLineage:
    """Follow the columns of a checked spec from the sources to what is published.

    Raises ExpressionError if an expression cannot be parsed.
    """
    datasets = {name: _Dataset(name, source.columns) for name, source in spec.sources.items()}
    for stage, name in units_of(spec):
        dataset = datasets[name]
        if stage == Stage.VALIDATION:
            for check in spec.validation.get(name, ()):
                dataset.decide(read_by_check(check), "check", check.name)
                if isinstance(check, ForeignKey):
                    dataset.decide(check.on.values(), "check", check.name, of=datasets[check.dataset])
        elif stage in (Stage.TRANSFORMATION, Stage.ENRICHMENT):
            rules = spec.transformation if stage == Stage.TRANSFORMATION else spec.enrichment
            for rule in rules[name]:
                _apply(dataset, rule, datasets)
        elif stage == Stage.AGGREGATION and spec.aggregation:
            _aggregate(dataset, spec.aggregation)
    result = datasets[spec.result]
    return ColumnLineage(columns=result.columns, influences=result.influences)


def keys(spec: PipelineSpec, dataset: str) -> frozenset[str]:
    """The columns of a dataset's source by which its rows are told apart, and by which they and others find each other.

    Also by way of rules: an address that is renamed, or cut in two and joined by one half, is such a column. Raises
    ExpressionError if an expression cannot be parsed.
    """
    found = {
        influence.input.column
        for influence in trace(spec).influences
        if influence.input.dataset == dataset and influence.kind in ("join", "deduplicate")
    }
    for owner, _, key in spec.foreign_keys():
        found |= {*key.on} if owner == dataset else set()
        found |= {*key.on.values()} if key.dataset == dataset else set()
    unique = (check for check in spec.validation.get(dataset, ()) if isinstance(check, Unique))
    return frozenset(found.union(*(check.columns for check in unique)))


def _apply(dataset: _Dataset, rule: Rule, others: dict[str, _Dataset]) -> None:
    read = read_by_rule(rule)
    match rule:
        case Select(columns=columns):
            dataset.keep(columns)
        case Rename(columns=columns):
            dataset.columns = {columns.get(name, name): found for name, found in dataset.columns.items()}
        case Derive(columns=columns):
            dataset.columns |= {
                name: dataset.derive(sorted(names(text)), text, "transformation") for name, text in columns.items()
            }
        case Filter(where=where):
            dataset.decide(read, "filter", where)
        case DropNulls():
            dataset.decide(read, "filter", f"drop_nulls({', '.join(read)})")
        case Deduplicate():
            dataset.decide(read, "deduplicate", f"deduplicate({', '.join(read)})")
        case Reference():
            dataset.look_up(others[rule.dataset], rule)
        case InPlace():
            # Each column for itself: what one becomes, the others do not tell.
            shown = rule.columns if isinstance(rule.columns, dict) else {}
            dataset.columns |= {
                name: dataset.derive(
                    [name], f"{rule.rule}({name}{f': {shown[name]}' if name in shown else ''})", "transformation"
                )
                for name in rule.columns
            }
        case _:
            made = dataset.derive(read, f"{rule.rule}({', '.join(read)})", "transformation")
            dataset.columns |= dict.fromkeys(rule.writes(), made)
    for name in rule.drops():
        dataset.columns.pop(name, None)


def _aggregate(dataset: _Dataset, aggregation: Aggregation) -> None:
    by = f"group_by({', '.join(aggregation.group_by)})"
    dataset.decide(aggregation.group_by, "group_by", by)
    aggregates = {
        name: dataset.derive(sorted(names(text)), text, "aggregation") for name, text in aggregation.aggregates.items()
    }
    dataset.keep(aggregation.group_by)
    dataset.columns |= aggregates
