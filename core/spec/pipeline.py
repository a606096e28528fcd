"""PipelineSpec: the whole document, and what must hold between its parts."""

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from core.spec.check import Check, ForeignKey
from core.spec.checklist import misfits
from core.spec.column import Names, check_apart, check_given
from core.spec.crew import JUDGED, CrewBudget
from core.spec.engine import DuckDbEngine, EngineSpec
from core.spec.governance import Governance
from core.spec.part import Part
from core.spec.rule import Reference, Rule
from core.spec.sla import Sla
from core.spec.source import Source
from core.task import THRESHOLDS, Dimension, Stage

# Names become folders and parts of step keys.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$", max_length=60)]


class Misfits(ValueError):
    """Parts of a document that do not fit together. `problems` has one line for each place."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("; ".join(problems))


class Aggregation(Part):
    """Group the rows of one dataset and compute aggregates, each an expression such as `sum(revenue)`."""

    dataset: str
    group_by: Names = Field(min_length=1)
    aggregates: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_name_twice(self) -> "Aggregation":
        for name in self.aggregates:
            if name in self.group_by:
                raise ValueError(f"'{name}' is both grouped by and an aggregate")
            check_given(name)
        check_apart([*self.group_by, *self.aggregates])
        return self


class Target(Part):
    """Where the result is published: a folder of Parquet files, replaced as a whole."""

    path: str = Field(min_length=1, description="Relative to the document.")
    format: Literal["parquet"] = "parquet"
    partition_by: Names = ()
    dataset: str | None = Field(
        default=None,
        description="What is published when nothing is aggregated; not needed with a single candidate.",
    )


class Gate(Part):
    """What data must be like to be published (systems F4).

    `thresholds` are per dataset; one missed is a major violation, and a critical one when missed by more than
    `critical_margin`. `publish` and `enhance` are the mean qualities from which on the gate publishes or enhances;
    `max_critical` is the number of critical violations up to which enhancing is worth a try.
    """

    thresholds: dict[Dimension, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=THRESHOLDS.copy)
    critical_margin: float = Field(default=0.10, ge=0, le=1)
    publish: float = Field(default=0.95, ge=0, le=1)
    enhance: float = Field(default=0.85, ge=0, le=1)
    max_critical: int = Field(default=2, ge=0)
    enhancements: int = Field(default=2, ge=0)
    retries: int = Field(default=2, ge=0)
    spent: Literal["fail", "approval"] = Field(
        default="fail", description="When enhancements and retries are spent: fail, or wait for a person."
    )
    approval: bool = Field(default=False, description="Whether a person must approve every publication.")
    approvers: tuple[Annotated[str, Field(min_length=1)], ...] = Field(
        default=(), description="Who is asked, one after the other; without any, the pipeline's owner, then its leads."
    )
    approval_timeout_s: float = Field(default=86_400.0, gt=0, description="How long each of them has, seconds.")


class PipelineSpec(Part):
    """A pipeline from its sources to its target. Build it here, or read it from YAML with `core.spec.load`."""

    name: Name
    description: str = ""
    complexity: Literal["auto", "simple", "standard", "complex"] = "auto"
    sources: dict[Name, Source] = Field(min_length=1)
    validation: dict[str, tuple[Check, ...]] = Field(default_factory=dict)
    transformation: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)
    enrichment: dict[str, tuple[Rule, ...]] = Field(default_factory=dict)
    aggregation: Aggregation | None = None
    target: Target
    gate: Gate = Gate()
    engine: EngineSpec = DuckDbEngine()
    sla: Sla = Sla()
    governance: Governance = Governance()
    assignment: Literal["policy", "auction", "optimizer"] = "policy"
    executor: dict[Stage, Literal["rules", "crew"]] = Field(
        default_factory=dict, description="Who does a stage: rules alone, or with a crew of CrewAI."
    )
    crew: CrewBudget = CrewBudget()

    @model_validator(mode="after")
    def _fits_together(self) -> "PipelineSpec":
        problems = [*self._unknown_datasets(), *self._misplaced(), *self._bad_joins(), *self._bad_checks()]
        problems += self._idle_crews()
        if not problems:
            problems = [*self._cycles()] or [*self._unused(), *self._bad_partitions()]
        if problems:
            raise Misfits(problems)
        return self

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the spec's content; equal for equal pipelines, whatever the order of keys in the document."""
        return hashlib.sha256(json.dumps(self.content(), sort_keys=True).encode()).hexdigest()

    def content(self) -> dict[str, Any]:
        """The spec as plain JSON values."""
        return self.model_dump(mode="json")

    @property
    def result(self) -> str:
        """The dataset that is aggregated, or else published."""
        if self.aggregation:
            return self.aggregation.dataset
        if self.target.dataset:
            return self.target.dataset
        candidates = set(self.sources) - self.joined
        return candidates.pop() if len(candidates) == 1 else ""

    @property
    def joined(self) -> set[str]:
        """Datasets that another one looks up."""
        return {join.dataset for _, _, join in self.joins()}

    def joins(self) -> Iterator[tuple[str, int, Reference]]:
        """Every rule that looks up another dataset, with its own dataset and its place in that one's enrichment."""
        for dataset, rules in self.enrichment.items():
            for index, rule in enumerate(rules):
                if isinstance(rule, Reference):
                    yield dataset, index, rule

    def foreign_keys(self) -> Iterator[tuple[str, int, ForeignKey]]:
        """Every foreign key with its dataset and its place in that dataset's validation."""
        for dataset, checks in self.validation.items():
            for index, check in enumerate(checks):
                if isinstance(check, ForeignKey):
                    yield dataset, index, check

    def _unknown_datasets(self) -> Iterator[str]:
        named = [(f"validation.{d}", d) for d in self.validation]
        named += [(f"transformation.{d}", d) for d in self.transformation]
        named += [(f"enrichment.{d}", d) for d in self.enrichment]
        named += [(f"validation.{d}.{i}.dataset", key.dataset) for d, i, key in self.foreign_keys()]
        named += [(f"enrichment.{d}.{i}.dataset", join.dataset) for d, i, join in self.joins()]
        if self.aggregation:
            named.append(("aggregation.dataset", self.aggregation.dataset))
        if self.target.dataset:
            named.append(("target.dataset", self.target.dataset))
        for place, dataset in named:
            if dataset not in self.sources:
                yield f"{place}: there is no source '{dataset}'; there are {', '.join(sorted(self.sources))}"

    def _misplaced(self) -> Iterator[str]:
        for stage, of in (("transformation", self.transformation), ("enrichment", self.enrichment)):
            for dataset, rules in of.items():
                for index, rule in enumerate(rules):
                    place = f"{stage}.{dataset}.{index}: '{rule.rule}'"
                    if not rule.keeps_rows:
                        yield f"{place} makes other rows of them, which no stage may; group with `aggregation` instead"
                    elif isinstance(rule, Reference) and stage == "transformation":
                        yield f"{place} looks up another dataset; put it into enrichment"

    def _idle_crews(self) -> Iterator[str]:
        """Crews where nothing is left to judge: reading, grouping, and stages without any rule."""
        for stage, executor in self.executor.items():
            if executor != "crew":
                continue
            if stage not in JUDGED:
                yield f"executor.{stage}: rules leave nothing there to judge; a crew can do {', '.join(JUDGED)}"
            elif stage != Stage.VALIDATION and not any(getattr(self, stage).values()):
                yield f"executor.{stage}: no dataset has rules there, so a crew would have nothing to do"

    def _bad_joins(self) -> Iterator[str]:
        for dataset, index, join in self.joins():
            if join.dataset == dataset:
                yield f"enrichment.{dataset}.{index}.dataset: '{dataset}' cannot be joined with itself"

    def _bad_checks(self) -> Iterator[str]:
        for dataset, checks in self.validation.items():
            if dataset in self.sources:
                for index, check in enumerate(checks):
                    other = self.sources.get(check.dataset) if isinstance(check, ForeignKey) else None
                    for problem in misfits(check, self.sources[dataset].columns, other.columns if other else None):
                        yield f"validation.{dataset}.{index}: {problem}"

    def _bad_partitions(self) -> Iterator[str]:
        if self.aggregation is None:
            return
        there = [*self.aggregation.group_by, *self.aggregation.aggregates]
        for index, name in enumerate(self.target.partition_by):
            if name not in there:
                yield f"target.partition_by.{index}: the result has no column '{name}'; it has {', '.join(there)}"
        if set(there) == set(self.target.partition_by):
            yield "target.partition_by: at least one column must be left to stand in the files"

    def _cycles(self) -> Iterator[str]:
        looks_up: dict[str, set[str]] = {}
        for dataset, _, join in self.joins():
            looks_up.setdefault(dataset, set()).add(join.dataset)
        done: set[str] = set()
        while ready := [d for d in looks_up if d not in done and not (looks_up[d] & looks_up.keys()) - done]:
            done.update(ready)
        if left := sorted(looks_up.keys() - done):
            yield f"enrichment: {', '.join(left)} look each other up in a circle"

    def _unused(self) -> Iterator[str]:
        if self.aggregation and self.target.dataset not in (None, self.aggregation.dataset):
            yield f"target.dataset: what is published is the aggregation of '{self.aggregation.dataset}'"
            return
        if not self.result:
            unclear = ", ".join(sorted(set(self.sources) - self.joined))
            yield f"target.dataset: name the dataset to publish, one of {unclear}"
            return
        reached, frontier = {self.result}, [self.result]
        while frontier:
            dataset = frontier.pop()
            looked_up = {join.dataset for owner, _, join in self.joins() if owner == dataset}
            looked_up |= {key.dataset for owner, _, key in self.foreign_keys() if owner == dataset}
            frontier += looked_up - reached
            reached |= looked_up
        for source in self.sources:
            if source not in reached:
                yield f"sources.{source}: its rows reach no result; join it, or leave it out"
