"""What is on record of a run: its tasks with their times, rows and ends. Everything measured is read from here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from core import journal
from core import run as runs
from core.dataset import DatasetRef
from core.report import Closing, Quality, RunReport
from core.store.database import Database
from core.task import Outcome, Stage, Task
from tools.orchestration.amendment import amendments_of
from tools.orchestration.requirements import Plan, tasks_of


class Attempt(BaseModel):
    """The last attempt at a step. `seconds` and `finished_at` are there once it has ended."""

    model_config = ConfigDict(frozen=True)

    key: str
    status: str
    attempt: int
    started_at: datetime
    finished_at: datetime | None
    outcome: dict[str, Any] | None

    @property
    def seconds(self) -> float | None:
        return (self.finished_at - self.started_at).total_seconds() if self.finished_at else None


class Round(BaseModel):
    """A round of execution: when it began, the tasks it was to bring about, and how many ran at a time (if known)."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    tasks: tuple[str, ...]
    branches: int | None
    threads: int | None


class History:
    """One run as it is on record.

    `plan` is what was planned, as it was amended since. `tasks` are those of the last round by key, `all_tasks` those
    of every round; both are empty before the plan is made. `steps` are the last attempts at all steps, tasks and
    others, in the order in which they began.
    """

    def __init__(self, run: runs.Run, steps: list[Attempt], rounds: list[Round]) -> None:
        self.run = run
        self.steps = {step.key: step for step in steps}
        self.rounds = rounds
        planned = self.steps.get("plan")
        made = Plan.model_validate(planned.outcome) if planned and planned.outcome else None
        self.plan = made and made.amended(amendments_of(self._ended()))
        repairs = _repairs(rounds)
        passes = [tasks_of(self.plan, repairs[:n]) for n in range(len(repairs) + 1)] if self.plan else [[]]
        self.all_tasks: dict[str, Task] = {task.key: task for tasks in passes for task in tasks}
        self.tasks: dict[str, Task] = {task.key: task for task in passes[-1]}

    @property
    def report(self) -> RunReport | None:
        """What the run came to, once it has."""
        return RunReport.model_validate(self.run.report) if self.run.report else None

    def closing(self, at: datetime | None = None) -> Closing | None:
        """How the run was closed the last time, if it was: its account, its evidence, what it published.

        With `at`, as it stood at that moment.
        """
        ends = [o for key, o in self._ended(at) if key == "publish" or key.startswith("close/")]
        return Closing.model_validate(ends[-1]) if ends else None

    def verdict(self, at: datetime | None = None) -> dict[str, Any] | None:
        """What the gate saw at its last passage: `quality`, `datasets`, `violations`. With `at`, up to that moment."""
        gates = [o for key, o in self._ended(at) if key.startswith("gate/")]
        return dict(gates[-1]["verdict"]) if gates else None

    @property
    def branches(self) -> int | None:
        """How many tasks ran at a time in the first round, if that is on record."""
        return self.rounds[0].branches if self.rounds else None

    @property
    def threads(self) -> int | None:
        """How many threads the machine's engines had in all, if that is on record."""
        return self.rounds[0].threads if self.rounds else None

    def outcome(self, key: str, at: datetime | None = None) -> Outcome | None:
        """What came of a task, done or failed. With `at`, what had by that moment."""
        step = self.steps.get(key)
        if step is None or step.outcome is None or (at and step.finished_at and step.finished_at > at):
            return None
        return Outcome.model_validate(step.outcome)

    def outcomes(self) -> dict[str, Outcome]:
        """What came of the tasks of the last round."""
        return {key: outcome for key in self.tasks if (outcome := self.outcome(key))}

    def agents(self) -> dict[str, str]:
        """Who was given the tasks of each stage."""
        assigned = self.steps.get("assignment")
        given = assigned.outcome if assigned and assigned.outcome else {}
        return {str(task.stage): given[task.place] for task in self.tasks.values() if task.place in given}

    def first_verdict(self) -> dict[str, Any] | None:
        """What the gate saw at its first passage."""
        return next((dict(outcome["verdict"]) for key, outcome in self._ended() if key.startswith("gate/")), None)

    def last(self, dataset: str) -> list[str]:
        """The keys of the tasks of a dataset's last stage."""
        own = [task for task in self.tasks.values() if task.dataset == dataset]
        stage = max((task.stage for task in own), key=list(Stage).index, default=None)
        return [task.key for task in own if task.stage == stage]

    def result(self, dataset: str) -> list[DatasetRef]:
        """What the tasks of a dataset's last stage wrote."""
        outcomes = [self.outcome(key) for key in self.last(dataset)]
        return [outcome.output for outcome in outcomes if outcome and outcome.output]

    def passages(self) -> Iterator[tuple[str, Quality]]:
        """The gate's decisions in order: the route, and the quality that was measured."""
        for key, outcome in self._ended():
            if key.startswith("gate/"):
                yield outcome["route"], Quality.model_validate(outcome["verdict"]["quality"])

    def wait(self, key: str) -> float | None:
        """Seconds between the moment when a task could have begun and the one when it did.

        Not known of a task that was tried more than once: its first beginning is not on record.
        """
        step, task = self.steps.get(key), self.all_tasks.get(key)
        if step is None or task is None or step.attempt > 1:
            return None
        begun = [round_.at for round_ in self.rounds if key in round_.tasks and round_.at <= step.started_at]
        ends = [self.steps[need].finished_at if need in self.steps else None for need in task.needs]
        if not begun or None in ends:
            return None
        ready = max([begun[-1], *(end for end in ends if end)])
        return max(0.0, (step.started_at - ready).total_seconds())

    def _ended(self, at: datetime | None = None) -> Iterator[tuple[str, dict[str, Any]]]:
        """Keys and outcomes of the steps that had ended by then, in the order in which they began."""
        for step in self.steps.values():
            if step.outcome and step.finished_at and (at is None or step.finished_at <= at):
                yield step.key, step.outcome


def read(database: Database, run_id: str) -> History:
    """The run's steps and rounds as they stand now. Raises RunNotFound."""
    run = runs.get(database, run_id)
    rows = database.query(
        "SELECT step_key AS key, status, attempt, started_at, finished_at, outcome FROM steps"
        " WHERE run_id = %s ORDER BY started_at, step_key",
        (run.run_id,),
    )
    told = journal.events(database, run.run_id, kind="round.started")
    rounds = [
        Round(
            at=event.at,
            tasks=tuple(event.data["tasks"]),
            branches=event.data.get("branches"),
            threads=event.data.get("threads"),
        )
        for event in told
        if event.at
    ]
    return History(run, [Attempt.model_validate(row) for row in rows], rounds)


def _repairs(rounds: list[Round]) -> list[list[str]]:
    """The datasets given to repair in each round after the first: those whose validation has the round's number."""
    datasets: dict[int, set[str]] = {}
    for key in {key for round_ in rounds for key in round_.tasks}:
        stage, dataset, rest = key.split("/")
        _, _, number = rest.partition("@")
        if stage == Stage.VALIDATION and number:
            datasets.setdefault(int(number), set()).add(dataset)
    return [sorted(datasets.get(number, ())) for number in range(1, max(datasets, default=0) + 1)]
