"""What is to be assigned, to whom, and what each pair would cost."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.classification import Classification
from core.errors import InputError
from delegation.card import AgentCard
from delegation.decision import Decision
from delegation.priority import Priority
from delegation.rules.condition import ABSURD
from delegation.rules.resources import NAMES, Resources

# A task left over counts as much as this many times the longest work that there is, of its priority.
LEFT_OVER = 10

# Beyond this many pairs of tasks and agents the tables take gigabytes.
PAIRS = 10_000_000

OBJECTIVE = (
    "the least sum over all tasks of priority x hours, where hours = hours of the task / (skill of the agent x its"
    f" speed), and a task left over counts as priority x {LEFT_OVER} x the longest hours of any possible pair;"
    " priority is 1 for low to 5 for emergency"
)

Array = NDArray[np.float64]
Permit = Callable[["PendingTask", AgentCard], Decision]


class PendingTask(BaseModel):
    """A task that waits for an agent.

    `hours` is what it takes an agent of skill 1 and speed 1, `skill` the least that an agent must have in `task_type`;
    without any skill in it no agent gets it. `resources` is what it uses while it is done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    id: str = Field(min_length=1)
    task_type: str = Field(min_length=1)
    hours: float = Field(gt=0, le=ABSURD)
    priority: Priority = Priority.MEDIUM
    skill: float = Field(default=0.0, ge=0, le=1)
    resources: Resources = Resources()
    classification: Classification = Classification.INTERNAL


class Candidate(BaseModel):
    """An agent that can get tasks: its card, the tasks that it has now, and what it may use for more.

    `speed` is measured throughput, as a multiple of what `hours` of tasks are stated for. `limits` bound the sum of
    what its new tasks use.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    card: AgentCard
    load: int = Field(default=0, ge=0)
    speed: float = Field(default=1.0, gt=0, le=1000)
    limits: Resources = Resources()
    clearance: Classification = Classification.INTERNAL

    def obstacle(self, task: PendingTask) -> str | None:
        """Why the agent could not do the task even if it were the only one; None if it could."""
        skill = self.card.skills.get(task.task_type, 0.0)
        if skill <= 0 or skill < task.skill:
            return "skill"
        if task.classification.rank > self.clearance.rank:
            return "clearance"
        if self.load >= self.card.capacity:
            return "capacity"
        asked, limits = task.resources.named, self.limits.named
        return "limits" if any(asked.get(name, 0) > limit for name, limit in limits.items()) else None


@dataclass(frozen=True)
class Problem:
    """The tables of an assignment: a row for each task, a column for each agent.

    `hours` and `cost` are infinite where an agent cannot do a task. `left_over` is what each task costs without an
    agent. `asked` is what each task uses: a slot, then each resource that is limited; `room` what each agent has.
    `refused` counts the pairs that the policy closed.
    """

    tasks: Sequence[PendingTask]
    agents: Sequence[Candidate]
    hours: Array
    cost: Array
    left_over: Array
    asked: Array
    room: Array
    refused: int


def problem(tasks: Sequence[PendingTask], agents: Sequence[Candidate], permit: Permit | None) -> Problem:
    """The tables. Raises InputError for ids that stand twice, and for more pairs than fit into memory."""
    _distinct("tasks", [task.id for task in tasks])
    _distinct("agents", [agent.card.id for agent in agents])
    if len(tasks) * len(agents) > PAIRS:
        raise InputError(
            f"{len(tasks)} tasks and {len(agents)} agents are more than {PAIRS} pairs.",
            remedy="Assign the most urgent tasks first, or by task type.",
        )
    weights = np.array([float(task.priority) for task in tasks])
    limited = [name for name in NAMES if any(name in agent.limits.named for agent in agents)]
    asked = [[1.0, *(task.resources.named.get(name, 0.0) for name in limited)] for task in tasks]
    room = [[_slots(agent), *(agent.limits.named.get(name, np.inf) for name in limited)] for agent in agents]
    used = np.array(asked, dtype=float).reshape(len(tasks), 1 + len(limited))
    free = np.array(room, dtype=float).reshape(len(agents), 1 + len(limited))
    hours = _hours(tasks, agents, used, free)
    refused = _close(hours, tasks, agents, permit) if permit else 0
    longest = float(np.max(hours, where=np.isfinite(hours), initial=0.0))
    return Problem(
        tasks=tasks,
        agents=agents,
        hours=hours,
        cost=weights[:, None] * hours,
        left_over=weights * LEFT_OVER * (longest or 1.0),
        asked=used,
        room=free,
        refused=refused,
    )


def _hours(tasks: Sequence[PendingTask], agents: Sequence[Candidate], asked: Array, room: Array) -> Array:
    """How long each agent takes for each task; infinite where there is an obstacle."""
    skills = {
        name: np.array([agent.card.skills.get(name, 0.0) for agent in agents])
        for name in {task.task_type for task in tasks}
    }
    speeds = np.array([agent.speed for agent in agents])
    clearances = np.array([agent.clearance.rank for agent in agents])
    hours = np.full((len(tasks), len(agents)), np.inf)
    for row, task in enumerate(tasks):
        skill = skills[task.task_type]
        able = (skill > 0) & (skill >= task.skill) & (clearances >= task.classification.rank)
        able &= (asked[row] <= room).all(axis=1)
        hours[row, able] = task.hours / (skill[able] * speeds[able])
    return hours


def _close(hours: Array, tasks: Sequence[PendingTask], agents: Sequence[Candidate], permit: Permit) -> int:
    """Make infinite what the policy refuses, and count it."""
    refused = [
        (row, column)
        for row, column in np.argwhere(np.isfinite(hours))
        if not permit(tasks[row], agents[column].card).allowed
    ]
    for row, column in refused:
        hours[row, column] = np.inf
    return len(refused)


def _slots(agent: Candidate) -> float:
    return float(max(0, agent.card.capacity - agent.load))


def _distinct(what: str, ids: Sequence[str]) -> None:
    twice = sorted({name for name in ids if ids.count(name) > 1}) if len(set(ids)) < len(ids) else []
    if twice:
        raise InputError(f"Several {what} have the id {', '.join(twice[:5])}.", remedy="Give each an id of its own.")
