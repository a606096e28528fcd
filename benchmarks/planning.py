"""Plans of 10,000 tasks, and small ones against trying everything.

    python benchmarks/planning.py [--tasks 10000] [--domains 300] [--seed 0]

Fails unless

- a plan of so many tasks, each done in one of three ways, takes under two seconds of processor time, and is the
  cheapest: whether its tasks are all there from the start, or each comes of the one before;
- ten times the tasks take at most twenty times as long;
- in so many random domains the plan costs what the cheapest of all plans costs that trying everything finds, and
  there is none where trying everything finds none.
"""

import argparse
import math
import random
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# The domains of the tests are beside this folder, not in it.
sys.path.insert(0, str(Path(__file__).parent.parent))

from core.errors import Unbounded, Unsolvable
from graphs.planning import Action, Bounds, Domain, Method, Plan, make_plan
from graphs.planning.term import Term
from tests.planning_domains import many

MOST_S = 2.0
MOST_GROWTH = 20.0
# Plans of random domains have up to so many steps, decompositions counted too.
STEPS = 8


def main() -> None:
    options = _options()
    for name, make in (("all at once", all_at_once), ("one by one", one_by_one)):
        few, _ = timed(lambda: make(options.tasks // 10))  # noqa: B023 - it is called at once
        seconds, plan = timed(lambda: make(options.tasks))  # noqa: B023
        growth = seconds / few
        print(f"{options.tasks:,} tasks, {name}: {seconds:.2f} s, {plan.nodes:,} nodes; x10 tasks, x{growth:.1f} time")
        assert len(plan.steps) == options.tasks
        assert plan.optimal
        assert seconds < MOST_S, f"{name}: {seconds:.2f} s is not under {MOST_S} s"
        assert growth < MOST_GROWTH, f"{name}: ten times the tasks take {growth:.1f} times as long"
    against_everything(options.domains, random.Random(options.seed))


def timed(work: Callable[[], Plan]) -> tuple[float, Plan]:
    """The least processor time of three tries."""
    found = []
    for _ in range(3):
        began = time.process_time()
        plan = work()
        found.append(time.process_time() - began)
    return min(found), plan


def all_at_once(tasks: int) -> Plan:
    domain, known = many(tasks)
    return make_plan(domain, [("one", i) for i in range(tasks)], known)


def one_by_one(tasks: int) -> Plan:
    domain = Domain("walk").add(
        Action(("step", "?i", "?j"), needs=[("at", "?i")], removes=[("at", "?i")], adds=[("at", "?j")], duration_s=1),
        Action(("jump", "?i", "?j"), needs=[("at", "?i")], removes=[("at", "?i")], adds=[("at", "?j")], duration_s=2),
        Method(("go",), name="there", needs=[("at", tasks)]),
        Method(
            ("go",), name="step", needs=[("at", "?i"), ("next", "?i", "?j")], subtasks=[("step", "?i", "?j"), ("go",)]
        ),
        Method(
            ("go",), name="jump", needs=[("at", "?i"), ("next", "?i", "?j")], subtasks=[("jump", "?i", "?j"), ("go",)]
        ),
    )
    return make_plan(domain, [("go",)], [("at", 0), *(("next", i, i + 1) for i in range(tasks))])


def against_everything(domains: int, chance: random.Random) -> None:
    solved = 0
    for number in range(domains):
        domain, tasks, known = _random(chance)
        best = min(_everything(domain, tuple(tasks), frozenset(known), STEPS), default=None)
        try:
            plan = make_plan(domain, tasks, known, bounds=Bounds(steps=STEPS))
        except (Unsolvable, Unbounded):
            assert best is None, f"domain {number}: a plan of cost {best} was missed"
            continue
        assert best is not None, f"domain {number}: a plan where there is none"
        assert math.isclose(plan.cost, best, abs_tol=1e-4), f"domain {number}: {plan.cost} instead of {best}"
        solved += 1
    print(f"{domains} random domains, {solved} of them with a plan: the same optimum as trying everything")
    assert solved > domains / 10


def _random(chance: random.Random) -> tuple[Domain, list[Term], list[Term]]:
    def facts(most: int) -> list[Term]:
        return [(chance.choice("pqr"), chance.randrange(2)) for _ in range(chance.randint(0, most))]

    domain = Domain("random")
    for name in ("a", "b", "c"):
        for _ in range(chance.randint(1, 2)):
            seconds = chance.choice((0, 1, 2, 5))
            rule: dict[str, Any] = {"needs": facts(2), "unless": facts(1), "adds": facts(2), "removes": facts(1)}
            domain.add(Action((name,), duration_s=seconds, success=chance.choice((1.0, 0.9)), **rule))
    for name in ("t", "u", "v"):
        for number in range(chance.randint(1, 3)):
            parts: list[Term] = [(chance.choice("abctuv"),) for _ in range(chance.randint(0, 3))]
            domain.add(Method((name,), name=str(number), needs=facts(1), subtasks=parts))
    return domain, [("t",), ("u",)], facts(4)


def _everything(domain: Domain, tasks: tuple[Term, ...], holding: frozenset[Term], steps: int) -> Iterator[float]:
    """The cost of each plan of up to so many steps."""
    if not tasks:
        yield 0.0
    elif steps:
        name, rest = str(tasks[0][0]), tasks[1:]
        for rule in (*domain.actions.get(name, ()), *domain.methods.get(name, ())):
            if not holding.issuperset(rule.needs) or not holding.isdisjoint(rule.unless):
                continue
            own = -100 * math.log(rule.chance({}))
            if isinstance(rule, Method):
                following, after = (*rule.tasks({}), *rest), holding
            else:
                own += sum(rule.effort({}))
                following, after = rest, holding - set(rule.removing({})) | set(rule.adding({}))
            yield from (own + cost for cost in _everything(domain, following, after, steps - 1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--domains", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
