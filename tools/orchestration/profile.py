"""What the runs of one version of a pipeline were measured to take, stage by stage of each dataset."""

import statistics
from collections.abc import Iterable

from pydantic import BaseModel

from core.spec import PipelineSpec
from core.task import Outcome, Task
from tools.orchestration.history import History
from tools.orchestration.schedule import chain


class UnitProfile(BaseModel):
    """A stage of a dataset in the first round of a run: medians over the runs.

    `seconds` adds up its shards; `wait_s` is how long its tasks could have begun and did not, together. Memory is not
    on record.
    """

    unit: str
    shards: int
    seconds: float
    wait_s: float | None
    rows_in: int
    rows_out: int

    @property
    def stage(self) -> str:
        return self.unit.partition("/")[0]

    @property
    def dataset(self) -> str:
        return self.unit.partition("/")[2]


class Profile:
    """The measured runs of one spec, newest first, which all were worked on in one go."""

    def __init__(self, spec: PipelineSpec, histories: list[History]) -> None:
        self.spec = spec
        self.histories = histories
        self.units = {unit: self._unit(unit) for unit in _units(self.tasks)}

    @property
    def tasks(self) -> list[Task]:
        """The planned tasks of the last run, which are those of its first round."""
        plan = self.histories[0].plan
        return plan.tasks if plan else []

    @property
    def fixed_s(self) -> float:
        """What a task takes however little it has to do: the shortest on record, in seconds."""
        return min((outcome.seconds for history in self.histories for outcome in _first(history)), default=0.0)

    @property
    def run_s(self) -> float:
        """The median of what the runs took on their chains, in seconds."""
        return statistics.median(sum(chain(history).values()) for history in self.histories)

    def spent(self) -> dict[str, float]:
        """What of the runs' time each step took on their chains: medians in seconds, the greatest first."""
        chains = [chain(history) for history in self.histories]
        medians = {label: statistics.median(c.get(label, 0.0) for c in chains) for label in chains[0]}
        return dict(sorted(medians.items(), key=lambda item: -item[1]))

    def work_s(self, unit: str) -> float:
        """The seconds of a unit that depend on its rows: without the fixed part of each shard."""
        found = self.units.get(unit)
        return max(0.0, found.seconds - found.shards * self.fixed_s) if found else 0.0

    def repeated_s(self, history: History) -> float:
        """Seconds that a run's rounds after the first took, all tasks together."""
        tasks = [task for task in history.all_tasks.values() if task.round > 0]
        return sum(outcome.seconds for task in tasks if (outcome := history.outcome(task.key)))

    def leaving(self, unit: str, label: str) -> tuple[float, float]:
        """Rows that came into a unit, and those of them that left by this `fate:rule`: medians over the runs."""
        stage, _, dataset = unit.partition("/")
        rows, left = [], []
        for history in self.histories:
            outcomes = [
                o
                for t in history.tasks.values()
                if (t.stage, t.dataset) == (stage, dataset)
                if (o := history.outcome(t.key))
            ]
            rows.append(sum(outcome.rows.rows_in for outcome in outcomes))
            left.append(sum(outcome.leaving.get(label, 0) for outcome in outcomes))
        return statistics.median(rows), statistics.median(left)

    def _unit(self, unit: str) -> UnitProfile:
        stage, _, dataset = unit.partition("/")
        keys = [task.key for task in self.tasks if (task.stage, task.dataset) == (stage, dataset)]
        runs = [[o for key in keys if (o := history.outcome(key))] for history in self.histories]
        waits = [[history.wait(key) for key in keys] for history in self.histories]
        known = [sum(w for w in of_run if w is not None) for of_run in waits if None not in of_run]
        return UnitProfile(
            unit=unit,
            shards=len(keys),
            seconds=statistics.median(sum(outcome.seconds for outcome in outcomes) for outcomes in runs),
            wait_s=statistics.median(known) if known else None,
            rows_in=round(statistics.median(sum(outcome.rows.rows_in for outcome in outcomes) for outcomes in runs)),
            rows_out=round(statistics.median(sum(outcome.rows.rows_out for outcome in outcomes) for outcomes in runs)),
        )


def _units(tasks: Iterable[Task]) -> list[str]:
    return list(dict.fromkeys(f"{task.stage}/{task.dataset}" for task in tasks))


def _first(history: History) -> Iterable[Outcome]:
    """What came of the tasks of the first round that are done."""
    for key, task in history.all_tasks.items():
        outcome = history.outcome(key)
        if task.round == 0 and outcome and outcome.status == "done":
            yield outcome
