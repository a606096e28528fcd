"""Planning: the cheapest plan, as trying everything finds it; classic domains; and what is said when there is none."""

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator, Sequence

import pytest

from core.errors import DomainError, InputError, Unbounded, Unsolvable
from graphs.planning import Action, Bounds, Domain, Method, Plan, PlanStep, Weights, find, make_plan, register
from graphs.planning.term import Term, shown
from tests.planning_domains import blocks, logistics, many, towers, travel

# Small enough for trying everything.
STEPS = 7

# So many random domains are planned in, of which most have a plan, and many have plans of several costs.
DOMAINS = 500


def drawn(chance: random.Random) -> tuple[Domain, list[Term], list[Term]]:
    """Three actions and three compound tasks, with alternatives, which may come back to themselves; tasks, facts.

    Few enough needs that most tasks can be done in some ways, and enough that the cheapest way is often barred.
    """

    def terms(most: int, odds: float) -> list[Term]:
        return [(chance.choice("pqr"), chance.choice((0, 1, "?x"))) for _ in range(most) if chance.random() < odds]

    domain = Domain("random")
    for name in ("a", "b", "c"):
        for _ in range(chance.randint(1, 2)):
            domain.add(
                Action(
                    (name, "?x"),
                    needs=terms(2, 0.3),
                    unless=terms(1, 0.15),
                    adds=terms(2, 0.6),
                    removes=terms(1, 0.4),
                    duration_s=chance.choice((0, 1, 2, 5, 9)),
                    resources=chance.choice((0, 3)),
                    success=chance.choice((1.0, 0.9, 0.5)),
                )
            )
    for name in ("t", "u", "v"):
        for number in range(chance.randint(2, 3)):
            parts: list[Term] = [
                (chance.choice("abcabcuv"), chance.choice((0, 1, "?x"))) for _ in range(chance.randint(1, 3))
            ]
            success = chance.choice((1.0, 0.9, 0.5))
            domain.add(Method((name, "?x"), name=str(number), needs=terms(2, 0.25), subtasks=parts, success=success))
    tasks: list[Term] = [("t", chance.randrange(2)), ("u", chance.randrange(2))]
    return domain, tasks, [(chance.choice("pqr"), chance.randrange(2)) for _ in range(4)]


def ways(rule: Action | Method, task: Term, holding: frozenset[Term]) -> Iterator[dict[str, int]]:
    """Each way in which a rule does a task: by trying all values for all variables."""
    named = {part for term in (rule.task, *rule.needs) for part in term[1:] if isinstance(part, str)}
    for values in itertools.product((0, 1), repeat=len(named)):
        binding = dict(zip(sorted(named), values, strict=True))

        def filled(term: Term, binding: dict[str, int] = binding) -> Term:
            return tuple(binding.get(part, part) for part in term)  # type: ignore[call-overload]

        fits = filled(rule.task) == task and all(filled(need) in holding for need in rule.needs)
        if fits and not any(filled(term) in holding for term in rule.unless):
            yield binding


def every_plan(domain: Domain, tasks: tuple[Term, ...], holding: frozenset[Term], steps: int) -> Iterator[float]:
    """The cost of each plan of up to so many steps, decompositions counted too: by trying all."""
    if not tasks:
        yield 0.0
    elif steps:
        task, rest = tasks[0], tasks[1:]
        for action in domain.actions.get(str(task[0]), ()):
            for binding in ways(action, task, holding):
                after = holding - set(action.removing(binding)) | set(action.adding(binding))
                own = sum(action.effort(binding)) - 100 * math.log(action.chance(binding))
                yield from (own + cost for cost in every_plan(domain, rest, after, steps - 1))
        for method in domain.methods.get(str(task[0]), ()):
            for binding in ways(method, task, holding):
                own = -100 * math.log(method.chance(binding))
                following = (*method.tasks(binding), *rest)
                yield from (own + cost for cost in every_plan(domain, following, holding, steps - 1))


def carried_out(steps: Iterable[PlanStep], known: list[Term]) -> set[Term]:
    """What holds after the steps. Fails where the needs of one are not met when its turn comes."""
    holding = set(known)
    for step in steps:
        assert holding.issuperset(step.needs), step
        assert holding.isdisjoint(step.unless), step
        holding = holding - set(step.removes) | set(step.adds)
    return holding


def test_the_plan_is_the_cheapest_of_all_and_is_found_whenever_there_is_one() -> None:
    solved = chosen = 0
    for seed in range(DOMAINS):
        domain, tasks, known = drawn(random.Random(seed))
        costs = {round(cost, 4) for cost in every_plan(domain, tuple(tasks), frozenset(known), STEPS)}
        if not costs:
            with pytest.raises((Unsolvable, Unbounded)):
                make_plan(domain, tasks, known, bounds=Bounds(steps=STEPS))
            continue
        plan = make_plan(domain, tasks, known, bounds=Bounds(steps=STEPS))
        assert plan.optimal, seed
        assert plan.cost == pytest.approx(min(costs), abs=1e-3), seed
        chances = (part.success for part in (*plan.steps, *plan.choices))
        assert plan.confidence == pytest.approx(math.prod(chances)), seed
        end = carried_out(plan.steps, known)
        # Whatever comes as late as the data flow allows, comes to the same.
        late = random.Random(seed)
        for _ in range(3):
            assert carried_out(reordered(plan.steps, late), known) == end, seed
        solved += 1
        chosen += len(costs) > 1
    # The law is put to the test: most have a plan, and there is something to choose.
    assert solved > DOMAINS / 2
    assert chosen > DOMAINS / 3


def reordered(steps: Sequence[PlanStep], choice: random.Random) -> Iterator[PlanStep]:
    """The steps in another order that respects what each comes after."""
    left, done = list(steps), set[int]()
    while left:
        step = choice.choice([step for step in left if done.issuperset(step.after)])
        left.remove(step)
        done.add(step.number)
        yield step


def told(plan: Plan) -> list[str]:
    return [shown(step.task) for step in plan.steps]


def test_who_has_money_takes_a_taxi_and_who_has_not_walks_where_it_is_near() -> None:
    at_home = [("at", "me", "home"), ("money", "me", 20)]
    far = make_plan(travel(), [("travel", "me", "park")], at_home)
    assert told(far) == ["call(me, home)", "ride(me, home, park)", "pay(me)"]
    assert (far.confidence, far.duration_s) == (0.99, 16)
    assert [(risk.what, risk.cause) for risk in far.risks] == [("ride(me, home, park)", "taxis are stuck in traffic")]
    careful = Weights(risk=100_000)
    near = make_plan(travel(), [("travel", "me", "inn")], at_home)
    assert told(near) == ["call(me, home)", "ride(me, home, inn)", "pay(me)"]
    assert told(make_plan(travel(), [("travel", "me", "inn")], at_home, weights=careful)) == ["walk(me, home, inn)"]
    with pytest.raises(Unsolvable, match=r"pay\(me\): its condition does not hold"):
        make_plan(travel(), [("travel", "me", "park")], [("at", "me", "home"), ("money", "me", 2)])


def test_towers_of_blocks_are_rebuilt_by_the_fewest_moves() -> None:
    """The anomaly that Sussman named: neither half of the goal can be finished before the other is begun."""
    known = towers("ca", "b")
    plan = make_plan(blocks(), [("stack", "c", "table"), ("stack", "b", "c"), ("stack", "a", "b")], known)
    assert told(plan) == ["put down(c)", "put(b, c)", "put(a, b)"]
    assert {("on", "a", "b"), ("on", "b", "c"), ("on", "c", "table")} <= carried_out(plan.steps, known)


def test_a_tower_of_fifty_blocks_is_turned_over() -> None:
    names = [f"b{number:02}" for number in range(50)]
    known: list[Term] = [("clear", names[0]), ("on", names[-1], "table")]
    known += [("on", x, y) for x, y in itertools.pairwise(names)]
    goal: list[Term] = [("stack", names[0], "table"), *(("stack", y, x) for x, y in itertools.pairwise(names))]
    plan = make_plan(blocks(), goal, known)
    assert plan.optimal
    assert len(plan.steps) == 50
    assert carried_out(plan.steps, known) >= {("on", y, x) for x, y in itertools.pairwise(names)}


CITIES: list[Term] = [
    *[("truck", "t1"), ("truck", "t2"), ("plane", "p"), ("airport", "a1"), ("airport", "a2")],
    *[("city", "a1", "one"), ("city", "h1", "one"), ("city", "a2", "two"), ("city", "h2", "two")],
    *[("at", "t1", "a1"), ("at", "t2", "a2"), ("at", "p", "a2"), ("at", "box", "h1")],
]


def test_a_package_goes_by_truck_plane_and_truck_and_what_need_not_wait_does_not() -> None:
    plan = make_plan(logistics(), [("deliver", "box", "h2")], CITIES)
    assert [str(step.task[0]) for step in plan.steps] == (
        ["drive", "load", "drive", "unload", "fly", "load", "fly", "unload", "load", "drive", "unload"]
    )
    assert ("at", "box", "h2") in carried_out(plan.steps, CITIES)
    # The plane comes while the first truck is still on its way.
    assert (plan.work_s, plan.duration_s) == (61, 49)
    assert "by air" in plan.text


def test_a_plan_of_thousands_of_tasks_is_the_cheapest() -> None:
    domain, known = many(2_000)
    plan = make_plan(domain, [("all", 2_000)], known)
    assert (len(plan.steps), plan.optimal) == (2_000, True)
    assert plan.cost == pytest.approx(1_000 * 1.5 + 1_000 * (2 + 0.01), rel=1e-4)
    assert plan.duration_s == 2
    # Each way of each task is looked at once, not with each way of all others.
    assert plan.nodes < 8_000


def test_a_task_may_come_back_to_itself_ten_thousand_times() -> None:
    domain = Domain("count").add(
        Action(("tick", "?n"), needs=[("at", "?n")], removes=[("at", "?n")], adds=lambda b: [("at", b["?n"] - 1)]),
        Method(("count",), name="end", needs=[("at", 0)]),
        Method(("count",), needs=[("at", "?n")], where=lambda b: b["?n"] > 0, subtasks=[("tick", "?n"), ("count",)]),
    )
    assert len(make_plan(domain, [("count",)], [("at", 10_000)]).steps) == 10_000


def test_where_the_nodes_are_spent_any_plan_is_given_with_how_far_from_the_best_it_can_be() -> None:
    """Each way of a task is remembered by the last task, so the ways of all of them have to be told apart."""
    domain = Domain("wide").add(
        Action(("left", "?i"), adds=[("went", "?i", "left")], duration_s=1),
        Action(("right", "?i"), adds=[("went", "?i", "right")], duration_s=1.01),
        Action(("end",), needs=[("went", i, "right") for i in range(12)]),
        Method(("go", "?i"), name="left", subtasks=[("left", "?i")]),
        Method(("go", "?i"), name="right", subtasks=[("right", "?i")]),
    )
    plan = make_plan(domain, [*(("go", i) for i in range(12)), ("end",)], [], bounds=Bounds(nodes=40_000))
    assert plan.optimal
    assert plan.cost == pytest.approx(12 * 1.01)
    nowhere = [("went", i, "nowhere") for i in range(12)]
    domain.actions["end"][:] = [Action(("end",), needs=[("went", i, "right") for i in range(9, 12)], unless=nowhere)]
    hasty = make_plan(domain, [*(("go", i) for i in range(12)), ("end",)], [], bounds=Bounds(nodes=400))
    assert not hasty.optimal
    assert hasty.bound < hasty.cost == pytest.approx(9 + 3 * 1.01)


def test_what_nothing_achieves_is_named() -> None:
    domain = logistics()
    grounded = [fact for fact in CITIES if fact != ("plane", "p")]
    with pytest.raises(Unsolvable) as caught:
        make_plan(domain, [("deliver", "box", "h2")], grounded)
    assert "deliver(box, h2) by 'by air' needs plane(?v): no method achieves it" in caught.value.unmet
    with pytest.raises(Unsolvable, match=r"nothing does deliver\(box\)"):
        make_plan(domain, [("deliver", "box")], CITIES)


def test_endless_recursion_is_named_by_its_circle() -> None:
    circle = Domain("circle").add(Method(("a",), subtasks=[("b",)]), Method(("b",), subtasks=[("a",)]))
    with pytest.raises(Unbounded, match="a, b") as caught:
        make_plan(circle, [("a",)], [])
    assert caught.value.tasks == ["a", "b"]
    growing = Domain("growing").add(
        Action(("n",)),
        Method(("a",), subtasks=[("b",), ("n",)]),
        Method(("b",), subtasks=[("a",)]),
        Method(("b",), needs=[("never",)]),
    )
    with pytest.raises(Unbounded, match="a -> b -> a") as caught:
        make_plan(growing, [("a",)], [], bounds=Bounds(steps=1_000))
    assert caught.value.tasks in (["a", "b", "a"], ["b", "a", "b"])


def test_a_domain_is_extended_by_whoever_has_another_way() -> None:
    domain = register(logistics())
    train = Action(
        ("rail", "?v", "?to"),
        needs=[("plane", "?v"), ("at", "?v", "?from")],
        where=lambda b: b["?from"] != b["?to"],
        adds=[("at", "?v", "?to")],
        removes=[("at", "?v", "?from")],
        duration_s=2,
        realises="move",
    )
    find("logistics").add(train)
    plan = make_plan(domain, [("deliver", "box", "h2")], CITIES)
    assert "rail(p, a1)" in told(plan)
    with pytest.raises(InputError, match="There are: "):
        find("chess")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: Action(("?x",)), "no term"),
        (
            lambda: Action(
                ("a", []),
            ),
            "cannot be compared",
        ),
        (lambda: Action(("a", "?x"), adds=[("p", "?y")]), r"does not say what \?y"),
        (lambda: Method(("a", "?x"), subtasks=[("b", "?y")]), r"does not say what \?y"),
        (lambda: Domain("d").add(Action(("a",)), Method(("a",))), "both actions and methods"),
        (lambda: make_plan(Domain("d").add(Method(("a",), subtasks=[("b",)])), [("a",)], []), "comes to the task b"),
        (lambda: make_plan(Domain("d").add(Action(("a",))), [("b",)], []), "What is asked for comes to the task b"),
        (lambda: make_plan(Domain("d").add(Action(("a", "?x"))), [("a", "?x")], []), "has the variable"),
        (lambda: make_plan(Domain("d").add(Action(("a",), success=0)), [("a",)], []), "no probability"),
        (lambda: make_plan(Domain("d").add(Action(("a",), duration_s=math.nan)), [("a",)], []), "no number from 0"),
    ],
)
def test_what_is_wrong_with_a_domain_is_told(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises(DomainError, match=message):
        wrong()
