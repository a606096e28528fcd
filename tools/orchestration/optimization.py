"""Optimizing a pipeline: where the time of its runs goes, and what to change about that, from measured history."""

from pydantic import BaseModel

from core import run as runs
from core.run import Run
from core.store.database import Database
from tools.context import ToolContext
from tools.orchestration.advice import Advice, FailedAttempt, for_failures, for_time
from tools.orchestration.history import History, read
from tools.orchestration.profile import Profile, UnitProfile
from tools.orchestration.registration import find

# Fewer runs than this tell too little: one slow moment of the machine would be taken for the pipeline's nature.
LEAST_RUNS = 3

# The runs that are looked at, newest first.
_WINDOW = 20


class Bottleneck(BaseModel):
    """The step on which the runs' time is spent most: median seconds, and its share of a run."""

    step: str
    seconds: float
    share: float


class Optimization(BaseModel):
    """What the runs of a pipeline's present version tell.

    With `enough` false there were too few runs to tell anything about their time, as `note` says. `spent` has what of
    a run's time each step took that others had to wait for, `units` the measures of each stage of a dataset.
    """

    pipeline: str
    version: str
    runs: list[str]
    enough: bool
    note: str
    run_s: float | None = None
    bottleneck: Bottleneck | None = None
    spent: dict[str, float] = {}
    units: list[UnitProfile] = []
    advice: list[Advice] = []


def optimize(database: Database, context: ToolContext, pipeline: str) -> Optimization:
    """Read the last runs of a pipeline's version, and say what to change.

    Raises InputError if there is no such pipeline; Refused for data above the context's clearance.
    """
    found = find(database, pipeline, context)
    every = runs.of_pipeline(database, found.name, version=found.version, limit=_WINDOW)
    ended = [run for run in every if run.status in ("published", "failed")]
    histories = [history for run in ended if (history := _whole(database, run))]
    answer = Optimization(
        pipeline=found.name,
        version=found.version,
        runs=[history.run.run_id for history in histories],
        enough=len(histories) >= LEAST_RUNS,
        note="",
        advice=for_failures(found.spec, _failed(database, ended)),
    )
    if not answer.enough:
        note = (
            f"not enough history: of {len(every)} runs of this version, {len(histories)} did all their tasks in one go,"
            f" and at least {LEAST_RUNS} are needed"
        )
        return answer.model_copy(update={"note": note})
    profile = Profile(found.spec, histories)
    spent = profile.spent()
    step, seconds = next(iter(spent.items()))
    return answer.model_copy(
        update={
            "note": f"medians over {len(histories)} runs",
            "run_s": round(profile.run_s, 3),
            "bottleneck": Bottleneck(step=step, seconds=round(seconds, 3), share=round(seconds / profile.run_s, 3)),
            "spent": {label: round(s, 3) for label, s in spent.items()},
            "units": list(profile.units.values()),
            "advice": [*for_time(profile), *answer.advice],
        }
    )


def _whole(database: Database, run: Run) -> History | None:
    """The history of a run that did its tasks in one go: one that was interrupted, or lacks some, has gaps."""
    if run.token != 1:
        return None
    history = read(database, run.run_id)
    steps = [history.steps.get(task.key) for task in history.plan.tasks] if history.plan else [None]
    return history if all(step and step.status == "done" for step in steps) else None


def _failed(database: Database, ended: list[Run]) -> list[FailedAttempt]:
    rows = database.query(
        "SELECT run_id, step, data ->> 'error' AS error, data ->> 'message' AS message, data ->> 'kind' AS kind"
        " FROM journal WHERE run_id = ANY(%s) AND kind = 'step.failed' ORDER BY seq",
        ([run.run_id for run in ended],),
    )
    return [FailedAttempt.model_validate(row) for row in rows]
