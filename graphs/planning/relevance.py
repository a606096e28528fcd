"""What tasks can read: facts that nothing still to be done reads make no difference any more.

Without them, ways that differ only in what is over and done with come to the same facts, and only the cheapest of them
is followed. That is what keeps the search for a plan of many independent parts from trying each way of one part
with each way of the others.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from graphs.planning.domain import Action, Domain, Method
from graphs.planning.facts import Facts, Place, places
from graphs.planning.term import Template, Term, is_variable

# As many tasks are followed with their arguments; from then on all tasks of a name are taken together.
_MOST = 40

# Places of facts, see `facts.places`; None stands for all there are.
Reads = frozenset[Place] | None
# The same of many tasks together, a persistent set.
Places = Any


class _Argument(NamedTuple):
    """Stands for an argument of a task, by its place."""

    number: int


class Relevance:
    """Which facts the rules that do a task can read, found as they are asked for."""

    def __init__(self, domain: Domain) -> None:
        self._domain = domain
        self._known: dict[Term, Reads] = {}
        self._by_name: dict[str, Reads] = {}

    def reads(self, task: Term) -> Reads:
        """The places of the facts that can be read while the task is done."""
        # By the arguments' places: which facts a task can read is the same of all tasks of a name, but for these.
        shape = (str(task[0]), *map(_Argument, range(1, len(task))))
        if shape not in self._known:
            self._known[shape] = self._followed(shape)
        found = self._known[shape]
        return found and frozenset(
            (place[0], task[place[1].number]) if len(place) > 1 and isinstance(place[1], _Argument) else place
            for place in found
        )

    def _followed(self, task: Term) -> Reads:
        """By the arguments, as far as they are known: those that are not are variables."""
        found: set[Place] = set()
        seen, frontier = {task}, [task]
        while frontier:
            one = frontier.pop()
            if len(seen) > _MOST:
                return self._named(str(task[0]))
            for rule in self._rules(str(one[0])):
                binding = {
                    str(part): value
                    for (is_one, part), value in zip(rule.head.parts, one, strict=False)
                    if is_one and not is_variable(value)
                }
                found.update(_place(template, binding) for template in (*rule.needed, *rule.excluded))
                if isinstance(rule, Method):
                    if rule.parts is None:
                        return None
                    following = {part.known(binding) for part in rule.parts} - seen
                    seen |= following
                    frontier += following
        return frozenset(found)

    def _named(self, name: str) -> Reads:
        """Whatever the arguments are."""
        if name not in self._by_name:
            found: set[Place] = set()
            seen, frontier = {name}, [name]
            while frontier:
                for rule in self._rules(frontier.pop()):
                    found.update((template.name,) for template in (*rule.needed, *rule.excluded))
                    if isinstance(rule, Method):
                        if rule.parts is None:
                            return self._by_name.setdefault(name, None)
                        following = {part.name for part in rule.parts} - seen
                        seen |= following
                        frontier += following
            self._by_name[name] = frozenset(found)
        return self._by_name[name]

    def _rules(self, name: str) -> Iterable[Action | Method]:
        return [*self._domain.actions.get(name, ()), *self._domain.methods.get(name, ())]


def readable(fact: Term, read: Places) -> bool:
    """Whether something still to be done can read the fact. `read` has what all of it can."""
    return read is None or any(place in read for place in places(fact))


def dead(facts: Facts, over: Reads, read: Places) -> list[Term]:
    """The facts that could be read by what is over (`over`), and cannot by what is still to be done."""
    if read is None:
        return []
    there = facts if over is None else [fact for place in over if place not in read for fact in facts.at(place)]
    return [fact for fact in there if not readable(fact, read)]


def _place(template: Template, binding: dict[str, object]) -> Place:
    known = template.known(binding)
    return (known[0], known[1]) if len(known) > 1 and not is_variable(known[1]) else (known[0],)
