"""The solver: the best assignment, or the best found in the time that there is, and how far from the best it may be."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from delegation.optimizer.problem import Array, Problem
from delegation.optimizer.relaxation import Indices, Programme, Relaxation, relax

NOBODY = -1

# Shares of the time: for the relaxation, and, of what is left then, for the search in neighbourhoods.
RELAXING = 0.6
SEARCHING = 0.5

# The search ends after this many neighbourhoods without anything better; each has so many agents, and so much time.
PATIENCE = 40
NEIGHBOURS = 12
NEIGHBOURHOOD_S = 0.5

# With more pairs than this the solver would not end its preparations in time.
PROVABLE = 60_000

# Sums of what tasks use are exact to about this share; HiGHS ends when value and bound are this close.
SLACK = 1e-9
EXACT = 1e-6


@dataclass(frozen=True)
class Solution:
    """For each task its agent's column or NOBODY, what that costs, and what any assignment must cost at least."""

    where: Indices
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """By which share of its cost it is at most worse than the best; 0.0 if it is proven to be the best."""
        return max(0.0, self.value - self.bound) / self.value if self.value > 0 else 0.0


def solve(problem: Problem, starts: Sequence[Indices], budget_s: float) -> Solution:
    """The best assignment by the problem's costs; it is never worse than the best of `starts` that keeps the limits.

    Relaxed, rounded, improved in neighbourhoods, and then proven or improved as a whole by HiGHS (through SciPy), over
    the pairs that an assignment better than the one at hand can use. Within the budget in seconds, roughly.
    """
    if not problem.tasks or not problem.agents:
        nobody = np.full(len(problem.tasks), NOBODY, dtype=np.intp)
        return Solution(where=nobody, value=cost(problem, nobody), bound=cost(problem, nobody))
    deadline = monotonic() + budget_s
    relaxation = relax(problem, monotonic() + RELAXING * budget_s)
    tries = [_rounded(problem, relaxation), *(start for start in starts if keeps_limits(problem, start))]
    best = min(tries, key=lambda where: cost(problem, where))
    if not _close(cost(problem, best), relaxation.bound):
        until = monotonic() + SEARCHING * (deadline - monotonic())
        best = _searched(problem, relaxation, best, until)
        if _useful(problem, relaxation, best).sum() > PROVABLE:
            best = _searched(problem, relaxation, best, deadline)
    return _proven(problem, relaxation, best, deadline)


def cost(problem: Problem, where: Indices) -> float:
    """What an assignment costs."""
    given = np.flatnonzero(where != NOBODY)
    return float(problem.cost[given, where[given]].sum() + problem.left_over[where == NOBODY].sum())


def keeps_limits(problem: Problem, where: Indices) -> bool:
    """Whether every agent can do what it gets, and has room for all of it."""
    given = np.flatnonzero(where != NOBODY)
    possible = np.isfinite(problem.cost[given, where[given]]).all()
    return bool(possible and (_used(problem, where) <= problem.room * (1 + SLACK) + SLACK).all())


def _used(problem: Problem, where: Indices) -> Array:
    used = np.zeros_like(problem.room)
    given = np.flatnonzero(where != NOBODY)
    np.add.at(used, where[given], problem.asked[given])
    return used


def _rounded(problem: Problem, relaxation: Relaxation) -> Indices:
    """Each task to the agent with the largest share of it that has room: undivided tasks first, then the bulky ones."""
    where = np.full(len(problem.tasks), NOBODY, dtype=np.intp)
    room = problem.room.copy()
    scale = 1.0 + float(problem.left_over.max())
    typical = np.median(np.where(np.isfinite(room), room, np.inf), axis=0)
    bulk = (problem.asked / np.maximum(typical, SLACK)).max(axis=1)
    divided = relaxation.share.max(axis=1, initial=0.0) < 1 - SLACK
    for task in np.lexsort((-bulk, divided)):
        wish = relaxation.reduced[task] - scale * relaxation.share[task]
        for agent in np.argsort(wish, kind="stable"):
            if not np.isfinite(wish[agent]):
                break
            if (problem.asked[task] <= room[agent]).all():
                where[task] = agent
                room[agent] -= problem.asked[task]
                break
    return where


def _searched(problem: Problem, relaxation: Relaxation, start: Indices, until: float) -> Indices:
    """Better assignments near a good one: some agents, and what they have and could have, are assigned anew."""
    random = np.random.default_rng(0)
    best, value, idle = start, cost(problem, start), 0
    while idle < PATIENCE and monotonic() < until and not _close(value, relaxation.bound):
        tasks, agents = _neighbourhood(problem, relaxation, best, random)
        tried = best.copy()
        tried[tasks] = _assigned_anew(problem, best, tasks, agents, min(NEIGHBOURHOOD_S, until - monotonic()))
        idle += 1
        if cost(problem, tried) < value * (1 - SLACK) and keeps_limits(problem, tried):
            best, value, idle = tried, cost(problem, tried), 0
    return best


def _neighbourhood(
    problem: Problem, relaxation: Relaxation, where: Indices, random: np.random.Generator
) -> tuple[Indices, Indices]:
    """A task that is ill placed, the agents that suit it and some others, and all tasks that these have."""
    nobody = where == NOBODY
    loss = np.where(nobody, relaxation.left_over, relaxation.reduced[np.arange(len(where)), where])
    loss = np.maximum(loss, 1e-9)
    task = random.choice(len(where), p=loss / loss.sum())
    suited = np.argsort(relaxation.reduced[task], kind="stable")[: NEIGHBOURS // 3]
    others = random.permutation(len(problem.agents))[: NEIGHBOURS - len(suited)]
    agents = np.union1d(np.concatenate([suited, others]), where[[task]])
    agents = agents[agents != NOBODY]
    waiting = random.permutation(np.flatnonzero(nobody))[:NEIGHBOURS]
    return np.union1d(np.flatnonzero(np.isin(where, agents)), np.append(waiting, task)), agents


def _assigned_anew(problem: Problem, where: Indices, tasks: Indices, agents: Indices, limit_s: float) -> Indices:
    part = Problem(
        tasks=[problem.tasks[task] for task in tasks],
        agents=[problem.agents[agent] for agent in agents],
        hours=problem.hours[np.ix_(tasks, agents)],
        cost=problem.cost[np.ix_(tasks, agents)],
        left_over=problem.left_over[tasks],
        asked=problem.asked[tasks],
        room=problem.room[agents],
        refused=0,
    )
    pairs = np.flatnonzero(np.isfinite(part.cost))
    found = _integral(part, pairs, limit_s, gap=1e-3)
    if found.x is None:
        return where[tasks]
    inner = _read(part, pairs, found.x)
    return np.where(inner == NOBODY, NOBODY, agents[inner])


def _proven(problem: Problem, relaxation: Relaxation, best: Indices, deadline: float) -> Solution:
    """Solve over the pairs that a better assignment can use."""
    value, bound = cost(problem, best), relaxation.bound
    pairs = np.flatnonzero(_useful(problem, relaxation, best))
    left = deadline - monotonic()
    if _close(value, bound):
        return Solution(where=best, value=value, bound=value)
    if len(pairs) > PROVABLE or left <= 0:
        return Solution(where=best, value=value, bound=bound)
    found = _integral(problem, pairs, left, gap=0.0)
    if found.x is not None:
        where = _read(problem, pairs, found.x)
        if keeps_limits(problem, where) and cost(problem, where) < value:
            best, value = where, cost(problem, where)
    reached = found.fun if found.status == 0 else found.mip_dual_bound
    if reached is not None:
        bound = max(bound, min(value, float(reached)))
    return Solution(where=best, value=value, bound=value if _close(value, bound) else bound)


def _useful(problem: Problem, relaxation: Relaxation, best: Indices) -> NDArray[np.bool_]:
    """The pairs that an assignment better than the best one can use."""
    value = cost(problem, best)
    margin = value - relaxation.bound + SLACK * max(1.0, value)
    return (relaxation.reduced <= margin) & np.isfinite(problem.cost)


def _integral(problem: Problem, pairs: Indices, limit_s: float, *, gap: float) -> Any:
    programme = Programme(problem, pairs)
    return milp(
        programme.cost,
        integrality=np.ones(len(programme.cost)),
        bounds=Bounds(0, 1),
        constraints=[
            LinearConstraint(programme.once, 1, 1),
            LinearConstraint(programme.used, -np.inf, programme.room),
        ],
        options={"time_limit": max(0.01, limit_s), "mip_rel_gap": gap},
    )


def _read(problem: Problem, pairs: Indices, x: Array) -> Indices:
    where = np.full(len(problem.tasks), NOBODY, dtype=np.intp)
    tasks, agents = np.divmod(pairs[x[: len(pairs)] > 0.5], len(problem.agents))
    where[tasks] = agents
    return where


def _close(value: float, bound: float) -> bool:
    return value - bound <= max(EXACT, SLACK * abs(value))
