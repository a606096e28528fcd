"""Which columns of the sources each published column comes from, as far as the spec tells."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.spec import Aggregation, Expression, PipelineSpec
from core.spec.check import Check
from core.spec.rule import Cast, Deduplicate, Derive, DropNulls, Fill, Filter, Join, Rule, Select
from core.task import Stage
from tools.orchestration.requirements import units_of
from tools.transformation.expression import names


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
    kind: Literal["check", "filter", "join", "deduplicate", "group_by"]
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

    def decide(
        self, inputs: Iterable[str], kind: Literal["check", "filter", "join", "deduplicate", "group_by"], by: str
    ) -> None:
        """These columns decide about the rows."""
        for name in inputs:
            for origin in self.columns[name].inputs if name in self.columns else ():
                self._add(Influence(input=origin, kind=kind, by=by))

    def look_up(self, other: "_Dataset", rule: Join) -> None:
        by = f"join({rule.dataset})"
        self.decide(rule.on, "join", by)
        keys = _Dataset("", ())
        keys.columns = other.columns
        keys.decide(rule.on.values(), "join", by)
        for influence in (*keys.influences, *other.influences):
            self._add(influence)
        self.columns |= {name: other.columns[name] for name in rule.columns if name in other.columns}

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
                dataset.decide(_checked(check), "check", check.name)
        elif stage in (Stage.TRANSFORMATION, Stage.ENRICHMENT):
            rules = spec.transformation if stage == Stage.TRANSFORMATION else spec.enrichment
            for rule in rules[name]:
                _apply(dataset, rule, datasets)
        elif stage == Stage.AGGREGATION and spec.aggregation:
            _aggregate(dataset, spec.aggregation)
    result = datasets[spec.result]
    return ColumnLineage(columns=result.columns, influences=result.influences)


def _checked(check: Check) -> Iterable[str]:
    return sorted(names(check.expression)) if isinstance(check, Expression) else check.reads


def _apply(dataset: _Dataset, rule: Rule, others: dict[str, _Dataset]) -> None:
    match rule:
        case Select(columns=columns):
            dataset.keep(columns)
        case Cast(columns=columns) | Fill(columns=columns):
            dataset.columns |= {
                name: dataset.derive([name], f"{rule.rule}({name}: {value})", "transformation")
                for name, value in columns.items()
            }
        case Derive(columns=columns):
            dataset.columns |= {
                name: dataset.derive(sorted(names(text)), text, "transformation") for name, text in columns.items()
            }
        case Filter(where=where):
            dataset.decide(sorted(names(where)), "filter", where)
        case DropNulls(columns=columns):
            dataset.decide(columns, "filter", f"drop_nulls({', '.join(columns)})")
        case Deduplicate(columns=columns):
            dataset.decide(columns, "deduplicate", f"deduplicate({', '.join(columns)})")
        case Join():
            dataset.look_up(others[rule.dataset], rule)


def _aggregate(dataset: _Dataset, aggregation: Aggregation) -> None:
    by = f"group_by({', '.join(aggregation.group_by)})"
    dataset.decide(aggregation.group_by, "group_by", by)
    aggregates = {
        name: dataset.derive(sorted(names(text)), text, "aggregation") for name, text in aggregation.aggregates.items()
    }
    dataset.keep(aggregation.group_by)
    dataset.columns |= aggregates
