"""Formation: as good as trying every team, deterministic, monotonic, and clear where no team can be."""

import random
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import InputError
from crews import Candidate, Level, Need, Profile, Team, form
from crews.formation import WEIGHTS
from crews.formation.bound import SHARED_OUT, bound
from crews.formation.exhaustive import FEW
from crews.formation.score import MOST, Pool, total
from crews.formation.search import best_found, undominated
from crews.skills import AREAS

SKILLS = (*AREAS, "streaming", "visualization")

levels = st.sampled_from(Level)
# Few values, so that ties are frequent.
shares = st.sampled_from([0.0, 0.25, 0.5, 1.0])
needs_drawn = st.lists(st.sampled_from(SKILLS), min_size=1, max_size=4, unique=True).flatmap(
    lambda skills: st.tuples(*(st.builds(Need, skill=st.just(skill), level=levels) for skill in skills))
)
profiles = st.builds(
    lambda first, second: Profile(primary=first, secondary={s: level for s, level in second.items() if s not in first}),
    st.dictionaries(st.sampled_from(SKILLS), levels, min_size=1, max_size=3),
    st.dictionaries(st.sampled_from(SKILLS), levels, max_size=3),
)


def pools(most: int) -> st.SearchStrategy[list[Candidate]]:
    drawn = st.fixed_dictionaries(
        {
            "profile": profiles,
            "performance": shares,
            "collaboration": shares,
            "capacity": st.sampled_from([0.25, 0.5, 1.0]),
            "throughput": shares,
        }
    )
    return st.lists(drawn, min_size=1, max_size=most).map(
        lambda given: [Candidate(agent=f"a{n:02}", **fields) for n, fields in enumerate(given)]
    )


def worth(team: Sequence[Candidate], needs: Sequence[Need]) -> float | None:
    """By the text of the page on crews, not by the code of formation; None for a team that leaves a need uncovered."""
    fits = [[candidate.fit(need) for need in needs] for candidate in team]
    best = [max(column) for column in zip(*fits, strict=True)]
    if not all(best):
        return None
    n = len(team)
    able = [{name for name, fit in enumerate(own) if fit} for own in fits]
    apart = [1 - len(one & other) / len(one | other) for one, other in combinations(able, 2)]
    efficiency = min(1.0, max(0.5, 1 - 0.08 * (n - 3)))
    return (
        0.30 * sum(best) / len(best)
        + 0.20 * sum(each.performance for each in team) / n
        + 0.15 * sum(each.collaboration for each in team) / n
        + 0.15 * sum(each.capacity for each in team) / n
        + 0.10 * (sum(apart) / len(apart) if apart else 0.0)
        + 0.08 * sum(each.throughput for each in team) / n
        + 0.02 * efficiency
    )


def brute_force(needs: Sequence[Need], pool: Sequence[Candidate]) -> tuple[float, tuple[str, ...]] | None:
    """The best of all teams; of those that are equal the smallest, then the first by its ids."""
    able = [candidate for candidate in pool if any(candidate.fit(need) for need in needs)]
    scored = [
        (value, len(team), tuple(each.agent for each in team))
        for size in range(1, min(10, len(able)) + 1)
        for team in combinations(able, size)
        if (value := worth(team, needs)) is not None
    ]
    if not scored:
        return None
    most = max(value for value, *_ in scored)
    return most, min((size, agents) for value, size, agents in scored if value >= most - 1e-9)[1]


@settings(max_examples=30)
@given(needs=needs_drawn, pool=pools(12))
def test_formation_is_as_good_as_trying_every_team(needs: tuple[Need, ...], pool: list[Candidate]) -> None:
    """The very same team, ties and all; whoever lacks the skill for it is named."""
    expected = brute_force(needs, pool)
    if expected is None:
        with pytest.raises(InputError, match="No agent can do"):
            form(needs, pool)
        return
    team = form(needs, pool)
    assert team.score == pytest.approx(expected[0], abs=1e-9)
    assert team.agents == expected[1]
    assert (team.formation.proven, team.formation.gap) == (True, 0.0)


@settings(max_examples=50)
@given(needs=needs_drawn, pool=pools(9))
def test_the_search_finds_no_better_team_than_there_is_and_none_beyond_its_bound(
    needs: tuple[Need, ...], pool: list[Candidate]
) -> None:
    expected = brute_force(needs, pool)
    if expected is None:
        return
    tables = Pool([each for each in pool if any(each.fit(need) for need in needs)], needs)
    found, _ = best_found(tables, 1)
    assert worth([tables.candidates[i] for i in found[0]], needs) == pytest.approx(total(tables.components(found[0])))
    assert expected[0] * 0.99 <= total(tables.components(found[0])) <= expected[0] + 1e-9 <= bound(tables) + 2e-9
    # Nobody whom the best team needs is thrown out before the search.
    kept = {tables.candidates[index].agent for index in undominated(tables)}
    assert kept.issuperset(expected[1])


@given(needs=needs_drawn, pool=pools(8), seed=st.integers(0, 1000))
def test_the_order_of_candidates_and_of_needs_changes_nothing(
    needs: tuple[Need, ...], pool: list[Candidate], seed: int
) -> None:
    try:
        team = form(needs, pool)
    except InputError:
        return
    chance = random.Random(seed)
    again = form(chance.sample(needs, len(needs)), chance.sample(pool, len(pool)))
    assert again.agents == team.agents
    assert again.score == pytest.approx(team.score, abs=1e-9)
    assert form(needs, pool) == team


@given(needs=needs_drawn, pool=pools(7), more=pools(1))
def test_one_more_candidate_or_a_better_one_never_makes_the_team_worse(
    needs: tuple[Need, ...], pool: list[Candidate], more: list[Candidate]
) -> None:
    try:
        before = form(needs, pool).score
    except InputError:
        return
    larger = [*pool, more[0].model_copy(update={"agent": "z"})]
    assert form(needs, larger).score >= before - 1e-9
    for name in ("performance", "collaboration", "capacity", "throughput"):
        assert form(needs, [pool[0].model_copy(update={name: 1.0}), *pool[1:]]).score >= before - 1e-9


@given(needs=needs_drawn, pool=pools(6))
def test_every_component_is_a_share_and_their_weighted_sum_is_the_score(
    needs: tuple[Need, ...], pool: list[Candidate]
) -> None:
    try:
        team = form(needs, pool)
    except InputError:
        return
    assert list(team.components) == list(WEIGHTS)
    assert sum(WEIGHTS.values()) == pytest.approx(1)
    for each in (team, *team.formation.runners_up):
        assert all(-1e-9 <= value <= 1 + 1e-9 for value in each.components.values())
        assert each.score == pytest.approx(sum(WEIGHTS[name] * value for name, value in each.components.items()))
    scores = [round(score, 8) for score in (team.score, *(other.score for other in team.formation.runners_up))]
    assert scores == sorted(scores, reverse=True)
    assert all(other.why for other in team.formation.runners_up)
    # Each need is somebody's own, and there is one lead.
    assert sorted(name for member in team.members for name in member.covers) == sorted(need.skill for need in needs)
    assert [member.role for member in team.members].count("lead") == 1


def test_formation_with_many_needs_is_bounded_too() -> None:
    """More needs than the better bound can be computed for, and than a team usually has members."""
    skills = [skill for known in AREAS.values() for skill in known]
    needs = [Need(skill=skill, level=Level.EXPERT) for skill in skills]
    assert len(needs) > max(SHARED_OUT, MOST)
    alone = [Candidate(agent=skill, profile=Profile(primary={skill: Level.EXPERT})) for skill in skills]
    assert (
        len(form(needs, alone + [each.model_copy(update={"agent": f"{each.agent}-2"}) for each in alone]).members) == 15
    )
    chance = random.Random(3)
    pool = [
        Candidate(agent=f"a{n:02}", profile=Profile(primary=dict.fromkeys(chance.sample(skills, 3), Level.EXPERT)))
        for n in range(60)
    ]
    team = form(needs, pool)
    assert team.formation.method == "search"
    assert team.components["skill_coverage"] == 1.0
    assert team.score <= team.score * (1 + team.formation.gap) <= 1


def planted(seed: int, agents: int = 200) -> tuple[list[Need], list[Candidate]]:
    """A pool in which three specialists together are worth 1.0, the most that there is, among nearly as good ones."""
    chance = random.Random(seed)
    skills = chance.sample(list(AREAS), 3)
    needs = [Need(skill=skill, level=Level.MASTER) for skill in skills]
    best: dict[str, Any] = {"performance": 1.0, "collaboration": 1.0, "capacity": 1.0, "throughput": 1.0}
    pool = [Profile(primary={skill: Level.MASTER}) for skill in skills]
    found = [Candidate(agent=f"best-{n}", profile=profile, **best) for n, profile in enumerate(pool)]
    for number in range(agents - len(skills)):
        primary = {skill: chance.choice(list(Level)[2:]) for skill in chance.sample(skills, chance.randint(1, 3))}
        measured = {name: chance.uniform(0.6, 0.99) for name in best}
        found.append(Candidate(agent=f"other-{number:03}", profile=Profile(primary=primary), **measured))
    return needs, chance.sample(found, len(found))


@pytest.mark.parametrize("seed", range(5))
def test_the_search_is_within_one_percent_of_a_planted_best_team(seed: int) -> None:
    team = form(*planted(seed))
    assert team.formation.able > FEW
    assert team.score >= 0.99
    if team.score > 1 - 1e-9:
        assert team.formation.proven
        assert team.agents == ("best-0", "best-1", "best-2")


def candidate(name: str, *, free: int = 10, capacity: float = 1.0, **skills: Level) -> Candidate:
    return Candidate(agent=name, profile=Profile(primary=dict(skills)), free=free, capacity=capacity)


NEEDS = [Need(skill="data_ingestion", level=Level.ADVANCED), Need(skill="validation", level=Level.EXPERT)]


def test_a_need_that_nobody_can_cover_is_named_with_who_was_asked() -> None:
    with pytest.raises(InputError, match=r"No agent can do validation; those who were asked: ann\."):
        form(NEEDS, [candidate("ann", data_ingestion=Level.MASTER)])
    with pytest.raises(InputError, match="nobody"):
        form(NEEDS, [])


def test_who_is_busy_is_in_the_team_where_nobody_else_could_do_it() -> None:
    pool = [
        candidate("ann", data_ingestion=Level.MASTER),
        candidate("ben", free=0, capacity=0.0, validation=Level.MASTER),
    ]
    team = form(NEEDS, pool)
    assert (team.agents, team.components["capacity"], team.configuration.free) == (("ann", "ben"), 0.5, 10)
    away = pool[1].model_copy(update={"profile": pool[1].profile.model_copy(update={"availability": 0.0})})
    with pytest.raises(
        InputError, match="No agent can do validation; those who were asked: ann, ben, who is not avail"
    ):
        form(NEEDS, [pool[0], away])


def test_who_is_busy_is_left_out_where_another_can_stand_in() -> None:
    pool = [
        candidate("ann", data_ingestion=Level.MASTER),
        candidate("ben", free=0, capacity=0.0, validation=Level.MASTER),
        candidate("cat", validation=Level.NOVICE),
        candidate("dan", data_storage=Level.MASTER),
    ]
    team = form(NEEDS, pool)
    assert team.agents == ("ann", "cat")
    assert team.formation.left_out == {
        "ben": "has all the tasks that it may have",
        "dan": "can cover none of the needs",
    }


@pytest.mark.parametrize(
    ("needs", "pool", "told"),
    [
        ([], [candidate("ann", etl=Level.EXPERT)], "there are none"),
        ([NEEDS[0], NEEDS[0]], [candidate("ann", etl=Level.EXPERT)], "Several needs are called 'data_ingestion'"),
        (NEEDS, [candidate("ann", etl=Level.EXPERT)] * 2, "Several candidates are called 'ann'"),
    ],
)
def test_what_cannot_be_formed_from_is_told(needs: list[Need], pool: list[Candidate], told: str) -> None:
    with pytest.raises(InputError, match=told):
        form(needs, pool)


def test_a_primary_skill_comes_before_a_secondary_one_of_the_same_level() -> None:
    need = Need(skill="etl", level=Level.EXPERT)
    first = Candidate(agent="z", profile=Profile(primary={"etl": Level.EXPERT}))
    second = Candidate(
        agent="a", profile=Profile(primary={"statistics": Level.MASTER}, secondary={"etl": Level.EXPERT})
    )
    team: Team = form([need], [first, second])
    assert team.agents == ("z",)
    both, alone = team.formation.runners_up
    assert (both.agents, both.why) == (("a", "z"), "as good, with more members")
    assert (alone.agents, alone.why) == (("a",), "skill coverage -0.0600")


def test_a_need_can_be_limited_to_who_performs_it() -> None:
    need = Need(name="enrichment", skill="data_transformation", level=Level.ADVANCED)
    able = candidate("z", etl=Level.ADVANCED).model_copy(update={"performs": frozenset({"enrichment"})})
    other = candidate("a", etl=Level.MASTER).model_copy(update={"performs": frozenset({"transformation"})})
    assert form([need], [able, other]).agents == ("z",)
