"""Why there is no plan: what was needed and is achieved by nothing, and which tasks come back to themselves."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from graphs.planning.domain import Action, Domain, Method
from graphs.planning.facts import Facts
from graphs.planning.search import Node
from graphs.planning.term import Binding, Template, Term, is_variable, shown

# So many reasons are told.
_MOST = 5


def unmet(domain: Domain, dead: Sequence[Node], asked: Sequence[Term]) -> list[str]:
    """What was missing where the search came to an end, first what nothing in the domain achieves.

    `dead` are nodes at which nothing could be done; without any, the tasks asked for have no rule that takes them.
    """
    found: Counter[tuple[bool, str]] = Counter()
    for node in dead:
        assert node.agenda is not None, "a node with nothing left to do is an end, and no dead one"
        for achievable, reason in _missing(domain, node.agenda.task, node.facts):
            found[achievable, reason] += 1
    if not dead:
        return [f"nothing does {shown(task)}" for task in asked]
    # What nothing achieves is the reason wherever it is needed; what something could, only where most plans came to.
    ranked = sorted(found, key=lambda one: (one[0], -found[one], one[1]))
    hopeless = [reason for achievable, reason in ranked if not achievable]
    return (hopeless or [reason for _, reason in ranked])[:_MOST]


def recursion(node: Node, asked: Sequence[Term]) -> list[str]:
    """The tasks by whose decompositions the first one on the node's agenda comes back to itself, by name."""
    agenda: list[tuple[str, int | None]] = [(str(task[0]), None) for task in reversed(asked)]
    choices: list[tuple[str, int | None]] = []
    for rule, binding in node.path():
        name, parent = agenda.pop()
        if isinstance(rule, Method):
            agenda += [(str(task[0]), len(choices)) for task in reversed(rule.tasks(binding))]
            choices.append((name, parent))
    name, above = agenda.pop()
    chain = [name]
    while above is not None:
        name, above = choices[above]
        chain.append(name)
        if name == chain[0]:
            return chain[::-1]
    return []


def _missing(domain: Domain, task: Term, facts: Facts) -> list[tuple[bool, str]]:
    """For each rule that takes the task, what keeps it from being used, and whether any action could change that."""
    name = str(task[0])
    rules: list[Action | Method] = [*domain.actions.get(name, ()), *domain.methods.get(name, ())]
    found = []
    for rule in rules:
        binding = rule.head.bound(task, {})
        if binding is not None:
            found.append(_lacking(domain, rule, shown(task), binding, facts))
    return found or [(False, f"nothing does {shown(task)}")]


def _lacking(domain: Domain, rule: Action | Method, task: str, binding: Any, facts: Facts) -> tuple[bool, str]:
    whose = f"{task} by '{rule.name}'" if isinstance(rule, Method) and rule.name else task
    bindings: list[Any] = [binding]
    for template in rule.needed:
        following = [found for one in bindings for found in facts.fitting(template, one)]
        if not following:
            wanted = template.known(bindings[0])
            able = _achievers(domain, template, bindings[0])
            how = f"only {', '.join(able)} achieves it, and not at that point" if able else "no method achieves it"
            return bool(able), f"{whose} needs {shown(wanted)}: {how}"
        bindings = following
    for template in rule.excluded:
        if template.filled(bindings[0]) in facts:
            return True, f"{whose} is not possible while {shown(template.filled(bindings[0]))}"
    return True, f"{whose}: its condition does not hold"


def _achievers(domain: Domain, wanted: Template, binding: Binding) -> list[str]:
    """The actions that could make a fact true that fits."""
    term = wanted.known(binding)
    return [
        name
        for name, actions in domain.actions.items()
        if any(callable(action.adds) or any(_alike(term, added.term) for added in action.added) for action in actions)
    ]


def _alike(one: Term, other: Term) -> bool:
    """Whether some fact fits both."""
    return len(one) == len(other) and all(
        is_variable(a) or is_variable(b) or a == b for a, b in zip(one, other, strict=True)
    )
