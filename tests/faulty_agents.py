"""Agents that fail as a test wants them to, and an assigner that gives them their tasks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from core.task import Outcome, Stage, Task
from crews import AGENTS, Work
from crews.skills import Profile
from delegation.assignment import Assignment


@dataclass
class Worker:
    """Does the work of a built-in agent, once `fails` lets it."""

    id: str
    fails: Callable[[Task, Work], None]
    stage: Stage = Stage.TRANSFORMATION
    seen: list[Task] = field(default_factory=list)

    @property
    def stages(self) -> frozenset[Stage]:
        return frozenset({self.stage})

    @property
    def profile(self) -> Profile:
        return AGENTS[f"{self.stage}_agent"].profile

    def perform(self, task: Task, work: Work) -> Outcome:
        self.seen.append(task)
        self.fails(task, work)
        return AGENTS[f"{self.stage}_agent"].perform(task, work).model_copy(update={"agent": self.id})


@dataclass
class Given:
    """An assigner that gives one stage to an agent, and the others to the built-in ones."""

    worker: Worker

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        of = {
            task.place: self.worker.id if task.stage == self.worker.stage else f"{task.stage}_agent" for task in tasks
        }
        return [Assignment(task=place, agent=agent, reason="the test says so") for place, agent in of.items()]
