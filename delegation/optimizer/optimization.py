"""Optimization: pending tasks to agents, the best that can be proven or found in the time that there is."""

from collections.abc import Mapping, Sequence
from time import monotonic

import numpy as np

from core.errors import InputError
from delegation.decision import Decision
from delegation.optimizer.measures import analyse, gains
from delegation.optimizer.problem import OBJECTIVE, Candidate, PendingTask, Permit, Problem, problem
from delegation.optimizer.proposal import Governance, Leftover, Placement, Proposal, Step
from delegation.optimizer.prospect import risks, watch
from delegation.optimizer.relaxation import Indices
from delegation.optimizer.solver import NOBODY, Solution, keeps_limits, solve
from delegation.rules.condition import kind

# Seconds that the search for the best assignment may take.
BUDGET_S = 10.0

# The share of it after which the solver is told to end: it looks at the clock now and then only.
SOLVING = 0.9


def optimize(
    tasks: Sequence[PendingTask],
    agents: Sequence[Candidate],
    *,
    today: Mapping[str, str] | None = None,
    permit: Permit | None = None,
    budget_s: float = BUDGET_S,
) -> Proposal:
    """Who should get which task: the assignment that OBJECTIVE asks for, within capacities, skills and limits.

    `today` maps tasks to the agents that they are given to now; what is not in it has none. `permit` is asked for each
    pair that is possible otherwise, and closes those that it refuses: `lambda task, card: policy.can_delegate(...)`,
    with a policy whose workload is in memory, for there may be many pairs.
    After `budget_s` seconds the best found is returned with its proven gap. Raises InputError for ids that stand twice,
    a budget that is none, and more pairs than fit into memory.
    """
    if kind(budget_s) != "number" or budget_s <= 0:
        raise InputError(f"A budget of {budget_s!r:.40} s is none.", remedy="Give a positive number of seconds.")
    began = monotonic()
    tables = problem(tasks, agents, permit)
    now, faults = _today(tables, today or {})
    solution = solve(tables, [now], max(0.01, SOLVING * budget_s - (monotonic() - began)))
    before, after = analyse(tables, now, faults), analyse(tables, solution.where)
    improvement = gains(before, after)
    left_over = tuple(
        Leftover(task=task.id, reason=_hindrance(tables, row, permit))
        for row, task in enumerate(tables.tasks)
        if solution.where[row] == NOBODY
    )
    return Proposal(
        objective=OBJECTIVE,
        proven=solution.gap == 0.0,
        gap=solution.gap,
        bound=solution.bound,
        seconds=monotonic() - began,
        placements=_placements(tables, solution.where),
        left_over=left_over,
        today=before,
        proposed=after,
        gains=improvement,
        steps=_steps(tables, solution, today or {}),
        governance=_governance(tables, solution.where, permit),
        risks=risks(tables, solution, left_over, improvement, before),
        watch=watch(tables, solution.where),
    )


def _today(tables: Problem, today: Mapping[str, str]) -> tuple[Indices, list[str]]:
    """Today's assignment as far as it can be, and what of it cannot."""
    columns = {agent.card.id: column for column, agent in enumerate(tables.agents)}
    rows = {task.id: row for row, task in enumerate(tables.tasks)}
    where = np.full(len(tables.tasks), NOBODY, dtype=np.intp)
    faults = []
    for task, agent in today.items():
        if task not in rows:
            faults.append(f"{task} is not pending")
        elif agent not in columns:
            faults.append(f"{task}: {agent} is not known")
        elif not np.isfinite(tables.hours[rows[task], columns[agent]]):
            obstacle = tables.agents[columns[agent]].obstacle(tables.tasks[rows[task]]) or "policy"
            faults.append(f"{task}: {agent} cannot do it ({obstacle})")
        else:
            where[rows[task]] = columns[agent]
    if not keeps_limits(tables, where):
        faults.append("some agents have more than their capacity or limits allow")
    return where, faults


def _placements(tables: Problem, where: Indices) -> tuple[Placement, ...]:
    return tuple(
        Placement(
            task=task.id,
            agent=(card := tables.agents[where[row]].card).id,
            hours=float(tables.hours[row, where[row]]),
            skill=card.skills[task.task_type],
        )
        for row, task in enumerate(tables.tasks)
        if where[row] != NOBODY
    )


def _steps(tables: Problem, solution: Solution, today: Mapping[str, str]) -> tuple[Step, ...]:
    """The changes: what is taken back first, then the most urgent, and of these what saves most."""
    columns = {agent.card.id: column for column, agent in enumerate(tables.agents)}
    steps = []
    for row, task in enumerate(tables.tasks):
        before, column = today.get(task.id), solution.where[row]
        agent = None if column == NOBODY else tables.agents[column].card.id
        if before == agent:
            continue
        saves = None
        if agent is not None and before in columns and np.isfinite(tables.hours[row, columns[before]]):
            saves = float(tables.hours[row, columns[before]] - tables.hours[row, column])
        action = "take" if agent is None else "give" if before is None else "move"
        step = Step(action=action, task=task.id, agent=agent, before=before, saves=saves)
        steps.append((agent is not None, -task.priority, -(saves or 0.0), task.id, step))
    return tuple(step for *_, step in sorted(steps, key=lambda entry: entry[:4]))


def _governance(tables: Problem, where: Indices, permit: Permit | None) -> Governance:
    if permit is None:
        return Governance(checked=False)
    decisions: dict[str, Decision] = {
        task.id: permit(task, tables.agents[where[row]].card)
        for row, task in enumerate(tables.tasks)
        if where[row] != NOBODY
    }
    return Governance(
        checked=True,
        refused_pairs=tables.refused,
        approvals=tuple(task for task, decision in decisions.items() if decision.approval),
        monitored=tuple(task for task, decision in decisions.items() if decision.monitoring),
        validated=tuple(task for task, decision in decisions.items() if decision.quality_validation),
    )


def _hindrance(tables: Problem, row: int, permit: Permit | None) -> str:
    """Why a task got no agent: what keeps the agents from it that come nearest to doing it."""
    task = tables.tasks[row]
    if np.isfinite(tables.hours[row]).any():
        return "the agents that can do it have no room left"
    obstacles = {agent.obstacle(task) for agent in tables.agents}
    if None in obstacles and permit is not None:
        return "the policy refuses every agent that could do it"
    if "limits" in obstacles:
        return "it uses more than the limits of any agent that could do it"
    if "capacity" in obstacles:
        return "every agent that could do it has as many tasks as it can have"
    if "clearance" in obstacles:
        return f"no agent with the skill may see {task.classification} data"
    return f"no agent has the skill {task.task_type}" + (f" at {task.skill:g} or above" if task.skill else "")
