"""Observations: what one run was like, in figures that later runs can go by."""

from collections import Counter
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from core.journal import Event
from core.spec import PipelineSpec
from core.task import Stage, Task
from tools.orchestration.history import History

# The journal's word for a pause before a retry.
PAUSED = "retry.paused"


class Repairing(BaseModel):
    """How a dataset's validation went: in which round it was repaired (None: in none), how many rows came, how many
    cells were repaired, and how many copies merged."""

    model_config = ConfigDict(frozen=True)

    round: int | None = None
    rows: int = 0
    cells: int = 0
    merged: int = 0


class Trouble(BaseModel):
    """A task's failures in a run: how many of each kind, and whether the task was done in the end."""

    model_config = ConfigDict(frozen=True)

    place: str
    kinds: dict[str, int]
    recovered: bool


class Work(BaseModel):
    """What a stage of a dataset took: rows in, and seconds of work."""

    model_config = ConfigDict(frozen=True)

    rows: int = 0
    seconds: float = 0.0


class Share(BaseModel):
    """How often an agent did a task of a stage, and how often it failed at one."""

    model_config = ConfigDict(frozen=True)

    done: int = 0
    failed: int = 0


class Observation(BaseModel):
    """A run as it was. `attempts` counts attempts at tasks, `rows_read` the rows that went into those done, in all
    `rounds`. `whole` says that one process did it all, in so many `seconds`. `work` is by `dataset/stage`, `agents` by
    agent and stage. `paused_s` is how long it paused before
    retries. `lets_pass` is the share of faulty rows that the gate lets pass at most. `expected_s` is how long the run
    was expected to take, if anything was expected.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    status: str
    whole: bool
    seconds: float
    quality: float | None
    rows: int
    rounds: int
    attempts: int
    rows_read: int
    lets_pass: float
    repairs: dict[str, Repairing] = {}
    troubles: tuple[Trouble, ...] = ()
    work: dict[str, Work] = {}
    agents: dict[str, dict[str, Share]] = {}
    paused_s: float = 0.0
    expected_s: float | None = None
    applied: tuple[str, ...] = ()


def observed(
    run: History, spec: PipelineSpec, events: Iterable[Event], *, status: str, quality: float | None, seconds: float
) -> Observation:
    """What a run was like, from its steps and its journal."""
    told = list(events)
    done = {key: outcome for key in run.all_tasks if (outcome := run.outcome(key)) and outcome.status == "done"}
    failures = [event for event in told if event.kind == "step.failed" and event.step in run.all_tasks]
    applied = [event for event in told if event.kind == "experience.applied"]
    work: dict[str, Work] = {}
    agents: dict[str, dict[str, Share]] = {}
    for key, outcome in done.items():
        task = run.all_tasks[key]
        place = f"{task.dataset}/{task.stage}"
        so_far = work.get(place, Work())
        work[place] = Work(rows=so_far.rows + outcome.rows.rows_in, seconds=so_far.seconds + outcome.seconds)
        _count(agents, outcome.agent, task.stage, done=1)
    for event in failures:
        _count(agents, event.actor, run.all_tasks[event.step or ""].stage, failed=1)
    return Observation(
        run_id=run.run.run_id,
        pipeline=spec.name,
        status=status,
        whole=run.run.token <= 1,
        seconds=seconds,
        quality=quality,
        rows=sum(outcome.rows.rows_in for key, outcome in done.items() if _stage(run, key) == Stage.INGESTION),
        rounds=len({key for key in run.steps if key.startswith("gate/")}),
        attempts=sum(step.attempt for key, step in run.steps.items() if key in run.all_tasks),
        rows_read=sum(outcome.rows.rows_in for outcome in done.values()),
        lets_pass=1 - max([spec.gate.publish, *spec.gate.thresholds.values()]),
        repairs={dataset: repairing for dataset in spec.sources if (repairing := _repairing(run, dataset))},
        troubles=tuple(_troubles(failures, run.all_tasks, done.keys())),
        work=work,
        agents=agents,
        paused_s=sum(float(event.data["seconds"]) for event in told if event.kind == PAUSED),
        expected_s=next((event.data["expected_s"] for event in applied if "expected_s" in event.data), None),
        applied=tuple(dict.fromkeys(event.data["pattern"] for event in applied)),
    )


def _stage(run: History, key: str) -> Stage:
    return run.all_tasks[key].stage


def _count(agents: dict[str, dict[str, Share]], agent: str, stage: Stage, *, done: int = 0, failed: int = 0) -> None:
    own = agents.setdefault(agent, {})
    so_far = own.get(str(stage), Share())
    own[str(stage)] = Share(done=so_far.done + done, failed=so_far.failed + failed)


def _repairing(run: History, dataset: str) -> Repairing | None:
    """How the last validation of a dataset went; None, if none was done."""
    found = None
    for task in run.tasks.values():
        outcome = run.outcome(task.key)
        if task.stage == Stage.VALIDATION and task.dataset == dataset and outcome and outcome.status == "done":
            found = Repairing(
                round=task.round if task.repair else None,
                rows=outcome.rows.rows_in,
                cells=outcome.repairs.rows if task.repair and outcome.repairs else 0,
                merged=outcome.rows.merged,
            )
    return found


def _troubles(failures: Iterable[Event], tasks: dict[str, Task], done: Iterable[str]) -> Iterable[Trouble]:
    """By place: a task that is done anew in a later round has the same."""
    kinds: dict[str, Counter[str]] = {}
    left: dict[str, set[str]] = {}
    for event in failures:
        task = tasks[event.step or ""]
        kinds.setdefault(task.place, Counter())[str(event.data.get("kind"))] += 1
        left.setdefault(task.place, set()).add(task.key)
    finished = set(done)
    for place, counted in sorted(kinds.items()):
        yield Trouble(place=place, kinds=dict(counted), recovered=left[place] <= finished)
