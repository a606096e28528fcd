"""What tasks cost at least: with the preconditions left aside, the cheapest way in which they come apart.

Costs are whole numbers, so that plans that cost the same compare equal however they were added up.
"""

import math
from collections.abc import Collection, Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from graphs.planning.domain import Action, Domain, Method
from graphs.planning.term import Term

# A unit of cost: a millionth of what a second weighs 1 of.
UNIT = 1_000_000
# How deep a task is taken apart with its own arguments; below that, those of all tasks of a name are taken together.
_DEPTH = 3


class Weights(BaseModel):
    """What a plan costs: `duration * seconds + resources * units - risk * ln(success)`, summed over its steps and
    choices. By default a second, a unit of resources, and a hundredth of a step's success cost about the same.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    duration: float = Field(default=1.0, ge=0)
    resources: float = Field(default=1.0, ge=0)
    risk: float = Field(default=100.0, ge=0)

    def cost(self, seconds: float, resources: float, success: float) -> int:
        """The cost in units."""
        told = self.duration * seconds + self.resources * resources - self.risk * math.log(success)
        return round(UNIT * told)


class Estimate:
    """Least costs by task, found as they are asked for. None is the cost of what can never come to an end.

    Given the `facts` that hold at first, preconditions that no action changes are not left aside.
    """

    def __init__(self, domain: Domain, weights: Weights, facts: Collection[Term] | None = None) -> None:
        self._domain = domain
        self._weights = weights
        self._facts = facts if facts is not None else ()
        self._fixed_names = _unchanged(domain) if facts is not None else set()
        self._constant: dict[int, int] = {}
        self._by_name = self._named()
        self._known: dict[tuple[Term, int], int | None] = {}

    def least(self, task: Term, depth: int = _DEPTH) -> int | None:
        """A lower bound of what the task costs, and at least what its cheapest decomposition costs by these bounds."""
        name = str(task[0])
        if depth == 0:
            return self._by_name.get(name)
        if (task, depth) not in self._known:
            rules: list[Any] = [*self._domain.actions.get(name, ()), *self._domain.methods.get(name, ())]
            costs = [self._rule(rule, task, depth) for rule in rules]
            self._known[task, depth] = min((cost for cost in costs if cost is not None), default=None)
        return self._known[task, depth]

    def own(self, rule: Action | Method, binding: Any) -> int:
        """What an action costs, or a decomposition by itself."""
        if not rule.constant:
            return self._cost(rule, binding)
        if id(rule) not in self._constant:
            self._constant[id(rule)] = self._cost(rule, binding)
        return self._constant[id(rule)]

    def _cost(self, rule: Action | Method, binding: Any) -> int:
        seconds, resources = rule.effort(binding) if isinstance(rule, Action) else (0.0, 0.0)
        return self._weights.cost(seconds, resources, rule.chance(binding))

    def endless(self, tasks: Iterable[Term]) -> list[str]:
        """The tasks among these, and below them, that come apart into themselves whatever method is used."""
        found = dict.fromkeys(str(task[0]) for task in tasks)
        frontier = list(found)
        while frontier:
            methods = self._domain.methods.get(frontier.pop(), ())
            below = dict.fromkeys(part.name for method in methods for part in method.parts or ())
            frontier += below.keys() - found.keys()
            found |= below
        return [name for name in found if self._by_name.get(name, 0) is None]

    def _rule(self, rule: Action | Method, task: Term, depth: int) -> int | None:
        binding = rule.head.bound(task, {})
        if binding is None or not self._possible(rule, binding):
            return None
        total: int | None = self.own(rule, binding) if rule.plain else self._fixed(rule)
        for part in rule.parts or () if isinstance(rule, Method) else ():
            known = part.known(binding)
            open_ = any(is_one and part not in binding for is_one, part in part.parts)
            cost = self._by_name.get(part.name) if open_ else self.least(known, depth - 1)
            total = None if total is None or cost is None else total + cost
        return total

    def _possible(self, rule: Action | Method, binding: Any) -> bool:
        """Whether the facts that nothing changes allow it, as far as the task alone tells."""
        told = [template for template in rule.needed if template.name in self._fixed_names]
        return all(
            template.filled(binding) in self._facts
            for template in told
            if all(name in binding for name in template.variables)
        )

    def _fixed(self, rule: Action | Method) -> int:
        """What a rule costs at least, whatever its variables stand for."""
        return self.own(rule, {}) if rule.constant else 0

    def _named(self) -> dict[str, int | None]:
        """The same for all tasks of a name together: what they cost falls until it falls no more."""
        found: dict[str, int | None] = {
            name: min(map(self._fixed, actions)) for name, actions in self._domain.actions.items()
        }
        found |= dict.fromkeys(self._domain.methods)
        changed = True
        while changed:
            changed = False
            for name, methods in self._domain.methods.items():
                for method in methods:
                    costs = [found.get(part.name) for part in method.parts or ()]
                    if None in costs:
                        continue
                    total = self._fixed(method) + sum(cost for cost in costs if cost is not None)
                    if found[name] is None or total < (found[name] or 0):
                        found[name], changed = total, True
        return found


def _unchanged(domain: Domain) -> set[str]:
    """The names of facts that no action adds or removes. Of an action whose effects are a function nobody knows."""
    actions = [action for actions in domain.actions.values() for action in actions]
    if any(callable(action.adds) or callable(action.removes) for action in actions):
        return set()
    changed = {template.name for action in actions for template in (*action.added, *action.removed)}
    rules = [*actions, *(method for methods in domain.methods.values() for method in methods)]
    return {template.name for rule in rules for template in rule.needed} - changed
