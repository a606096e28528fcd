"""A plan: what to do in which order, why, at what cost, and what may come in between."""

from collections.abc import Sequence
from dataclasses import dataclass

from graphs.planning.domain import Action
from graphs.planning.search import Taken
from graphs.planning.term import Term, shown


@dataclass(frozen=True, slots=True)
class Choice:
    """A decomposition that was chosen: of a task, by a method (its name), as part of an earlier choice, if of any.

    `at` is its place among the plan's choices and steps together, in the order in which they are come by.
    """

    number: int
    at: int
    task: Term
    method: str
    parent: int | None
    success: float
    cause: str


@dataclass(frozen=True, slots=True)
class PlanStep:
    """Something to do. `choice` is the decomposition that it is part of, `after` are the steps that must be done
    before, by number: those that make true what it needs, or need what it makes untrue. All others may run beside it.

    `needs` are the facts that must hold when it is done, `unless` those that must not. For `at`, see Choice.
    """

    number: int
    at: int
    task: Term
    choice: int | None
    after: tuple[int, ...]
    needs: tuple[Term, ...]
    unless: tuple[Term, ...]
    adds: tuple[Term, ...]
    removes: tuple[Term, ...]
    duration_s: float
    resources: float
    success: float
    cause: str


@dataclass(frozen=True, slots=True)
class Risk:
    """What may go wrong: where, why, and how probable it is."""

    what: str
    cause: str
    probability: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done. `cost` is that of `Weights`; no plan costs less than `bound`, which is what an `optimal` one
    costs.

    `confidence` is the product of the probabilities that each step and each choice succeeds. `duration_s` is the
    time from the first step to the last when steps that do not wait for one another run side by side, `work_s` the
    time of all of them together. `nodes` were looked at to find it.
    """

    steps: tuple[PlanStep, ...]
    choices: tuple[Choice, ...]
    cost: float
    bound: float
    confidence: float
    duration_s: float
    work_s: float
    resources: float
    nodes: int

    @property
    def optimal(self) -> bool:
        return self.cost <= self.bound

    @property
    def risks(self) -> list[Risk]:
        """What may go wrong, the most probable first."""
        parts: Sequence[PlanStep | Choice] = [*self.choices, *self.steps]
        found = [Risk(shown(part.task), part.cause or "it fails", 1 - part.success) for part in parts]
        return sorted((risk for risk in found if risk.probability > 0), key=lambda risk: -risk.probability)

    @property
    def text(self) -> str:
        """The plan as people read it: a line for each step, with the choices that led to it."""
        lines: list[str] = []
        told: set[int] = set()
        for step in self.steps:
            for choice in reversed(self._above(step.choice)):
                if choice.number not in told:
                    told.add(choice.number)
                    by = f", by {choice.method}" if choice.method else ""
                    lines.append(f"   {shown(choice.task)}{by}")
            after = f"  after {', '.join(map(str, step.after))}" if step.after else ""
            lines.append(f"{step.number:>3}  {shown(step.task)}{after}")
        return "\n".join(lines)

    def _above(self, number: int | None) -> list[Choice]:
        """The choices that a step is part of and that lead nowhere else first, from the innermost outwards."""
        found = []
        while number is not None:
            found.append(self.choices[number])
            number = self.choices[number].parent
        return found


def made(path: Sequence[Taken], tasks: Sequence[Term]) -> tuple[list[PlanStep], list[Choice]]:
    """The steps and choices of what the search took, from the tasks that it began with."""
    agenda: list[tuple[Term, int | None]] = [(task, None) for task in reversed(tasks)]
    steps: list[PlanStep] = []
    choices: list[Choice] = []
    order = _Order()
    for at, (rule, binding) in enumerate(path):
        task, parent = agenda.pop()
        success, cause = rule.chance(binding), rule.cause(binding)
        if not isinstance(rule, Action):
            agenda += [(subtask, len(choices)) for subtask in reversed(rule.tasks(binding))]
            choices.append(Choice(len(choices), at, task, rule.name, parent, success, cause))
            continue
        seconds, resources = rule.effort(binding)
        needs = tuple(template.filled(binding) for template in rule.needed)
        unless = tuple(template.filled(binding) for template in rule.excluded)
        adds, removes = tuple(rule.adding(binding)), tuple(rule.removing(binding))
        number = len(steps) + 1
        steps.append(
            PlanStep(
                number=number,
                at=at,
                task=task,
                choice=parent,
                after=order.placed(number, (*needs, *unless), (*adds, *removes)),
                needs=needs,
                unless=unless,
                adds=adds,
                removes=removes,
                duration_s=seconds,
                resources=resources,
                success=success,
                cause=cause,
            )
        )
    return steps, choices


def latest_end(steps: Sequence[PlanStep]) -> float:
    """When the last step is done, seconds, if each begins as soon as those before it are."""
    ends: dict[int, float] = {}
    for step in steps:
        ends[step.number] = max((ends[number] for number in step.after), default=0.0) + step.duration_s
    return max(ends.values(), default=0.0)


class _Order:
    """The order that the data flow wants: a step comes after the last one that wrote what it reads, and after all that
    read, as it was, what it writes. Then all orders that respect this come to the same facts."""

    def __init__(self) -> None:
        self._writer: dict[Term, int] = {}
        self._readers: dict[Term, list[int]] = {}

    def placed(self, number: int, read: Sequence[Term], written: Sequence[Term]) -> tuple[int, ...]:
        """The steps that the next one comes after, given what it reads and writes."""
        before = {self._writer[fact] for fact in (*read, *written) if fact in self._writer}
        before |= {reader for fact in written for reader in self._readers.get(fact, ())}
        for fact in read:
            self._readers.setdefault(fact, []).append(number)
        for fact in written:
            self._writer[fact] = number
            self._readers[fact] = []
        return tuple(sorted(before - {number}))
