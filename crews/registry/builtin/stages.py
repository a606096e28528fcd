"""The agents of the five stages, for use without a pipeline's document: each makes the part of one that it needs."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import ibis
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.dataset import DatasetRef
from core.errors import SpecError
from core.spec import PipelineSpec
from core.spec.check import Check
from core.spec.column import Column, Names
from core.spec.pipeline import Aggregation, Target
from core.spec.rule import Rule
from core.spec.source import Encoding, ParquetSource
from core.task import Outcome, Stage, Task
from crews.agents import AGENTS, Work
from crews.registry.job import Job
from tools.arguments import problems
from tools.engine.engine import Engine, written
from tools.engine.types import declared_type
from tools.quality.profile import profile
from tools.sources import Surroundings
from tools.sources.opening import Files, described_source
from tools.transformation.aggregation import ROWS

_AGENT = {stage: agent for agent in AGENTS.values() for stage in agent.stages}


class _Stage(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Stage):
    """Files whose columns are declared. What is not given of the rest, they tell."""

    columns: dict[str, Column] = Field(min_length=1)
    kind: Literal["csv", "jsonl", "parquet"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: Encoding | None = None


class Ingestion(Source):
    """Reads the declared columns of files; lines that are no records go to quarantine."""

    def perform(self, job: Job) -> Outcome:
        return _ingested(job, job.dataset, job.files, self, job.path)


class Validation(_Stage):
    """Checks rows, and repairs them first if told to. Without `columns`, each has the type that all its values have."""

    columns: dict[str, Column] | None = None
    checks: tuple[Check, ...] = ()
    repair: bool = False

    def perform(self, job: Job) -> Outcome:
        columns = self.columns if self.columns is not None else _types(job)
        outcome = _performed(job, Stage.VALIDATION, columns, repair=self.repair, validation={job.dataset: self.checks})
        if self.columns is not None:
            return outcome
        told = ", ".join(f"{name}: {column.type}" for name, column in columns.items())
        return outcome.model_copy(update={"notes": [*outcome.notes, f"types as the values have them: {told}"]})


class Transformation(_Stage):
    """Changes rows by rules."""

    rules: tuple[Rule, ...] = Field(min_length=1)

    def perform(self, job: Job) -> Outcome:
        return _performed(job, Stage.TRANSFORMATION, _columns(job.records), transformation={job.dataset: self.rules})


class Other(Source):
    """A dataset that is looked up, and where its files are."""

    path: str = Field(min_length=1)


class Enrichment(_Stage):
    """Joins other datasets. Their rows that are not of their columns' types are not found."""

    rules: tuple[Rule, ...] = Field(min_length=1)
    datasets: dict[str, Other] = Field(min_length=1)

    def perform(self, job: Job) -> Outcome:
        """The rows of the other datasets are no part of the account; how many were left out is noted."""
        context: dict[str, list[DatasetRef]] = {}
        notes: list[str] = []
        for name, other in self.datasets.items():
            rows, left = _looked_up(job, name, other)
            context[name] = [rows]
            notes += [f"{left} rows of {name} are unfit, and were not looked at"] if left else []
        more = {name: dict(other.columns) for name, other in self.datasets.items()}
        outcome = _performed(
            job,
            Stage.ENRICHMENT,
            _columns(job.records),
            others=more,
            context=context,
            enrichment={job.dataset: self.rules},
        )
        return outcome.model_copy(update={"notes": [*outcome.notes, *notes]})


class Aggregating(_Stage):
    """Groups rows by columns; by itself, it counts them."""

    group_by: Names = Field(min_length=1)
    aggregates: dict[str, str] = Field(default={"rows": "count(*)"}, min_length=1)

    def perform(self, job: Job) -> Outcome:
        made = Aggregation(dataset=job.dataset, group_by=self.group_by, aggregates=self.aggregates)
        outcome = _performed(job, Stage.AGGREGATION, _columns(job.records), aggregation=made)
        assert outcome.output is not None, "an aggregation has an output"
        # The number of rows in each group is a pipeline's own: whoever takes files knows nothing of it.
        table = pq.ParquetFile(outcome.output.paths[0]).read().drop_columns([ROWS])
        path = job.path / "groups.parquet"
        pq.write_table(table, path)
        return outcome.model_copy(update={"output": written([path])})


def _performed(
    job: Job,
    stage: Stage,
    columns: Mapping[str, Column],
    *,
    repair: bool = False,
    others: Mapping[str, Mapping[str, Column]] | None = None,
    context: dict[str, list[DatasetRef]] | None = None,
    **parts: Any,
) -> Outcome:
    """What the stage's agent makes of the job's rows, by a spec that has nothing but this stage."""
    spec = _spec({job.dataset: columns, **(others or {})}, job.dataset, **parts)
    work = replace(_work(job, spec, job.path), inputs=[job.records], context=context or {})
    return _AGENT[stage].perform(Task(stage=stage, dataset=job.dataset, repair=repair), work)


def _spec(datasets: Mapping[str, Mapping[str, Column]], result: str, **parts: Any) -> PipelineSpec:
    """Raises SpecError for what does not fit the columns."""
    try:
        # The rows are at hand: nothing is read by these sources.
        sources = {name: ParquetSource(kind="parquet", path="-", columns=dict(of)) for name, of in datasets.items()}
        # Rows for a target without partitions would lose their ids, which who comes next needs.
        target = Target(path="-", dataset=result, partition_by=() if "aggregation" in parts else ("-",))
        return PipelineSpec(name="assembly", sources=sources, target=target, **parts)
    except ValidationError as error:
        raise SpecError(result, [problems(error)], remedy="Correct the configuration.") from error


def _work(job: Job, spec: PipelineSpec, path: Path) -> Work:
    return Work(
        spec=spec,
        surroundings=Surroundings(base_dir="/", database_url=job.database.url, spec=False),
        parts=[],
        inputs=[],
        context={},
        path=path,
        limits=job.limits,
        stop=job.stop,
        began=job.began,
    )


def _ingested(job: Job, dataset: str, place: str, source: Source, path: Path) -> Outcome:
    files = Files(path=place, **source.model_dump(include={"columns", "kind", "delimiter", "encoding"}))
    parts, described = described_source(dataset, files, job.context.path)
    spec = _spec({dataset: source.columns}, dataset).model_copy(update={"sources": {dataset: described}})
    work = replace(_work(job, spec, path), parts=parts)
    return _AGENT[Stage.INGESTION].perform(Task(stage=Stage.INGESTION, dataset=dataset), work)


def _looked_up(job: Job, name: str, other: Other) -> tuple[DatasetRef, int]:
    """Another dataset's rows as values of their types, and how many were not fit."""
    folders = [job.path / "others" / name / step for step in ("read", "fit")]
    for folder in folders:
        folder.mkdir(parents=True)
    read = _ingested(job, name, other.path, other, folders[0])
    assert read.output is not None, "an ingestion has an output"
    work = replace(_work(job, _spec({name: other.columns}, name), folders[1]), inputs=[read.output])
    fit = _AGENT[Stage.VALIDATION].perform(Task(stage=Stage.VALIDATION, dataset=name), work)
    assert fit.output is not None, "a validation has an output"
    return fit.output, read.rows.left + fit.rows.left


def _columns(data: DatasetRef) -> dict[str, Column]:
    """The columns of rows, as the spec has types; text where it has none."""
    kinds = {name: declared_type(ibis.dtype(kind)) or "string" for name, kind in data.columns.items()}
    return {name: Column(type=kind) for name, kind in kinds.items() if not name.startswith("_")}


def _types(job: Job) -> dict[str, Column]:
    """The type of each column that all its values have; text where the spec has none."""
    known = _columns(job.records)
    with Engine(job.limits, job.path, job.stop) as engine:
        found = profile(engine, engine.read([job.records]).select(*known))
    kinds = {column.name: column.type for column in found.columns if known[column.name].type == "string"}
    return {name: Column(type=kinds.get(name, column.type)) for name, column in known.items()}
