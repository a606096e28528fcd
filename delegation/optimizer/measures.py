"""Measures: what an assignment is worth, by formulas that are told with every figure."""

from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from delegation.optimizer.problem import Problem
from delegation.optimizer.relaxation import Indices
from delegation.optimizer.solver import NOBODY, cost

# By name: the formula, over the tasks that have an agent, and whether more of it is better.
FORMULAS = {
    "throughput": ("tasks per hour: sum of 1 / hours, each slot going on at the pace of its task", True),
    "latency": ("hours from start to end of a task: mean of hours", False),
    "quality": ("mean skill of the agents in the types of their tasks", True),
    "utilisation": ("tasks in hand and assigned / capacity, summed over all agents", True),
    "efficiency": ("sum of the hours of each task's fastest possible agent / sum of hours", True),
}


class Analysis(BaseModel):
    """An assignment in figures, each None where it has nothing to go by: no task with an agent, no capacity.

    `objective` is what it costs by the objective, `faults` what of it cannot be and therefore is not counted.
    """

    model_config = ConfigDict(frozen=True)

    assigned: int
    left_over: int
    objective: float
    throughput: float | None
    latency: float | None
    quality: float | None
    utilisation: float | None
    efficiency: float | None
    faults: tuple[str, ...] = ()


class Gain(BaseModel):
    """A measure of the assignment proposed against today's.

    `change` is the difference, proposed - today; `relative` is it as a share of today's. `better` is None where nothing
    changes or one of the two is not known. The means of two assignments are over the tasks that each of them places.
    """

    model_config = ConfigDict(frozen=True)

    measure: str
    formula: str
    today: float | None
    proposed: float | None
    change: float | None
    relative: float | None
    better: bool | None


def analyse(problem: Problem, where: Indices, faults: Sequence[str] = ()) -> Analysis:
    """The figures of an assignment, of which `faults` were left out."""
    given = np.flatnonzero(where != NOBODY)
    hours = problem.hours[given, where[given]]
    skills = [
        problem.agents[agent].card.skills[task.task_type]
        for task, agent in zip(problem.tasks, where, strict=True)
        if agent != NOBODY
    ]
    capacity = sum(agent.card.capacity for agent in problem.agents)
    load = sum(agent.load for agent in problem.agents)
    some = len(given) > 0
    return Analysis(
        assigned=len(given),
        left_over=len(where) - len(given),
        objective=cost(problem, where),
        throughput=float((1 / hours).sum()) if some else None,
        latency=float(hours.mean()) if some else None,
        quality=float(np.mean(skills)) if some else None,
        utilisation=(load + len(given)) / capacity if capacity else None,
        efficiency=float(problem.hours[given].min(axis=1).sum() / hours.sum()) if some else None,
        faults=tuple(faults),
    )


def gains(today: Analysis, proposed: Analysis) -> tuple[Gain, ...]:
    """The measures of one against those of the other."""
    return tuple(_gain(name, getattr(today, name), getattr(proposed, name)) for name in FORMULAS)


def _gain(name: str, before: float | None, after: float | None) -> Gain:
    formula, more_is_better = FORMULAS[name]
    change = None if before is None or after is None else after - before
    return Gain(
        measure=name,
        formula=formula,
        today=before,
        proposed=after,
        change=change,
        relative=change / before if change is not None and before else None,
        better=(change > 0) == more_is_better if change else None,
    )
