"""A domain: what can be done (actions), how larger tasks come apart (methods), and which tasks stand for others.

A task is *primitive* if an action does it, *compound* if methods decompose it, and *abstract* if it is neither, and
other tasks say that they realise it. Anyone adds to a domain, also to one of somebody else's.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from core.errors import DomainError
from graphs.planning.term import Binding, Template, Term, Terms, is_variable, shown, templates

Number = float | Callable[[Binding], float]
Words = str | Callable[[Binding], str]


@dataclass(frozen=True)
class _Rule:
    """What actions and methods have in common. See these."""

    task: Term
    needs: Iterable[Term] = ()
    unless: Iterable[Term] = ()
    where: Callable[[Binding], bool] | None = None
    success: Number = 1.0
    risk: Words = ""
    realises: str | None = None
    head: Template = field(init=False, repr=False, compare=False)
    needed: tuple[Template, ...] = field(init=False, repr=False, compare=False)
    excluded: tuple[Template, ...] = field(init=False, repr=False, compare=False)
    # Whether what it costs is known of the task alone, before its needs are met.
    plain: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "head", Template(self.task))
        object.__setattr__(self, "needed", templates(self.needs))
        object.__setattr__(self, "excluded", templates(self.unless))
        known = {variable for template in (self.head, *self.needed) for variable in template.variables}
        object.__setattr__(self, "plain", known == set(self.head.variables))
        for template in (*self.excluded, *self._templates()):
            if missing := [variable for variable in template.variables if variable not in known]:
                raise DomainError(
                    f"{self.title} does not say what {missing[0]} of {shown(template.term)} is.",
                    remedy="Name it in the task, or in a fact that it needs.",
                )

    @property
    def title(self) -> str:
        return shown(self.task)

    @property
    def constant(self) -> bool:
        """Whether it costs the same, whatever its variables stand for."""
        return not callable(self.success)

    def _templates(self) -> Iterable[Template]:
        return ()

    def chance(self, binding: Binding) -> float:
        """The probability that it succeeds."""
        value = _value(self.success, binding)
        if not 0 < value <= 1:
            raise DomainError(f"{self.title}: success {value!r} is no probability above 0.", remedy="Give one up to 1.")
        return value

    def cause(self, binding: Binding) -> str:
        """Why it may not succeed."""
        return self.risk(binding) if callable(self.risk) else self.risk


@dataclass(frozen=True)
class Action(_Rule):
    """Does a primitive task where the facts that it `needs` hold, none of `unless` does, and `where` agrees.

    Afterwards the facts that it `removes` no longer hold, and those that it `adds` do. It takes `duration_s` seconds
    and `resources` (in whatever unit the domain counts), and succeeds with the probability `success`; `risk` is why it
    may not. Each of these may be a function of what the variables stand for. Variables that the task does not name are
    found by the facts that it needs; each fact that fits is an alternative.
    """

    adds: Terms = ()
    removes: Terms = ()
    duration_s: Number = 0.0
    resources: Number = 0.0
    added: tuple[Template, ...] = field(init=False, repr=False, compare=False)
    removed: tuple[Template, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "added", () if callable(self.adds) else templates(self.adds))
        object.__setattr__(self, "removed", () if callable(self.removes) else templates(self.removes))
        super().__post_init__()

    @property
    def constant(self) -> bool:
        return not any(map(callable, (self.success, self.duration_s, self.resources)))

    def _templates(self) -> Iterable[Template]:
        return (*self.added, *self.removed)

    def adding(self, binding: Binding) -> list[Term]:
        if callable(self.adds):
            return list(self.adds(binding))
        return [template.filled(binding) for template in self.added]

    def removing(self, binding: Binding) -> list[Term]:
        if callable(self.removes):
            return list(self.removes(binding))
        return [template.filled(binding) for template in self.removed]

    def effort(self, binding: Binding) -> tuple[float, float]:
        """Seconds and resources."""
        found = []
        for name, number in (("duration_s", self.duration_s), ("resources", self.resources)):
            value = _value(number, binding)
            if not 0 <= value < math.inf:
                raise DomainError(f"{self.title}: {name} {value!r} is no number from 0 on.", remedy="Correct it.")
            found.append(value)
        return found[0], found[1]


@dataclass(frozen=True)
class Method(_Rule):
    """Decomposes a compound task into `subtasks`, to be done one after the other, where its conditions hold.

    See Action for the conditions. `subtasks` may be a function of what the variables stand for. `success` is the
    probability that the decomposition itself is right, over and above that of what it comes to.
    """

    subtasks: Terms = ()
    name: str = ""
    parts: tuple[Template, ...] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", None if callable(self.subtasks) else templates(self.subtasks))
        super().__post_init__()

    @property
    def title(self) -> str:
        return f"{shown(self.task)} by '{self.name}'" if self.name else shown(self.task)

    def _templates(self) -> Iterable[Template]:
        return self.parts or ()

    def tasks(self, binding: Binding) -> list[Term]:
        if callable(self.subtasks):
            return list(self.subtasks(binding))
        return [part.filled(binding) for part in self.parts or ()]


class Domain:
    """Actions and methods by the task that they do. Alternatives are tried in the order in which they were added."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.actions: dict[str, list[Action]] = {}
        self.methods: dict[str, list[Method]] = {}
        self._realised: dict[str, set[tuple[str, int]]] = {}

    def add(self, *rules: Action | Method) -> "Domain":
        """Add to the domain, and return it. Raises DomainError where an action's task has methods, or the reverse."""
        for rule in rules:
            of = self.actions if isinstance(rule, Action) else self.methods
            other = self.methods if isinstance(rule, Action) else self.actions
            if rule.head.name in other:
                raise DomainError(
                    f"The task '{rule.head.name}' has both actions and methods.",
                    remedy="Give one of them another name, and let it realise this one.",
                )
            of.setdefault(rule.head.name, []).append(rule)  # type: ignore[arg-type]
            if rule.realises:
                self._realise(rule.realises, rule)
        return self

    def check(self) -> None:
        """Raise DomainError for a subtask that nothing does."""
        for methods in self.methods.values():
            for method in methods:
                for part in method.parts or ():
                    if not self.knows(part.name):
                        raise unknown(self, part.term, method.title)

    def scanned(self) -> set[str]:
        """The names of facts that are looked for without knowing their first argument from the task."""
        rules = [rule for of in (self.actions, self.methods) for found in of.values() for rule in found]
        return {
            template.name
            for rule in rules
            for template in (*rule.needed, *rule.excluded)
            if len(template.parts) > 1 and template.parts[1][0] and template.parts[1][1] not in rule.head.variables
        }

    def knows(self, task: str) -> bool:
        return task in self.actions or task in self.methods

    def _realise(self, abstract: str, rule: Action | Method) -> None:
        """The abstract task can be done as the rule's, given its arguments."""
        arity = len(rule.task) - 1
        done = self._realised.setdefault(abstract, set())
        if (rule.head.name, arity) not in done:
            done.add((rule.head.name, arity))
            arguments = tuple(f"?{number}" for number in range(1, arity + 1))
            self.add(Method((abstract, *arguments), subtasks=[(rule.head.name, *arguments)], name=rule.head.name))


def unknown(domain: Domain, task: Term, whose: str) -> DomainError:
    """The error for a task that nothing does."""
    there = ", ".join(sorted({*domain.actions, *domain.methods}))
    return DomainError(
        f"{whose} comes to the task {shown(task)}, which nothing in the domain '{domain.name}' does.",
        remedy=f"There are: {there}.",
    )


def check_ground(term: Term, what: str) -> None:
    """Raise DomainError for a term with variables."""
    if left := [part for part in term if is_variable(part)]:
        raise DomainError(f"{what} {shown(term)} has the variable {left[0]}.", remedy="Say what it stands for.")


def _value(number: Number, binding: Binding) -> float:
    value = number(binding) if callable(number) else number
    # What is no number compares with none, and so is within no bounds.
    return float(value) if isinstance(value, (int, float)) else math.nan
