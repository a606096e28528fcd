"""The built-in agents: one for each stage, each doing its work with the tools of the floor below."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

import ibis
from ibis.expr.types import Table

from core.dataset import DatasetRef
from core.errors import AccountingError
from core.spec import PipelineSpec
from core.stop import Stop
from core.task import Dimension, Fate, Outcome, RowCount, Severity, Stage, Task, Violation
from crews.skills import Profile
from crews.skills.stages import STAGE_PROFILES
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW, unreadable_row
from tools.engine.shard import count_shard, shard
from tools.orchestration.columns import keys
from tools.quality.checks import testable
from tools.quality.departure import count, record, remaining, unreadable
from tools.quality.validation import validate
from tools.sources import Part, Surroundings, reader
from tools.transformation.aggregation import aggregated
from tools.transformation.columns import needed_after
from tools.transformation.rules import Passage, carry_out
from tools.transformation.rules.passage import FOUND


@dataclass(frozen=True)
class Work:
    """What an agent is given with a task.

    `parts` are the parts of the task's source, `inputs` the data that the task continues, `context` the data of
    other datasets that it looks at. Everything it writes goes under `path`. Ages are taken at `began`, when the run
    began, so that it says the same however often it is taken up.
    """

    spec: PipelineSpec
    surroundings: Surroundings
    parts: list[Part]
    inputs: list[DatasetRef]
    context: dict[str, list[DatasetRef]]
    path: Path
    limits: Limits
    stop: Stop
    began: datetime


class Agent(Protocol):
    """Performs tasks of some stages. `perform` returns the outcome, balanced, or raises CrewlineError."""

    @property
    def id(self) -> str: ...

    @property
    def stages(self) -> frozenset[Stage]: ...

    @property
    def profile(self) -> Profile: ...

    def perform(self, task: Task, work: Work) -> Outcome: ...


@dataclass(frozen=True)
class StageAgent:
    """A built-in agent: one stage, performed by one function in an engine session of the task's own.

    A session `in_process` is DuckDB's, whatever engine the spec asks for.
    """

    id: str
    stages: frozenset[Stage]
    profile: Profile
    act: Callable[[Engine, Task, Work], Outcome]
    in_process: bool = False

    def perform(self, task: Task, work: Work) -> Outcome:
        with Engine(work.limits, work.path, work.stop, None if self.in_process else work.spec.engine) as engine:
            return self.act(engine, task, work).model_copy(update={"agent": self.id})


def ingest(engine: Engine, task: Task, work: Work) -> Outcome:
    """Read the shard's parts of the source; lines that are no records go to quarantine."""
    source = reader(task.dataset, work.spec.sources[task.dataset], work.surroundings)
    n = len(work.parts)
    own = work.parts[task.shard * n // task.shards : (task.shard + 1) * n // task.shards]
    readings = [source.read(engine, part, work.path / f"part-{part.index:05}.parquet") for part in own]
    lines = [
        (unreadable_row(part.index, line.line), f"line {line.line}: {line.reason}", line.text)
        for part, reading in zip(own, readings, strict=True)
        for line in reading.unreadable
    ]
    left, leaving = record(engine, [unreadable(engine, lines)] if lines else [], work.path / "left.parquet")
    output = DatasetRef(
        paths=tuple(path for reading in readings for path in reading.output.paths),
        rows=sum(reading.output.rows for reading in readings),
        columns=readings[0].output.columns,
    )
    violation = Violation(
        check="readable",
        dataset=task.dataset,
        dimension=Dimension.CONSISTENCY,
        severity=Severity.MAJOR,
        rows=len(lines),
    )
    return Outcome(
        task=task.key,
        status="done",
        rows=RowCount(rows_in=output.rows + len(lines), rows_out=output.rows, quarantined=len(lines)),
        output=output,
        left=left,
        leaving=leaving,
        faults={Dimension.CONSISTENCY: len(lines)},
        violations=[violation] if lines else [],
    )


def validate_dataset(engine: Engine, task: Task, work: Work) -> Outcome:
    """Check the shard's rows against the declared types and checks; repair first where the task says so."""
    columns = dict(work.spec.sources[task.dataset].columns)
    found = validate(
        engine,
        shard(engine, work.inputs, task.shard, task.shards),
        dataset=task.dataset,
        columns=columns,
        checks=work.spec.validation.get(task.dataset, ()),
        repair=task.repair,
        others={dataset: _keys(engine, work, dataset, refs) for dataset, refs in work.context.items()},
        at=work.began,
        keys=keys(work.spec, task.dataset),
    )
    repairs = None
    if found.changes:
        table = ibis.union(*found.changes) if len(found.changes) > 1 else found.changes[0]
        repairs = engine.write(table.order_by(ROW, "column"), work.path / "repairs.parquet")
    keep = needed_after(work.spec, Stage.VALIDATION, task.dataset, columns)
    left, leaving = record(engine, found.left, work.path / "left.parquet")
    if found.as_came and task.shards == 1:
        # Nothing is there to be written but who left.
        output = remaining(engine, work.inputs, keep, left)
    else:
        output = engine.write(found.fit.select(ROW, *keep), work.path / "output.parquet")
    return Outcome(
        task=task.key,
        status="done",
        rows=_account(found.rows_in, output, leaving),
        output=output,
        left=left,
        leaving=leaving,
        repairs=repairs,
        faults=found.faults,
        violations=found.violations,
        notes=found.notes,
    )


def apply_rules(engine: Engine, task: Task, work: Work) -> Outcome:
    """Apply the dataset's rules of the task's stage to the shard's rows."""
    cut = (0, 1) if task.aligned else (task.shard, task.shards)
    rows, rows_in = shard(engine, work.inputs, *cut), count_shard(engine, work.inputs, *cut)
    stage_rules = work.spec.transformation if task.stage == Stage.TRANSFORMATION else work.spec.enrichment
    others = {dataset: engine.read(refs) for dataset, refs in work.context.items()}

    def write(done: Passage) -> tuple[DatasetRef, DatasetRef | None, dict[str, int], dict[str, DatasetRef]]:
        columns = [name for name in done.rows.columns if not name.startswith("_")]
        keep = needed_after(work.spec, task.stage, task.dataset, columns)
        if _is_published(task, work.spec):
            output, written = _for_target(engine, done.rows, keep, work.path)
        else:
            output, written = engine.write(done.rows.select(ROW, *keep), work.path / "output.parquet"), None
        # Where as many go on as came, nobody needs to be looked for who left: no rule here makes more rows of them.
        gone = done.left if output.rows != rows_in else []
        left, leaving = record(engine, gone, work.path / "left.parquet")
        found = done.used(written).items()
        used = {other: engine.write(table, work.path / f"used-{other}.parquet") for other, table in found}
        return output, left, leaving, used

    output, left, leaving, used = carry_out(
        engine, rows, stage_rules[task.dataset], write, dataset=task.dataset, others=others
    )
    caught = {key.partition(":")[2]: n for key, n in leaving.items() if key.startswith(Fate.QUARANTINED)}
    return Outcome(
        task=task.key,
        status="done",
        rows=_account(rows_in, output, leaving),
        output=output,
        left=left,
        leaving=leaving,
        used=used,
        # What a rule cannot convert or find is of the wrong form, or refers to nothing.
        faults={Dimension.CONSISTENCY: sum(caught.values())},
        violations=[
            Violation(
                check=rule,
                dataset=task.dataset,
                dimension=Dimension.CONSISTENCY,
                severity=Severity.MAJOR,
                rows=n,
            )
            for rule, n in caught.items()
        ],
    )


def _is_published(task: Task, spec: PipelineSpec) -> bool:
    """Whether the target gets the rows as they come out of this task's stage, and nobody else needs their ids."""
    last = Stage.ENRICHMENT if spec.enrichment.get(task.dataset) else Stage.TRANSFORMATION
    as_they_are = spec.aggregation is None and not spec.target.partition_by
    looked_up = {join.dataset for _, _, join in spec.joins()}
    return as_they_are and task.dataset == spec.result and task.dataset not in looked_up and task.stage == last


def _for_target(engine: Engine, rows: Table, columns: list[str], path: Path) -> tuple[DatasetRef, Table]:
    """Write rows as the target gets them, and their ids, and what they found, beside them; return the latter too."""
    ordered = rows.order_by(ROW)
    output = engine.write(ordered.select(*columns), path / "output.parquet")
    own = [name for name in rows.columns if name == ROW or name.startswith(FOUND)]
    ids = engine.write(rows.select(*own), path / "ids.parquet")
    if ids.rows != output.rows:
        raise AccountingError(f"{output.rows} rows are on file, but {ids.rows} ids, at {path}.")
    return output.model_copy(update={"ids": ids.paths}), engine.read([ids])


def aggregate(engine: Engine, task: Task, work: Work) -> Outcome:
    """Group all rows of the dataset."""
    assert work.spec.aggregation is not None, "a task of this stage is planned only with an aggregation"
    rows_in = sum(ref.rows for ref in work.inputs)
    output = engine.write(aggregated(engine.read(work.inputs), work.spec.aggregation), work.path / "output.parquet")
    return Outcome(
        task=task.key,
        status="done",
        rows=RowCount(rows_in=rows_in, rows_out=rows_in),
        groups=output.rows,
        output=output,
    )


def _keys(engine: Engine, work: Work, dataset: str, refs: list[DatasetRef]) -> Table:
    """The rows of another dataset as values of their types, whether they were validated yet or not."""
    rows = engine.read(refs)
    columns = work.spec.sources[dataset].columns
    return testable(rows, {name: column for name, column in columns.items() if name in rows.columns})


def _account(rows_in: int, output: DatasetRef, leaving: dict[str, int]) -> RowCount:
    return RowCount(
        rows_in=rows_in,
        rows_out=output.rows,
        quarantined=count(leaving, Fate.QUARANTINED),
        merged=count(leaving, Fate.MERGED),
        filtered=count(leaving, Fate.FILTERED),
    )


def _built_in(stage: Stage, act: Callable[[Engine, Task, Work], Outcome], *, in_process: bool = False) -> StageAgent:
    return StageAgent(f"{stage}_agent", frozenset({stage}), STAGE_PROFILES[stage], act, in_process)


AGENTS: dict[str, Agent] = {
    agent.id: agent
    for agent in (
        # Records are numbered in the order of their file, which is one reader's work.
        _built_in(Stage.INGESTION, ingest, in_process=True),
        _built_in(Stage.VALIDATION, validate_dataset),
        _built_in(Stage.TRANSFORMATION, apply_rules),
        _built_in(Stage.ENRICHMENT, apply_rules),
        _built_in(Stage.AGGREGATION, aggregate),
    )
}
