"""Lessons: what a run goes by, of what its pipeline's runs taught."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from core.store import Database
from core.task import Stage, Task
from crews.experience.memory import Memory
from crews.experience.pattern import Kind, Pattern

# Runs over ten times the rows, or a tenth, are another matter: what takes its time whatever the rows does not grow.
_ALIKE = 10


@dataclass(frozen=True)
class Lessons:
    """The patterns that a run goes by. They may change in what order and how long things are tried: never what the
    gate asks of the data, nor how often it may be enhanced and retried."""

    patterns: tuple[Pattern, ...] = ()

    @classmethod
    def of(cls, database: Database, pipeline: str) -> "Lessons":
        """What holds for a pipeline now, and is not undone."""
        return cls(tuple(known.pattern for known in Memory(database).known(pipeline) if known.active))

    @classmethod
    def recorded(cls, documents: Sequence[dict[str, Any]]) -> "Lessons":
        """Those that a run's plan has on record."""
        return cls(tuple(Pattern.model_validate(document) for document in documents))

    @property
    def documents(self) -> list[dict[str, Any]]:
        """As `recorded` takes them."""
        return [pattern.model_dump(mode="json") for pattern in self.patterns]

    def repairs(self, datasets: Iterable[str]) -> list[Pattern]:
        """Those by which one of these datasets is repaired at its first validation."""
        there = set(datasets)
        return [pattern for pattern in self._all("repair") if pattern.lesson["dataset"] in there]

    def alone(self, tasks: Iterable[Task]) -> list[Pattern]:
        """Those by which one of these tasks wants the machine for itself."""
        places = {task.place for task in tasks}
        return [pattern for pattern in self._all("alone") if pattern.lesson["place"] in places]

    @property
    def agents(self) -> list[Pattern]:
        """Those by which agents count less in teams."""
        return self._all("agent")

    @property
    def pause(self) -> Pattern | None:
        """The one by which a first pause takes `lesson["seconds"]`."""
        return next(iter(self._all("pause")), None)

    @property
    def estimate(self) -> Pattern | None:
        """The one by which times are expected."""
        return next(iter(self._all("estimate")), None)

    def expected_s(self, rows: int) -> float | None:
        """How long a run over so many rows is expected to take, seconds; None, if nothing like it was measured."""
        if self.estimate is None:
            return None
        seen = self.estimate.lesson["rows"]
        alike = min(seen) / _ALIKE <= rows <= max(seen) * _ALIKE
        return float(self.estimate.lesson["s_per_row"]) * rows if alike else None

    def task_s(self, task: Task, rows: int) -> float | None:
        """How long a task is expected to take, seconds, of a dataset of so many rows; None, if nothing was measured."""
        each = self.estimate.lesson["places"].get(f"{task.dataset}/{task.stage}") if self.estimate else None
        return None if each is None else float(each) * rows / task.shards

    def factor(self, agent: str, stage: Stage | None = None) -> float:
        """What an agent's performance is multiplied by, 0 to 1: for a stage, or for the worst of its stages."""
        found = [
            float(pattern.lesson["factor"])
            for pattern in self.agents
            if pattern.lesson["agent"] == agent and stage in (None, pattern.lesson["stage"])
        ]
        return min(found, default=1.0)

    def _all(self, kind: Kind) -> list[Pattern]:
        return [pattern for pattern in self.patterns if pattern.kind == kind]
