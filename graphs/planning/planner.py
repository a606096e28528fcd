"""make_plan: the cheapest way to do some tasks in a domain, or why there is none."""

import math
from collections.abc import Iterable

from core.errors import Unbounded, Unsolvable
from core.garbage import uncollected
from graphs.planning.domain import Domain, check_ground
from graphs.planning.estimate import UNIT, Estimate, Weights
from graphs.planning.explanation import recursion, unmet
from graphs.planning.facts import Facts
from graphs.planning.plan import Choice, Plan, PlanStep, latest_end, made
from graphs.planning.search import Bounds, Node, Search
from graphs.planning.term import Term, check_term


def make_plan(
    domain: Domain,
    tasks: Iterable[Term],
    facts: Iterable[Term],
    *,
    weights: Weights | None = None,
    bounds: Bounds | None = None,
) -> Plan:
    """The plan of least cost that does the tasks one after the other, beginning with these facts.

    Within the bounds a plan is found whenever the methods allow one, and it is the cheapest, unless half of the nodes
    were looked at before it was: then the other half go to finding any plan, which is not `optimal` but says how far
    from it at most. Raises Unsolvable, with the preconditions that nothing achieves; Unbounded, where the bounds were
    reached, with the tasks that come back to themselves; DomainError.
    """
    domain.check()
    asked, known = list(tasks), list(facts)
    for what, terms in (("The task", asked), ("The fact", known)):
        for term in terms:
            check_term(term)
            check_ground(term, what)
    weights, bounds = weights or Weights(), bounds or Bounds()
    search = Search(domain, Estimate(domain, weights, set(known)), bounds)
    start = search.start(Facts.of(known, scanned=domain.scanned()), asked)
    # Hardly anything that a search makes is garbage before it ends.
    with uncollected():
        best, bound = _searched(search, start, bounds) if start else (None, 0)
    if best is None:
        raise _no_plan(domain, weights, bounds, asked, known)
    return _plan(best, asked, weights, bound, search.expanded)


def _searched(search: Search, start: Node, bounds: Bounds) -> tuple[Node | None, int]:
    """The best end that was found, and what none can cost less than."""
    half = math.ceil(bounds.nodes / 2)
    best = search.run(start, half)
    if search.cut is not None:
        best = search.run(start, half, exact=True)
    bound = search.bound
    if best is None and not search.exhausted:
        best = search.run(start, half, greedy=True)
    return best, bound


def _no_plan(
    domain: Domain, weights: Weights, bounds: Bounds, asked: list[Term], known: list[Term]
) -> Unsolvable | Unbounded:
    """Why there is none: looked for once more, now going on as far as each way leads."""
    estimate = Estimate(domain, weights)
    search = Search(domain, estimate, bounds)
    start = search.start(Facts.of(known, scanned=domain.scanned()), asked)
    if start is None:
        if endless := estimate.endless(asked):
            return Unbounded(endless, f"whatever is done, {', '.join(endless)} comes back to itself")
        return Unsolvable(unmet(domain, [], asked), domain.name)
    search.run(start, math.ceil(bounds.nodes / 2))
    if search.cut is not None:
        circle = recursion(search.cut, asked)
        return Unbounded(circle, f"a plan came to {bounds.steps:,} steps and was not at its end")
    if not search.exhausted:
        return Unbounded([], f"{bounds.nodes:,} nodes were looked at, and none was the end of a plan")
    return Unsolvable(unmet(domain, search.dead, asked), domain.name)


def _plan(end: Node, asked: list[Term], weights: Weights, bound: int, nodes: int) -> Plan:
    steps, choices = made(end.path(), asked)
    parts: list[PlanStep | Choice] = [*steps, *choices]
    return Plan(
        steps=tuple(steps),
        choices=tuple(choices),
        cost=end.cost / UNIT,
        bound=bound / UNIT,
        confidence=math.exp(sum(math.log(part.success) for part in parts)),
        duration_s=latest_end(steps),
        work_s=sum(step.duration_s for step in steps),
        resources=sum(step.resources for step in steps),
        nodes=nodes,
    )
