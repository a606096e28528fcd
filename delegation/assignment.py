"""Which agent gets which task: the seam where policy, workload and auctions come in."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from core.task import Stage, Task


class Assignment(BaseModel):
    """A task's place, the agent that performs it, and why that one."""

    model_config = ConfigDict(frozen=True)

    task: str
    agent: str
    reason: str


class Assigner(Protocol):
    """Gives each task to an agent. `agents` maps the id of each agent to the stages that it can perform."""

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        """An assignment for each task, in order. Raises InputError if a task finds no agent."""
        ...


class StageAssigner:
    """Gives each task to the first agent, by id, that can perform its stage."""

    def assign(self, tasks: Sequence[Task], agents: Mapping[str, frozenset[Stage]]) -> list[Assignment]:
        by_stage = {stage: agent for agent in sorted(agents, reverse=True) for stage in agents[agent]}
        assignments = []
        for task in tasks:
            agent = by_stage.get(task.stage)
            if agent is None:
                raise nobody(task, agents)
            assignments.append(Assignment(task=task.place, agent=agent, reason=f"performs the stage {task.stage}"))
        return assignments


def nobody(task: Task, agents: Iterable[str]) -> InputError:
    """The error of a task that none of the agents can perform."""
    return InputError(
        f"No agent can perform {task.place}: there are {', '.join(sorted(agents)) or 'none'}.",
        remedy=f"Register one for the stage {task.stage}.",
    )
