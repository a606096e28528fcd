"""The optimizer: as good as trying everything, within all limits, honest about what it does not know."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import journal
from core.errors import InputError
from core.store import Database
from delegation import AgentCard, Authority, Policy, Priority, load_rules
from delegation.optimizer import Candidate, PendingTask, Proposal, optimize, record
from delegation.optimizer.problem import LEFT_OVER
from delegation.rules import Resources


def agent(name: str, *, capacity: int = 10, load: int = 0, speed: float = 1.0, **skills: float) -> Candidate:
    return Candidate(card=AgentCard(id=name, capacity=capacity, skills=skills), load=load, speed=speed)


def task(name: str, hours: float = 1.0, **more: Any) -> PendingTask:
    return PendingTask(id=name, hours=hours, **({"task_type": "sort"} | more))


def placed(proposal: Proposal) -> dict[str, str]:
    return {placement.task: placement.agent for placement in proposal.placements}


quarters = st.sampled_from([0.25, 0.5, 0.75, 1.0])
amounts = st.sampled_from([0, 1, 2, 3])
tasks_drawn = st.lists(
    st.builds(
        lambda **fields: fields,
        task_type=st.sampled_from(["sort", "join"]),
        hours=st.integers(1, 8),
        priority=st.sampled_from(Priority),
        skill=st.sampled_from([0, 0.5]),
        resources=st.builds(Resources, cpu=amounts, memory=amounts),
        classification=st.sampled_from(["public", "confidential"]),
    ),
    min_size=1,
    max_size=5,
).map(lambda drawn: [PendingTask(id=f"t{i}", **fields) for i, fields in enumerate(drawn)])
agents_drawn = st.lists(
    st.builds(
        lambda load, capacity, skills, **fields: (load, capacity, skills, fields),
        load=st.integers(0, 2),
        capacity=st.integers(0, 4),
        skills=st.dictionaries(st.sampled_from(["sort", "join"]), quarters),
        speed=st.sampled_from([0.5, 1, 2]),
        limits=st.builds(Resources, cpu=st.none() | st.integers(0, 6), memory=st.none() | st.integers(0, 6)),
        clearance=st.sampled_from(["internal", "restricted"]),
    ),
    min_size=1,
    max_size=3,
).map(
    lambda drawn: [
        Candidate(card=AgentCard(id=f"a{i}", capacity=capacity, skills=skills), load=load, **fields)
        for i, (load, capacity, skills, fields) in enumerate(drawn)
    ]
)


def hours(one: PendingTask, other: Candidate) -> float | None:
    """By the text of the objective, not by the code of the optimizer."""
    skill = other.card.skills.get(one.task_type, 0)
    able = skill > 0 and skill >= one.skill and one.classification.rank <= other.clearance.rank
    return one.hours / (skill * other.speed) if able else None


def fits(given: list[PendingTask], other: Candidate) -> bool:
    return other.load + len(given) <= max(other.card.capacity, other.load) and all(
        sum(one.resources.named.get(name, 0) for one in given) <= limit for name, limit in other.limits.named.items()
    )


def possible(one: PendingTask, other: Candidate) -> bool:
    return hours(one, other) is not None and other.load < other.card.capacity and fits([one], other)


def price(tasks: list[PendingTask], agents: list[Candidate], places: tuple[int | None, ...]) -> float:
    longest = max((hours(t, a) or 0 for t in tasks for a in agents if possible(t, a)), default=1)
    total = 0.0
    for one, place in zip(tasks, places, strict=True):
        cost = LEFT_OVER * longest if place is None else hours(one, agents[place])
        assert cost is not None
        total += one.priority * cost
    return total


def all_assignments(tasks: list[PendingTask], agents: list[Candidate]) -> list[tuple[int | None, ...]]:
    choices: list[list[int | None]] = [
        [None, *(i for i, other in enumerate(agents) if possible(one, other))] for one in tasks
    ]
    return [
        places
        for places in itertools.product(*choices)
        if all(fits([t for t, p in zip(tasks, places, strict=True) if p == i], a) for i, a in enumerate(agents))
    ]


@settings(max_examples=150)
@given(tasks_drawn, agents_drawn)
def test_the_optimizer_is_as_good_as_trying_every_assignment(tasks: list[PendingTask], agents: list[Candidate]) -> None:
    proposal = optimize(tasks, agents)
    by_hand = all_assignments(tasks, agents)
    names = [candidate.card.id for candidate in agents]
    given = placed(proposal)
    places = tuple(names.index(given[one.id]) if one.id in given else None for one in tasks)
    assert places in by_hand
    best = min(price(tasks, agents, each) for each in by_hand)
    assert price(tasks, agents, places) == pytest.approx(best, rel=1e-6)
    assert proposal.proposed.objective == pytest.approx(best, rel=1e-6)
    assert proposal.proven
    assert {leftover.task for leftover in proposal.left_over} == {one.id for one in tasks} - set(given)


def instance(tasks: int, agents: int, seed: int) -> tuple[list[PendingTask], list[Candidate]]:
    random = np.random.default_rng(seed)
    types = [f"type{i}" for i in range(6)]
    return [
        PendingTask(
            id=f"t{i}",
            task_type=str(random.choice(types)),
            hours=float(random.uniform(0.5, 8)),
            priority=Priority(int(random.integers(1, 6))),
            resources=Resources(cpu=float(random.uniform(0, 4))),
        )
        for i in range(tasks)
    ], [
        Candidate(
            card=AgentCard(
                id=f"a{i}", skills={name: float(random.uniform(0.3, 1)) for name in types if random.random() < 0.7}
            ),
            speed=float(random.uniform(0.5, 2)),
            limits=Resources(cpu=float(random.uniform(20, 40))),
        )
        for i in range(agents)
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_when_the_time_is_over_the_best_found_is_returned_with_its_proven_gap(seed: int) -> None:
    """What it is given a hundredth of a second for is within the limits, and the best lies between bound and value."""
    tasks, agents = instance(300, 30, seed)
    hasty, calm = optimize(tasks, agents, budget_s=0.01), optimize(tasks, agents, budget_s=2)
    assert not hasty.proven
    assert 0 < hasty.gap < 1
    assert hasty.bound <= calm.proposed.objective + 1e-6
    assert calm.bound <= hasty.proposed.objective + 1e-6
    assert calm.proposed.objective <= hasty.proposed.objective
    assert calm.gap < 0.01
    assert [risk.subject for risk in hasty.risks if risk.kind == "unproven"] == ["objective"]
    for proposal in (hasty, calm):
        given = placed(proposal)
        for candidate in agents:
            assert fits([one for one in tasks if given.get(one.id) == candidate.card.id], candidate)


def test_many_equal_agents_and_tasks_are_assigned_too() -> None:
    """Nothing tells one pair from another: the worst case for whatever goes by prices."""
    tasks = [task(f"t{i}") for i in range(100)]
    proposal = optimize(tasks, [agent(f"a{i}", sort=1.0) for i in range(10)], budget_s=5)
    assert proposal.proven
    assert len(proposal.placements) == 100


def test_gains_are_computed_against_today_with_their_formulas() -> None:
    """One agent is twice as fast and better; today it has nothing to do."""
    agents = [agent("slow", sort=0.5), agent("fast", capacity=4, load=1, sort=1.0)]
    proposal = optimize([task("one", 2), task("two", 4)], agents, today={"one": "slow", "two": "slow"})
    assert placed(proposal) == {"one": "fast", "two": "fast"}
    figures = {gain.measure: (gain.today, gain.proposed, gain.better) for gain in proposal.gains}
    assert figures == {
        "throughput": (1 / 4 + 1 / 8, 1 / 2 + 1 / 4, True),
        "latency": (6.0, 3.0, True),
        "quality": (0.5, 1.0, True),
        "utilisation": (3 / 14, 3 / 14, None),
        "efficiency": (0.5, 1.0, True),
    }
    assert all(gain.formula for gain in proposal.gains)
    assert [gain.relative for gain in proposal.gains] == [1.0, -0.5, 1.0, 0.0, 1.0]
    assert "priority x hours" in proposal.objective
    assert [(step.action, step.task, step.before, step.agent, step.saves) for step in proposal.steps] == [
        ("move", "two", "slow", "fast", 4.0),
        ("move", "one", "slow", "fast", 2.0),
    ]


def test_the_proposal_is_never_worse_than_today() -> None:
    tasks, agents = instance(60, 8, 5)
    today = placed(optimize(tasks, agents, budget_s=3))
    proposal = optimize(tasks, agents, today=today, budget_s=0.01)
    assert proposal.proposed.objective <= proposal.today.objective
    assert placed(proposal) == today
    assert proposal.steps == ()


def test_what_today_cannot_be_is_told_and_not_counted() -> None:
    agents = [agent("one", sort=1.0), agent("other", capacity=1, sort=1.0), agent("cook", cook=1.0)]
    tasks = [task(name) for name in "abcd"]
    today = {"a": "ghost", "b": "cook", "c": "other", "d": "other", "z": "one"}
    proposal = optimize(tasks, agents, today=today)
    assert proposal.today.faults == (
        "a: ghost is not known",
        "b: cook cannot do it (skill)",
        "z is not pending",
        "some agents have more than their capacity or limits allow",
    )
    assert (proposal.today.assigned, proposal.proposed.assigned) == (2, 4)


def test_a_task_without_an_agent_says_why() -> None:
    agents = [
        agent("able", capacity=1, sort=1.0, join=0.4),
        agent("busy", capacity=2, load=2, merge=1.0),
        Candidate(card=AgentCard(id="small", skills={"load": 1.0}), limits=Resources(cpu=1)),
    ]
    tasks = [
        task("fits", priority=Priority.HIGH),
        task("late"),
        task("unskilled", task_type="cook"),
        task("low", task_type="join", skill=0.5),
        task("secret", task_type="join", classification="restricted"),
        task("waits", task_type="merge"),
        task("big", task_type="load", resources=Resources(cpu=2)),
    ]
    proposal = optimize(tasks, agents, today={"late": "able"})
    assert placed(proposal) == {"fits": "able"}
    assert {leftover.task: leftover.reason for leftover in proposal.left_over} == {
        "late": "the agents that can do it have no room left",
        "unskilled": "no agent has the skill cook",
        "low": "no agent has the skill join at 0.5 or above",
        "secret": "no agent with the skill may see restricted data",
        "waits": "every agent that could do it has as many tasks as it can have",
        "big": "it uses more than the limits of any agent that could do it",
    }
    assert [(step.action, step.task) for step in proposal.steps] == [("take", "late"), ("give", "fits")]


def test_the_risks_and_what_to_watch_come_from_the_assignment() -> None:
    agents = [agent("only", capacity=2, sort=0.8, cook=0.5), agent("idle", cook=1.0)]
    proposal = optimize([task("a", 4), task("b", 2), task("c", 1, task_type="cook")], agents)
    assert [(risk.kind, risk.subject, risk.detail) for risk in proposal.risks] == [
        ("only_agent", "only", "no other agent can do sort"),
        ("concentration", "only", "has 88% of all hours"),
        ("full_agent", "only", "has 2 of 2 tasks then"),
    ]
    assert [(watch.measure, watch.subject, watch.bound) for watch in proposal.watch] == [
        ("hours", "idle", 1.0),
        ("hours", "only", 5.0),
        ("quality", "cook", 1.0),
        ("quality", "sort", 0.8),
        ("load", "only", 2.0),
    ]


def test_the_policy_closes_pairs_and_says_what_the_placements_need() -> None:
    """The fastest is no collaborator: a coordinator may not hand it this type of task."""
    skills = {"data_profiling": 1.0}
    agents = [
        Candidate(card=AgentCard(id="boss", authority=Authority.PIPELINE_MANAGER, skills=skills), speed=5),
        Candidate(card=AgentCard(id="tom", authority=Authority.PIPELINE_COLLABORATOR, skills=skills)),
    ]

    class Free:
        def load(self, agent_id: str) -> int:
            return 0

    cards = [AgentCard(id="eva", authority=Authority.STAGE_COORDINATOR), *(each.card for each in agents)]
    policy = Policy(load_rules(), cards, Free())
    facts = {"scope": "stage", "quality_threshold": 0.9}
    work = [task("profile", task_type="data_profiling")]
    proposal = optimize(
        work, agents, permit=lambda one, card: policy.can_delegate("eva", card.id, one.task_type, facts)
    )
    assert placed(proposal) == {"profile": "tom"}
    assert proposal.governance.model_dump() == {
        "checked": True,
        "refused_pairs": 1,
        "approvals": (),
        "monitored": ("profile",),
        "validated": ("profile",),
    }
    refused = optimize(work, agents, permit=lambda one, card: policy.can_delegate("eva", card.id, one.task_type, {}))
    assert refused.left_over[0].reason == "the policy refuses every agent that could do it"
    assert not optimize(work, agents).governance.checked


def test_nothing_to_do_and_nobody_to_do_it_are_answers() -> None:
    idle = optimize([], [agent("a", sort=1.0)])
    assert (idle.proven, idle.placements, idle.proposed.latency, idle.proposed.utilisation) == (True, (), None, 0.0)
    alone = optimize([task("t")], [])
    assert alone.left_over[0].reason == "no agent has the skill sort"
    assert (alone.proposed.throughput, alone.proposed.utilisation) == (None, None)


@pytest.mark.parametrize("budget", [0, -1, float("nan"), float("inf"), "10"])
def test_a_budget_that_is_none_is_an_error(budget: Any) -> None:
    with pytest.raises(InputError, match="budget"):
        optimize([], [], budget_s=budget)


def test_ids_that_stand_twice_and_too_many_pairs_are_errors() -> None:
    with pytest.raises(InputError, match="Several tasks have the id t"):
        optimize([task("t"), task("t")], [])
    with pytest.raises(InputError, match="Several agents have the id a"):
        optimize([], [agent("a"), agent("a")])
    with pytest.raises(InputError, match="are more than"):
        optimize([task(f"t{i}") for i in range(5000)], [agent(f"a{i}") for i in range(2001)])


@pytest.mark.parametrize(
    "fields", [{"hours": 0}, {"hours": -1}, {"hours": float("nan")}, {"hours": 1e10}, {"skill": 2}]
)
def test_tasks_that_cannot_be_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        PendingTask(id="t", task_type="sort", **({"hours": 1.0} | fields))


def test_a_proposal_is_in_the_journal_with_its_figures(database: Database) -> None:
    proposal = optimize([task("t"), task("u", task_type="cook")], [agent("a", sort=1.0)])
    record(database, proposal, actor="eva")
    (event,) = journal.events(database, None, kind="assignment.")
    assert (event.actor, event.data["placements"], event.data["proven"]) == ("eva", {"t": "a"}, True)
    assert event.data["left_over"] == {"u": "no agent has the skill cook"}
    assert event.data["proposed"]["latency"] == 1.0
