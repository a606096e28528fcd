"""carry_out: do what a plan says, look before each step whether it still can be done, and plan anew where it cannot.

A new plan begins at what holds in truth. It takes apart again the innermost task that leads to an end without what has
failed; if none does, the one around it, and so on up to the tasks that were asked for. What is done is not done again:
where the new plan comes by a step whose effects stand, that step is passed over.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from core.errors import Unbounded, Unsolvable
from graphs.planning.domain import Domain
from graphs.planning.estimate import Weights
from graphs.planning.plan import Plan, PlanStep
from graphs.planning.planner import make_plan
from graphs.planning.remainder import DONE, END, FAILED, Item, levels, replannable, tops
from graphs.planning.search import Bounds
from graphs.planning.term import Term, shown

# Why a step failed. What is transient may be done at the next try; all else would fail the same way.
Kind = Literal["transient", "data", "schema", "resource", "logic"]


class StepFailed(Exception):
    """What `World.perform` raises when a step fails. `gone` are facts that were found not to hold after all."""

    def __init__(self, kind: Kind, reason: str, gone: Sequence[Term] = ()) -> None:
        self.kind = kind
        self.reason = reason
        self.gone = tuple(gone)
        super().__init__(reason)


class World(Protocol):
    """Where a plan is carried out."""

    def missing(self, step: PlanStep) -> Sequence[Term]:
        """Those of the facts that the step needs that do not hold in truth."""
        ...

    def perform(self, step: PlanStep) -> None:
        """Do the step. Raises StepFailed; what else it raises ends the whole."""
        ...


@dataclass(frozen=True)
class Happening:
    """A line of the trace. `what` is planned, done, missing, failed, replanned or ended."""

    what: Literal["planned", "done", "missing", "failed", "replanned", "ended"]
    task: str
    why: str = ""
    kind: Kind | None = None

    def __str__(self) -> str:
        kind = f" ({self.kind})" if self.kind else ""
        return f"{self.what}{kind}: {self.task}" + (f", as {self.why}" if self.why else "")


@dataclass
class Course:
    """What came of it: whether all was done, the steps that were, in their order, and how it went."""

    succeeded: bool = False
    done: list[PlanStep] = field(default_factory=list)
    replans: int = 0
    trace: list[Happening] = field(default_factory=list)

    def told(self) -> str:
        """The trace as people read it."""
        return "\n".join(map(str, self.trace))


def carry_out(
    domain: Domain,
    tasks: Iterable[Term],
    facts: Iterable[Term],
    world: World,
    *,
    replans: int = 10,
    attempts: int = 3,
    weights: Weights | None = None,
    bounds: Bounds | None = None,
) -> Course:
    """Do the tasks, and return how that went: `succeeded` is false where no other plan was left, or all `replans` were
    spent. A step that fails for a while is tried up to `attempts` times in all. Raises Unsolvable and Unbounded where
    there is no plan to begin with, and DomainError.
    """
    return _Execution(domain, list(tasks), list(facts), world, replans, attempts, weights, bounds).course()


class _Execution:
    def __init__(
        self,
        domain: Domain,
        tasks: list[Term],
        facts: list[Term],
        world: World,
        replans: int,
        attempts: int,
        weights: Weights | None,
        bounds: Bounds | None,
    ) -> None:
        self._domain = replannable(domain)
        self._asked = tasks
        self._holding = dict.fromkeys(facts)
        self._world = world
        self._replans = replans
        self._attempts = attempts
        self._weights = weights
        self._bounds = bounds
        self._tries: Counter[Term] = Counter()
        self._course = Course()

    def course(self) -> Course:
        course = self._course
        items = [Item(task) for task in self._asked]
        plan = self._planned(self._asked)
        course.trace.append(Happening("planned", _steps(plan)))
        while (broken := self._carried_out(plan, items)) is not None:
            spent = course.replans >= self._replans
            anew = None if spent else self._anew(plan, items, broken)
            if anew is None:
                why = "no replan is left" if spent else "no other plan is left"
                course.trace.append(Happening("ended", "not all is done", why))
                return course
            plan, items = anew
            course.replans += 1
        course.succeeded = True
        course.trace.append(Happening("ended", "all is done"))
        return course

    def _planned(self, tasks: Iterable[Term], more: Iterable[Term] = ()) -> Plan:
        return make_plan(self._domain, tasks, [*self._holding, *more], weights=self._weights, bounds=self._bounds)

    def _carried_out(self, plan: Plan, items: Sequence[Item]) -> int | None:
        """Do the steps of a plan for these tasks; the place of the one that could not be done, if there was one."""
        for place, (step, number) in enumerate(zip(plan.steps, tops(plan), strict=True)):
            if step.task[0] == END or any(need[0] == DONE for need in step.needs):
                self._take_effect(step)
            elif not self._done(step):
                return place
            else:
                items[number].took(step.task)
        return None

    def _done(self, step: PlanStep) -> bool:
        """Whether the step could be done, at one try or another."""
        name = shown(step.task)
        while True:
            if missing := list(self._world.missing(step)):
                told = ", ".join(map(shown, missing))
                self._course.trace.append(Happening("missing", name, f"{told} does not hold"))
                self._forget(missing)
                return False
            try:
                self._world.perform(step)
            except StepFailed as failure:
                self._course.trace.append(Happening("failed", name, failure.reason, failure.kind))
                self._tries[step.task] += 1
                self._forget(failure.gone)
                if failure.kind == "transient" and self._tries[step.task] < self._attempts and not failure.gone:
                    continue
                self._holding[(FAILED, *step.task)] = None
                return False
            self._course.done.append(step)
            self._course.trace.append(Happening("done", name))
            self._take_effect(step)
            return True

    def _take_effect(self, step: PlanStep) -> None:
        self._forget(step.removes)
        self._holding |= dict.fromkeys(step.adds)

    def _forget(self, facts: Iterable[Term]) -> None:
        for fact in list(facts):
            self._holding.pop(fact, None)

    def _anew(self, plan: Plan, items: Sequence[Item], broken: int) -> tuple[Plan, list[Item]] | None:
        """A plan from what holds, of what is left to do, taking apart again as little as leads to an end."""
        self._forget(fact for fact in self._holding if fact[0] == DONE)
        for left in levels(plan, items, broken):
            first, *rest = left
            done = tuple((DONE, *task) for task in dict.fromkeys(first.before))
            try:
                found = self._planned([first.task, (END, done), *(item.task for item in rest)], done)
            except (Unsolvable, Unbounded):
                continue
            self._holding |= dict.fromkeys(done)
            self._course.trace.append(Happening("replanned", shown(first.task), f"it now is {_steps(found)}"))
            return found, left
        return None


def _steps(plan: Plan) -> str:
    """The steps that are to be done, in a line."""
    names = [
        shown(step.task)
        for step in plan.steps
        if step.task[0] != END and not any(need[0] == DONE for need in step.needs)
    ]
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return (", ".join(names[:_TOLD]) or "nothing") + more


_TOLD = 20
