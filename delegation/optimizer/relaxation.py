"""The relaxation: tasks may be split among agents. What it costs bounds what any assignment can cost."""

from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import linprog

from delegation.optimizer.problem import Array, Problem

# Pairs for each task that the linear programme starts with, and that it gets more of in each round.
PAIRS = 12

# Rounds of price-finding before the linear programme, and how far the prices go in each, as a share of the bound.
ROUNDS = 200
STRIDE = 0.1

# Reduced costs are exact to about this share of the costs.
TOLERANCE = 1e-7

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Relaxation:
    """A bound, and for each pair how much more than it an assignment costs that uses the pair.

    `left_over` is the same for each task that stays without an agent. `share` is how much of each task the relaxed
    assignment gives to each agent.
    """

    bound: float
    reduced: Array
    left_over: Array
    share: Array


def relax(problem: Problem, deadline: float) -> Relaxation:
    """The relaxation, by column generation: a linear programme over a few pairs, whose prices tell which are missing.

    At the deadline (of `time.monotonic`) the best bound so far is returned: every vector of prices gives one
    (Lagrange: the constraints of the agents are priced instead of kept).
    """
    prices = _ascended(problem, deadline)
    best = _priced(problem, prices, np.zeros_like(problem.cost))
    pairs = _lowest(np.where(np.isfinite(problem.cost), best.reduced, np.inf))
    while len(pairs) and (left := deadline - monotonic()) > 0:
        programme = Programme(problem, pairs)
        solution = linprog(
            programme.cost,
            A_ub=programme.used,
            b_ub=programme.room,
            A_eq=programme.once,
            b_eq=np.ones(len(problem.tasks)),
            bounds=(0, None),
            method="highs-ipm",
            options={"time_limit": left},
        )
        if solution.status != 0:
            break
        share = np.zeros_like(problem.cost)
        share.flat[pairs] = solution.x[: len(pairs)]
        prices = programme.prices(solution.ineqlin.marginals)
        found = _priced(problem, prices, share)
        # The last programme has the best shares, even if an earlier one had a better bound.
        best = found if found.bound >= best.bound else replace(best, share=share)
        more = np.union1d(pairs, _missing(problem, prices, solution.eqlin.marginals))
        if len(more) == len(pairs) or solution.fun - best.bound <= TOLERANCE * abs(solution.fun):
            break
        pairs = more
    return best


def _ascended(problem: Problem, deadline: float) -> Array:
    """Prices at which agents are asked for about what they have, by subgradient steps: near the best, and quickly so.

    Each task goes where it is cheapest; agents that get too much raise their prices, and the others lower them. When
    the bound has not risen for a while, the steps go on from its prices, and get shorter.
    """
    bounded = np.isfinite(problem.room) & (problem.room > 0)
    scale = np.where(bounded, problem.room, 1.0)
    prices, best, bound = np.zeros_like(problem.room), np.zeros_like(problem.room), -np.inf
    stride, idle = STRIDE, 0
    for _ in range(ROUNDS if problem.cost.size else 0):
        priced = problem.cost - problem.asked @ prices.T
        cheapest = priced.argmin(axis=1)
        least = priced[np.arange(len(priced)), cheapest]
        value = float(np.minimum(least, problem.left_over).sum() + _charge(problem, prices))
        if value > bound:
            best, bound, idle = prices, value, 0
        else:
            idle += 1
            if idle == 4:
                stride, idle, prices = stride * 0.6, 0, best
        used = np.zeros_like(prices)
        given = least < problem.left_over
        np.add.at(used, cheapest[given], problem.asked[given])
        surplus = np.where(bounded, used / scale - 1.0, 0.0)
        surplus[(prices == 0) & (surplus < 0)] = 0.0
        length = float((surplus**2).sum())
        if length == 0.0 or monotonic() > deadline:
            break
        prices = np.minimum(0.0, prices - stride * abs(bound) / length * surplus / scale)
    return best


class Programme:
    """The constraints over some of the pairs, given by their places in the table; a task's leftover comes last."""

    def __init__(self, problem: Problem, pairs: Indices) -> None:
        tasks, agents = np.divmod(pairs, max(1, len(problem.agents)))
        count = len(problem.tasks)
        everything = len(pairs) + count
        self.cost = np.concatenate([problem.cost.flat[pairs], problem.left_over])
        self.once = sparse.csr_matrix(
            (np.ones(everything), (np.concatenate([tasks, np.arange(count)]), np.arange(everything))),
            shape=(count, everything),
        )
        self._bounded = np.argwhere(np.isfinite(problem.room))
        self.room = problem.room[self._bounded[:, 0], self._bounded[:, 1]]
        self.used = self._used(problem, tasks, agents, everything)
        self._shape = problem.room.shape

    def prices(self, marginals: Array) -> Array:
        """The marginals of the agents' constraints as a table like `room`; never positive."""
        prices = np.zeros(self._shape)
        prices[self._bounded[:, 0], self._bounded[:, 1]] = np.minimum(marginals, 0.0)
        return prices

    def _used(self, problem: Problem, tasks: Indices, agents: Indices, everything: int) -> Any:
        row = np.full(problem.room.shape, -1)
        row[self._bounded[:, 0], self._bounded[:, 1]] = np.arange(len(self._bounded))
        rows = row[agents]
        kept = rows >= 0
        columns = np.broadcast_to(np.arange(len(tasks))[:, None], rows.shape)
        return sparse.csr_matrix(
            (problem.asked[tasks][kept], (rows[kept], columns[kept])), shape=(len(self._bounded), everything)
        )


def _missing(problem: Problem, prices: Array, of_tasks: Array) -> Indices:
    reduced = problem.cost - problem.asked @ prices.T - of_tasks[:, None]
    tolerance = TOLERANCE * max(1.0, float(problem.left_over.max()))
    return _lowest(np.where(reduced < -tolerance, reduced, np.inf))


def _lowest(table: Array) -> Indices:
    """Places of the lowest finite values of each row, PAIRS at most."""
    agents = table.shape[1]
    if agents > PAIRS:
        columns = np.argpartition(table, PAIRS, axis=1)[:, :PAIRS]
    else:
        columns = np.broadcast_to(np.arange(agents), table.shape)
    places = (np.arange(len(table))[:, None] * agents + columns).ravel()
    return np.sort(places[np.isfinite(table.ravel()[places])])


def _priced(problem: Problem, prices: Array, share: Array) -> Relaxation:
    priced = problem.cost - problem.asked @ prices.T
    least = np.minimum(problem.left_over, priced.min(axis=1, initial=np.inf))
    bound = float(least.sum() + _charge(problem, prices))
    return Relaxation(bound=bound, reduced=priced - least[:, None], left_over=problem.left_over - least, share=share)


def _charge(problem: Problem, prices: Array) -> float:
    """What all the room there is costs at the prices."""
    bounded = np.isfinite(problem.room)
    return float((prices[bounded] * problem.room[bounded]).sum())
