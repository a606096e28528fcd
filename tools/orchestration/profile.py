"""What the runs of one version of a pipeline were measured to take, stage by stage of each dataset."""

import statistics
from collections.abc import Iterable, Mapping, Sequence

from pydantic import BaseModel

from core.spec import PipelineSpec
from core.task import Outcome, Task
from tools.orchestration.history import History
from tools.orchestration.schedule import chain, makespan, spent


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
        return statistics.median(sum(spent(history).values()) for history in self.histories)

    def spent(self) -> dict[str, float]:
        """What of the runs' time each step took on their chains: medians in seconds, the greatest first."""
        chains = [spent(history) for history in self.histories]
        medians = {label: statistics.median(c.get(label, 0.0) for c in chains) for label in chains[0]}
        return dict(sorted(medians.items(), key=lambda item: -item[1]))

    @property
    def branches(self) -> int | None:
        """How many tasks ran at a time in the last run, if that is on record."""
        return self.histories[0].branches

    def span_s(self, tasks: Sequence[Task], branches: int, saved: Mapping[str, float] | None = None) -> float:
        """What these tasks would take together, by a list schedule, in seconds.

        Each takes the fixed part, and its shard's even part of the rest of its unit's measured seconds, less what is
        `saved` of the unit.
        """
        fixed, less = self.fixed_s, saved or {}
        rest = {unit: max(0.0, self.work_s(unit) - less.get(unit, 0.0)) for unit in self.units}
        return makespan(tasks, lambda t: fixed + rest.get(f"{t.stage}/{t.dataset}", 0.0) / t.shards, branches)

    def gain_s(self, saved: Mapping[str, float]) -> float:
        """Seconds that the first round would take less, if its units took less by what is saved of each.

        Where the number of branches is not on record, tasks are taken to have run one at a time.
        """
        branches = self.branches or 1
        return self.span_s(self.tasks, branches) - self.span_s(self.tasks, branches, saved)

    def work_s(self, unit: str) -> float:
        """The seconds of a unit that depend on its rows: without the fixed part of each shard."""
        found = self.units.get(unit)
        return max(0.0, found.seconds - found.shards * self.fixed_s) if found else 0.0

    def repeated_s(self, history: History) -> float:
        """Seconds of a run's chain that went to tasks after the first round."""
        tasks = {key for key, task in history.all_tasks.items() if task.round > 0}
        return sum(step.seconds or 0.0 for step in chain(history) if step.key in tasks)

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
