"""What is left of a plan that was broken off: which task to take apart again, what of it is done, and what comes after.

A task that is planned anew is no longer part of what it was part of, in the new plan. Frames keep that, so that the
next failure can go further out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from graphs.planning.domain import Action, Domain
from graphs.planning.plan import Choice, Plan, PlanStep
from graphs.planning.term import Template, Term

# Marks that no fact of a domain has: what is done of a task that is planned anew, what has failed for good, and the
# end of the task, behind which what was done of it says nothing any more.
DONE, FAILED, END = "done!", "failed!", "end!"

# So many tasks around the one that failed are tried, the innermost first, before the outermost.
_MOST = 20

Part = PlanStep | Choice


@dataclass(eq=False)
class Frame:
    """A task that is under way: what it is part of, its steps that are done, and what comes after it."""

    task: Term
    parent: "Frame | None"
    done: list[Term] = field(default_factory=list)
    after: "list[Item]" = field(default_factory=list)


@dataclass(frozen=True)
class Item:
    """A task to plan: what it is part of, and which of its steps are done already."""

    task: Term
    owner: Frame | None = None
    before: tuple[Term, ...] = ()

    def took(self, step: Term) -> None:
        """Note a step that was done for this task, with all that it is part of."""
        frame = self.owner
        while frame is not None:
            frame.done.append(step)
            frame = frame.parent


def levels(plan: Plan, items: Sequence[Item], broken: int) -> Iterator[list[Item]]:
    """What may be planned anew after the step at this place broke: the step and what comes after it; the task that it
    is part of and what comes after that; and so on outwards. `items` are the tasks that the plan was made for."""
    remainder = _Remainder(plan, items, broken)
    found = list(remainder.levels())
    yield from [*found[:_MOST], *found[_MOST:][-1:]]


class _Remainder:
    def __init__(self, plan: Plan, items: Sequence[Item], broken: int) -> None:
        self._plan = plan
        self._step = plan.steps[broken]
        self._done = plan.steps[:broken]
        self._children: dict[int | None, list[Part]] = {}
        parts: list[Part] = [*plan.steps, *plan.choices]
        for part in sorted(parts, key=lambda part: part.at):
            if part.task[0] != END:
                self._children.setdefault(_parent(part), []).append(part)
        self._chain: list[Part] = [self._step, *_around(plan, self._step)]
        self._within = self._innermost()
        place = self._children[None].index(self._chain[-1])
        self._item, self._following = items[place], list(items[place + 1 :])
        # From the outermost inwards, each frame the parent of the next.
        self._frames: dict[int, Frame] = {}
        self._after: dict[int, list[Item]] = {}
        for part in reversed(self._chain):
            self._enter(part)

    def levels(self) -> Iterator[list[Item]]:
        for part in self._chain:
            before = (*self._item.before, *self._under(part))
            yield [Item(part.task, self._owner(part), before), *self._after[part.at]]
        frame = self._item.owner
        while frame is not None:
            yield [Item(frame.task, frame.parent, tuple(frame.done)), *frame.after]
            frame = frame.parent

    def _enter(self, part: Part) -> None:
        owner, parent = self._owner(part), _parent(part)
        later = [other for other in self._children[parent] if other.at > part.at]
        if parent is None:
            after = self._following
        else:
            after = [Item(other.task, owner) for other in later] + self._after[self._plan.choices[parent].at]
        self._after[part.at] = after
        if isinstance(part, Choice):
            done = [*self._item.before, *self._under(part)]
            self._frames[part.number] = Frame(part.task, owner, done, after)

    def _owner(self, part: Part) -> Frame | None:
        parent = _parent(part)
        return self._item.owner if parent is None else self._frames[parent]

    def _under(self, part: Part) -> list[Term]:
        """The steps of a part of the chain that are done."""
        depth = self._chain.index(part)
        done = [step for step in self._done if step.task[0] != END and step.choice is not None]
        return [step.task for step in done if self._within[step.choice or 0] <= depth]

    def _innermost(self) -> list[int]:
        """For each choice the innermost of the chain that it is part of, by its place there; beyond all, if none."""
        places = {part.number: place for place, part in enumerate(self._chain) if isinstance(part, Choice)}
        found: list[int] = []
        # A choice is numbered before those that are part of it.
        for choice in self._plan.choices:
            above = len(self._chain) if choice.parent is None else found[choice.parent]
            found.append(places.get(choice.number, above))
        return found


def replannable(domain: Domain) -> Domain:
    """The domain, in which what has failed is not done, and what is done may be passed over where its effects stand."""
    found = Domain(domain.name)
    for actions in domain.actions.values():
        for action in actions:
            found.add(replace(action, unless=[*action.unless, (FAILED, *action.task)], realises=None))
        for action in actions:
            found.add(_passed_over(action))
    for methods in domain.methods.values():
        found.add(*(replace(method, realises=None) for method in methods))
    return found.add(Action((END, "?done"), removes=lambda binding: binding["?done"]))


def _passed_over(action: Action) -> Action:
    """The action where it is done: without a cost, and without doing it once more."""
    mark = (DONE, *action.task)
    stand = [] if callable(action.adds) else list(action.adds)
    known = {variable for term in (mark, *stand) for variable in Template(term).variables}
    over = [] if callable(action.removes) else [term for term in action.removes if term not in stand]
    return Action(
        action.task,
        needs=[mark, *stand],
        unless=[term for term in over if known.issuperset(Template(term).variables)],
        removes=[mark],
    )


def _parent(part: Part) -> int | None:
    return part.choice if isinstance(part, PlanStep) else part.parent


def _around(plan: Plan, part: Part) -> Iterator[Choice]:
    """The choices that a part of the plan belongs to, from the innermost outwards."""
    number = _parent(part)
    while number is not None:
        yield plan.choices[number]
        number = plan.choices[number].parent


def tops(plan: Plan) -> Iterator[int]:
    """For each step, which of the tasks that the plan was made for it belongs to, by its place among them."""
    parts: list[Part] = [*plan.steps, *plan.choices]
    number = -1
    for part in sorted(parts, key=lambda part: part.at):
        if _parent(part) is None and part.task[0] != END:
            number += 1
        if isinstance(part, PlanStep):
            yield number
