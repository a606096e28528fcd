"""Team formation: whether it is exact where it says so, how near the best it comes beyond, and how long it takes.

    python benchmarks/teams.py [exact] [search] [planted] [time]

Without an argument all parts run. A part fails if it misses what is promised: the very team that trying all finds, for
pools of up to 12 agents; within 1% of the best of 200 agents, where that is planted; under 1 s for 1,000 agents. The
search is also measured against trying all where that is still possible, beyond what it is used for.
"""

import random
import statistics
import sys
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

# The folder of a script comes first, and this file would be taken for the package that has its name.
sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.parts import measure
from crews import Candidate, Level, Need, Profile, form
from crews.formation.exhaustive import best_of_all
from crews.formation.score import EQUAL, Pool, total
from crews.formation.search import best_found
from crews.skills import AREAS, SKILLS

SEED = 7
MEASURES = ("performance", "collaboration", "capacity", "throughput")


def exact(pools: int = 150) -> None:
    """Pools of up to 12 agents: formation against every team, each scored by itself."""
    chance = random.Random(SEED)
    teams = 0
    for _ in range(pools):
        needs, candidates = _pool(chance, chance.randint(4, 12), chance.randint(1, 5))
        candidates = [each for each in candidates if any(map(each.fit, needs))]
        table = Pool(candidates, needs)
        every = [
            (total(table.components(members)), members)
            for size in range(1, len(candidates) + 1)
            for members in combinations(range(len(candidates)), size)
            if (table.fit[list(members)].max(axis=0) > 0).all() and size <= table.most
        ]
        teams += len(every)
        best = max(score for score, _ in every)
        first = min((len(members), members) for score, members in every if score >= best - EQUAL)[1]
        found = form(needs, candidates)
        if abs(found.score - best) > EQUAL or found.agents != tuple(candidates[i].agent for i in first):
            raise SystemExit(f"Formation found {found.agents} at {found.score}, and the best is {best}.")
    print(f"exact: {pools} pools of 4 to 12 agents, {teams:,} teams: the same team each time")


def search(pools: int = 100) -> None:
    """Pools of 15 to 19 agents, for which trying all is used: how far the search alone would stay behind it."""
    chance = random.Random(SEED)
    gaps = []
    for _ in range(pools):
        table = Pool(*reversed(_pool(chance, chance.randint(15, 19), chance.randint(1, 6))))
        best, found = best_of_all(table, 1)[0][0], best_found(table, 1)[0][0]
        gaps.append(1 - total(table.components(found)) / total(table.components(best)))
    behind = sum(gap > EQUAL for gap in gaps)
    print(f"search: {pools} pools of 15 to 19 agents: {behind} times behind trying all, at worst by {max(gaps):.2%}")
    if max(gaps) > 0.01:
        raise SystemExit("The search stays more than 1% behind.")


def planted(pools: int = 100, agents: int = 200) -> None:
    """Three specialists together are worth 1.0, the most there is, among agents that are nearly as good."""
    chance = random.Random(SEED)
    scores, proven = [], 0
    for _ in range(pools):
        skills = chance.sample(list(AREAS), 3)
        needs = [Need(skill=skill, level=Level.MASTER) for skill in skills]
        pool = [_candidate(f"best-{skill}", {skill: Level.MASTER}, lambda: 1.0) for skill in skills]
        for number in range(agents - len(skills)):
            own = {skill: chance.choice(list(Level)[2:]) for skill in chance.sample(skills, chance.randint(1, 3))}
            pool.append(_candidate(f"other-{number:03}", own, lambda: chance.uniform(0.6, 0.99)))
        team = form(needs, chance.sample(pool, len(pool)))
        scores.append(team.score)
        proven += team.formation.proven
    print(
        f"planted: {pools} pools of {agents} agents: worst {min(scores):.4f} of 1.0, found {proven} times, and proven"
    )
    if min(scores) < 0.99:
        raise SystemExit("The search stays more than 1% behind a planted best team.")


def timed(pools: int = 20) -> None:
    """Random pools; processor time."""
    for agents in (12, 20, 200, 1_000, 10_000):
        chance = random.Random(SEED)
        seconds, gaps = [], []
        for _ in range(pools if agents < 10_000 else 3):
            needs, candidates = _pool(chance, agents, 5)
            began = time.process_time()
            team = form(needs, candidates)
            seconds.append(time.process_time() - began)
            gaps.append(team.formation.gap)
        told = f"median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s"
        print(f"time: {agents:6,} agents: {told}; provably within {max(gaps):.1%} of the best")
        if agents <= 1_000 and max(seconds) > 1:
            raise SystemExit(f"A team of {agents} agents takes over 1 s.")


def _pool(chance: random.Random, agents: int, needs: int) -> tuple[list[Need], list[Candidate]]:
    """Random needs, and agents with random skills and measures, such that each need can be covered."""
    needed = [
        Need(skill=skill, level=chance.choice(list(Level))) for skill in chance.sample(list(AREAS), min(needs, 5))
    ]
    found = []
    for number in range(agents):
        # Each need in turn has somebody; the others know whatever they know.
        own = {needed[number].skill} if number < len(needed) else set()
        if agents < len(needed) and number == 0:
            own = {need.skill for need in needed}
        own |= set(chance.sample(SKILLS, chance.randint(0 if own else 1, 3)))
        skills = {skill: chance.choice(list(Level)) for skill in sorted(own)}
        found.append(_candidate(f"agent-{number:05}", skills, lambda: chance.uniform(0.01, 1)))
    return needed, found


def _candidate(name: str, skills: dict[str, Level], measure: Callable[[], float]) -> Candidate:
    return Candidate(agent=name, profile=Profile(primary=skills), **{name: measure() for name in MEASURES})


PARTS: dict[str, Callable[[], None]] = {"exact": exact, "search": search, "planted": planted, "time": timed}


if __name__ == "__main__":
    measure(PARTS, __doc__)
