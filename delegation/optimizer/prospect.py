"""The prospect of an assignment: the risks in it, and what to watch while it is carried out."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from delegation.optimizer.measures import Analysis, Gain
from delegation.optimizer.problem import Problem
from delegation.optimizer.proposal import Leftover, Risk, Watch
from delegation.optimizer.relaxation import Indices
from delegation.optimizer.solver import NOBODY, Solution

# An agent with a larger share of all hours than this is one on whom too much depends.
TOO_MUCH = 0.5


def risks(
    problem: Problem, solution: Solution, left_over: Sequence[Leftover], gains: Sequence[Gain], today: Analysis
) -> tuple[Risk, ...]:
    """What could go wrong, the worst kind first."""
    found = [Risk(kind="left_over", subject=leftover.task, detail=leftover.reason) for leftover in left_over]
    found += _only_agents(problem) + _concentration(problem, solution.where) + _full_agents(problem, solution.where)
    for gain in gains:
        if gain.better is False and today.assigned:
            detail = f"{gain.measure} goes from {gain.today:.4g} to {gain.proposed:.4g}"
            found.append(Risk(kind="worse_measure", subject=gain.measure, detail=detail))
    if solution.gap:
        detail = f"a better assignment may exist, by at most {solution.gap:.2%} of the objective"
        found.append(Risk(kind="unproven", subject="objective", detail=detail))
    return tuple(found)


def watch(problem: Problem, where: Indices) -> tuple[Watch, ...]:
    """For each agent the longest hours that it should take for a task, for each task type the skill counted on."""
    longest: dict[str, float] = defaultdict(float)
    skills: dict[str, list[float]] = defaultdict(list)
    for task, agent in enumerate(where):
        if agent != NOBODY:
            card, task_type = problem.agents[agent].card, problem.tasks[task].task_type
            longest[card.id] = max(longest[card.id], float(problem.hours[task, agent]))
            skills[task_type].append(card.skills[task_type])
    return (
        *(
            Watch(measure="hours", subject=agent, bound=hours, meaning="no task of this agent should take longer")
            for agent, hours in sorted(longest.items())
        ),
        *(
            Watch(
                measure="quality",
                subject=task_type,
                bound=float(np.mean(of_type)),
                meaning="the mean skill counted on: results below it belie the cards",
            )
            for task_type, of_type in sorted(skills.items())
        ),
        *(
            Watch(
                measure="load",
                subject=risk.subject,
                bound=capacity,
                meaning="full: nothing more fits, nothing may stay",
            )
            for risk, capacity in _full(problem, where)
        ),
    )


def _only_agents(problem: Problem) -> list[Risk]:
    able: dict[str, set[int]] = defaultdict(set)
    for row, task in enumerate(problem.tasks):
        able[task.task_type].update(np.flatnonzero(np.isfinite(problem.hours[row])).tolist())
    return [
        Risk(
            kind="only_agent",
            subject=problem.agents[next(iter(agents))].card.id,
            detail=f"no other agent can do {task_type}",
        )
        for task_type, agents in sorted(able.items())
        if len(agents) == 1
    ]


def _concentration(problem: Problem, where: Indices) -> list[Risk]:
    hours = np.zeros(len(problem.agents))
    given = np.flatnonzero(where != NOBODY)
    np.add.at(hours, where[given], problem.hours[given, where[given]])
    if len(problem.agents) < 2 or hours.sum() == 0 or hours.max() <= TOO_MUCH * hours.sum():
        return []
    agent = problem.agents[int(hours.argmax())].card.id
    return [Risk(kind="concentration", subject=agent, detail=f"has {hours.max() / hours.sum():.0%} of all hours")]


def _full_agents(problem: Problem, where: Indices) -> list[Risk]:
    return [risk for risk, _ in _full(problem, where)]


def _full(problem: Problem, where: Indices) -> list[tuple[Risk, int]]:
    gets = np.bincount(where[where != NOBODY], minlength=len(problem.agents))
    found = []
    for agent, more in zip(problem.agents, gets, strict=True):
        if more and agent.load + more >= agent.card.capacity:
            detail = f"has {agent.load + more} of {agent.card.capacity} tasks then"
            found.append((Risk(kind="full_agent", subject=agent.card.id, detail=detail), agent.card.capacity))
    return found
