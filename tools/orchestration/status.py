"""How a pipeline and its runs are doing."""

from datetime import datetime

from pydantic import BaseModel

from core import run as runs
from core.report import Quality, Records
from core.run import Run, Status
from core.store.database import Database
from core.task import Stage
from tools.context import ToolContext
from tools.orchestration.history import History, read
from tools.orchestration.registration import Pipeline, find, of_run
from tools.orchestration.service import Breach, Measures, alerts, breaches, measure

# Runs that a status shows when none is named.
RECENT = 5


class StageProgress(BaseModel):
    """The tasks of a stage in the last round, by their state; their time and rows as far as they are done."""

    planned: int = 0
    running: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    rows_in: int = 0
    rows_out: int = 0


class RunStatus(BaseModel):
    """A run: where it is, and, once it has ended, what it came to and where that falls short.

    `quality` is that of the last passage through the gate. `records` is the account, once the run has one.
    """

    run_id: str
    version: str
    status: Status
    started_at: datetime
    finished_at: datetime | None
    stages: dict[Stage, StageProgress]
    quality: Quality | None
    records: Records | None
    measures: Measures
    breaches: list[Breach]
    error: str | None


class PipelineStatus(BaseModel):
    """A pipeline on record, and its last runs, newest first."""

    pipeline: Pipeline
    runs: list[RunStatus]


def status(
    database: Database, context: ToolContext, pipeline: str | None = None, *, run_id: str | None = None
) -> PipelineStatus:
    """The pipeline and its last runs; with `run_id`, that run and its pipeline.

    Raises InputError if there is no such pipeline, RunNotFound; Refused for data above the context's clearance.
    """
    if run_id is not None:
        asked = [runs.get(database, run_id)]
        found = of_run(database, asked[0], context)
    else:
        found = find(database, pipeline or "", context)
        asked = runs.of_pipeline(database, found.name, limit=RECENT)
    watched = alerts(found.spec.sla, found.spec.gate)
    shown = []
    for run in asked:
        measures = measure(run)
        shown.append(_shown(run, read(database, run.run_id), measures, breaches(watched, measures)))
    return PipelineStatus(pipeline=found.pipeline(), runs=shown)


def _shown(run: Run, history: History, measures: Measures, raised: list[Breach]) -> RunStatus:
    passages = list(history.passages())
    report = history.report
    return RunStatus(
        run_id=run.run_id,
        version=run.fingerprint,
        status=run.status,
        started_at=run.created_at,
        finished_at=run.finished_at,
        stages=progress(history),
        quality=passages[-1][1] if passages else None,
        records=report.records if report else None,
        measures=measures,
        breaches=raised,
        error=run.error,
    )


def progress(history: History) -> dict[Stage, StageProgress]:
    """How far each stage is in the last round."""
    found: dict[Stage, StageProgress] = {}
    for key, task in history.tasks.items():
        stage = found.setdefault(task.stage, StageProgress())
        stage.planned += 1
        step = history.steps.get(key)
        if step is None:
            continue
        if step.status == "running":
            stage.running += 1
        elif outcome := history.outcome(key):
            stage.done += step.status == "done"
            stage.failed += step.status == "failed"
            stage.seconds += outcome.seconds
            stage.rows_in += outcome.rows.rows_in
            stage.rows_out += outcome.rows.rows_out
    return found
