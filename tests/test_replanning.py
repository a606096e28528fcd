"""Carrying plans out: what fails is planned anew, what is done stays done, and a person can read how it went."""

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Unbounded, Unsolvable
from graphs.planning import Action, Course, Domain, Method, PlanStep, StepFailed, carry_out, make_plan
from graphs.planning.term import Term
from tests.planning_domains import logistics


class Rough:
    """A world in which some steps never work, and others fail at first. Facts hold as they are made to."""

    def __init__(self, known: Sequence[Term], *, never: Sequence[Term] = (), at_first: dict[Term, int] | None = None):
        self.holding = set(known)
        self.never = set(never)
        self.left = Counter(at_first or {})

    def missing(self, step: PlanStep) -> list[Term]:
        return [need for need in step.needs if need not in self.holding and need[0] != "done!"]

    def perform(self, step: PlanStep) -> None:
        assert not self.missing(step)
        if step.task in self.never:
            raise StepFailed("logic", "it never works")
        if self.left[step.task] > 0:
            self.left[step.task] -= 1
            raise StepFailed("transient", "not now")
        self.holding = self.holding - set(step.removes) | set(step.adds)


@st.composite
def trees(draw: st.DrawFn) -> tuple[Domain, list[Term]]:
    """Tasks that come apart in one to three ways, three levels deep, into steps of which no two are the same.

    A step may need what an earlier one of its method made; nothing that holds ever ceases to.
    """
    domain, names = Domain("tree"), iter(range(1_000))

    def task(depth: int) -> str:
        name = f"t{next(names)}"
        if depth == 0:
            domain.add(Action((name,), adds=[("made", name)], duration_s=draw(st.integers(1, 5))))
            return name
        for number in range(draw(st.integers(1, 3))):
            parts = [task(draw(st.integers(0, depth - 1))) for _ in range(draw(st.integers(1, 3)))]
            domain.add(Method((name,), name=str(number), subtasks=[(part,) for part in parts]))
        return name

    return domain, [(task(3),), (task(2),)]


@settings(max_examples=60)
@given(trees(), st.integers(0, 2**32), st.sampled_from([0.0, 0.1, 0.3, 0.6]))
def test_replanning_ends_in_success_whenever_there_is_a_way_and_repeats_nothing(
    tree: tuple[Domain, list[Term]], seed: int, share: float
) -> None:
    domain, tasks = tree
    chance = random.Random(seed)
    steps = [(name,) for name in domain.actions]
    never = [step for step in steps if chance.random() < share]
    world = Rough([], never=never, at_first={step: chance.randrange(3) for step in steps if chance.random() < 0.3})
    course = carry_out(domain, tasks, [], world, replans=len(never))
    possible = Domain("possible")
    for name in domain.actions:
        possible.add(*(domain.actions[name] if (name,) not in never else [Action((name,), needs=[("never",)])]))
    for methods in domain.methods.values():
        possible.add(*methods)
    try:
        make_plan(possible, tasks, [])
    except (Unsolvable, Unbounded):
        assert not course.succeeded
    else:
        assert course.succeeded, course.told()
    done = [step.task for step in course.done]
    assert len(done) == len(set(done))
    assert course.replans <= len(never)
    assert not set(done) & set(never)


CITIES: list[Term] = [
    *[("truck", "t1"), ("truck", "t2"), ("city", "a", "one"), ("city", "b", "one")],
    *[("at", "t1", "a"), ("at", "t2", "b"), ("at", "box", "a"), ("at", "bag", "a")],
]


def delivered(**trouble: object) -> tuple[Course, Rough]:
    world = Rough(CITIES, **trouble)  # type: ignore[arg-type]
    return carry_out(logistics(), [("deliver", "box", "b"), ("deliver", "bag", "b")], CITIES, world), world


def test_another_truck_is_taken_and_what_was_delivered_stays_delivered() -> None:
    course, world = delivered(never=[("load", "bag", "t2")])
    assert course.succeeded
    assert {("at", "box", "b"), ("at", "bag", "b")} <= world.holding
    assert course.replans == 1
    assert [step.task for step in course.done].count(("unload", "box", "t1")) == 1
    assert "failed (logic): load(bag, t2), as it never works" in course.told()
    assert "replanned: deliver(bag, b), as it now is " in course.told()


def test_what_fails_for_a_while_is_tried_again_without_another_plan() -> None:
    course, _ = delivered(at_first={("load", "box", "t1"): 2})
    assert (course.succeeded, course.replans) == (True, 0)
    assert course.told().count("failed (transient)") == 2


def test_what_does_not_hold_in_truth_is_seen_before_the_step() -> None:
    world = Rough([*(fact for fact in CITIES if fact != ("at", "t1", "a")), ("at", "t1", "nowhere")])
    course = carry_out(logistics(), [("deliver", "box", "b")], CITIES, world)
    assert course.succeeded
    assert "missing: load(box, t1), as at(t1, a) does not hold" in course.told()
    assert all("t1" not in step.task for step in course.done)


def test_where_no_way_is_left_or_none_may_be_looked_for_it_says_so() -> None:
    course, _ = delivered(never=[("load", "bag", "t1"), ("load", "bag", "t2")])
    assert not course.succeeded
    assert course.told().endswith("ended: not all is done, as no other plan is left")
    world = Rough(CITIES, never=[("load", "bag", "t1")])
    spent = carry_out(logistics(), [("deliver", "bag", "b")], CITIES, world, replans=0)
    assert spent.told().endswith("as no replan is left")
    with pytest.raises(Unsolvable):
        carry_out(logistics(), [("deliver", "box", "mars")], CITIES, world)
