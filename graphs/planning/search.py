"""The search: best first over what holds and what is to be done (A*), with what is left estimated from below.

A node is a set of facts with an agenda of tasks, first things first. An action takes the first task off the agenda and
changes the facts; a method puts its subtasks in the task's place; what nothing on the agenda reads is forgotten. Two
nodes with the same facts and agenda have the same future, so of these only the cheaper one is followed. Nothing here
recurses: a plan may be as long as memory holds.
"""

import heapq
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field
from rpds import HashTrieSet

from graphs.planning.domain import Action, Domain, Method, unknown
from graphs.planning.estimate import Estimate
from graphs.planning.facts import Facts
from graphs.planning.relevance import Relevance, dead, readable
from graphs.planning.term import Template, Term


class Bounds(BaseModel):
    """How far the search goes: `steps` of one plan, decompositions counted too; `nodes` that are looked at in all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=100_000, ge=1)
    nodes: int = Field(default=400_000, ge=1)


class Agenda(NamedTuple):
    """Tasks in their order; `least` is what they cost at least, `reads` are the places of the facts that they can read
    (a persistent set; None for all). Equal ones are one object."""

    task: Term
    rest: "Agenda | None"
    least: int
    reads: Any


class Taken(NamedTuple):
    """How a task was done or taken apart: by which rule, and what its variables stand for."""

    rule: Action | Method
    binding: dict[str, Any]


class Node:
    """A point of the search: what holds, what is to be done, what it cost to come here, in how many steps."""

    __slots__ = ("agenda", "cost", "facts", "parent", "steps", "taken")

    def __init__(
        self, facts: Facts, agenda: Agenda | None, cost: int, steps: int, parent: "Node | None", taken: Taken | None
    ) -> None:
        self.facts = facts
        self.agenda = agenda
        self.cost = cost
        self.steps = steps
        self.parent = parent
        self.taken = taken

    def path(self) -> list[Taken]:
        """What was done from the start to here."""
        found = []
        node: Node | None = self
        while node is not None and node.taken is not None:
            found.append(node.taken)
            node = node.parent
        return found[::-1]


class Search:
    """One search, of a domain, from some facts. Afterwards `expanded` counts the nodes that were looked at, `dead` are
    some that nothing could be done at, `cut` is one that was left because it had taken too many steps."""

    def __init__(self, domain: Domain, estimate: Estimate, bounds: Bounds) -> None:
        self._domain = domain
        self._estimate = estimate
        self._bounds = bounds
        self._relevance = Relevance(domain)
        self._cells: dict[tuple[Term, int], Agenda] = {}
        self.expanded = 0
        self.bound = 0
        self.dead: list[Node] = []
        self.cut: Node | None = None
        self.exhausted = False

    def start(self, facts: Facts, tasks: list[Term]) -> Node | None:
        """The first node; None if the tasks have no end, whatever is done."""
        agenda, finite = self._before(tasks, None)
        facts = facts.changed(dead(facts, None, _reads(agenda)), ())
        return Node(facts, agenda, 0, 0, None, None) if finite else None

    def run(self, start: Node, nodes: int, *, greedy: bool = False, exact: bool = False) -> Node | None:
        """A node with nothing left to do: the cheapest, unless `greedy`, which follows what is least to do yet.

        None when `exhausted`, with nothing left to look at; or when so many nodes were, and then no plan costs less
        than `bound`. Where some node was `cut`, the cheapest may have been missed, behind a cheaper way to the same
        facts and agenda that took more steps; unless `exact`, which follows also dearer ways of fewer steps.
        """
        order = itertools.count(0, -1)
        frontier = [(start.agenda.least if start.agenda else 0, 0, start)]
        closed: dict[tuple[Facts, int], int] = {}
        left = nodes
        while frontier:
            self.bound, _, node = heapq.heappop(frontier)
            if node.agenda is None:
                return node
            key = (node.facts, id(node.agenda))
            if closed.get(key, self._bounds.steps + 1) <= node.steps:
                continue
            if left == 0:
                return None
            left -= 1
            self.expanded += 1
            closed[key] = node.steps if exact else 0
            if node.steps >= self._bounds.steps:
                self.cut = node
                continue
            children = list(self._children(node, node.agenda))
            if not children and len(self.dead) < _DEAD:
                self.dead.append(node)
            # Of those that look equal the last one in is the first one out: the first alternative, and all below it.
            for child in reversed(children):
                least = child.agenda.least if child.agenda else 0
                heapq.heappush(frontier, (least if greedy else child.cost + least, next(order), child))
        self.exhausted = True
        return None

    def _children(self, node: Node, agenda: Agenda) -> Iterator[Node]:
        name = str(agenda.task[0])
        reads = self._relevance.reads(agenda.task)
        actions = self._domain.actions.get(name, ())
        over = dead(node.facts, reads, _reads(agenda.rest)) if actions else []
        for action in actions:
            for binding in applicable(action, agenda.task, node.facts):
                added = [fact for fact in action.adding(binding) if readable(fact, _reads(agenda.rest))]
                facts = node.facts.changed([*action.removing(binding), *over], added)
                cost = node.cost + self._estimate.own(action, binding)
                yield Node(facts, agenda.rest, cost, node.steps + 1, node, Taken(action, binding))
        for method in self._domain.methods.get(name, ()):
            for binding in applicable(method, agenda.task, node.facts):
                following, finite = self._before(method.tasks(binding), agenda.rest, method)
                if finite:
                    cost = node.cost + self._estimate.own(method, binding)
                    facts = node.facts.changed(dead(node.facts, reads, _reads(following)), ())
                    yield Node(facts, following, cost, node.steps + 1, node, Taken(method, binding))

    def _before(
        self, tasks: list[Term], rest: Agenda | None, method: Method | None = None
    ) -> tuple[Agenda | None, bool]:
        """The agenda with some tasks before it, and whether all of them can come to an end."""
        for task in reversed(tasks):
            cell = self._cells.get((task, id(rest)))
            if cell is None:
                if not self._domain.knows(str(task[0])):
                    raise unknown(self._domain, task, method.title if method else "What is asked for")
                least = self._estimate.least(task)
                if least is None:
                    return None, False
                reads, others = self._relevance.reads(task), _reads(rest)
                cell = Agenda(
                    task,
                    rest,
                    least + (rest.least if rest else 0),
                    None if reads is None or others is None else others.update(reads),
                )
                self._cells[task, id(rest)] = cell
            rest = cell
        return rest, True


def _reads(agenda: Agenda | None) -> Any:
    return agenda.reads if agenda else _NOTHING


_NOTHING: Any = HashTrieSet()

# So many are kept to tell why there is no plan.
_DEAD = 1_000


def applicable(rule: Action | Method, task: Term, facts: Facts) -> Iterator[dict[str, Any]]:
    """Each way in which a rule does a task where these facts hold."""
    binding = rule.head.bound(task, {})
    if binding is None:
        return
    for found in _met(rule.needed, 0, binding, facts):
        if any(template.filled(found) in facts for template in rule.excluded):
            continue
        if rule.where is None or rule.where(found):
            yield found


def _met(needed: tuple[Template, ...], place: int, binding: dict[str, Any], facts: Facts) -> Iterator[dict[str, Any]]:
    """As deep as the rule has needs."""
    if place == len(needed):
        yield binding
        return
    for found in facts.fitting(needed[place], binding):
        yield from _met(needed, place + 1, found, facts)
