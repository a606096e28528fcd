"""The policy: every default rule at its boundaries, every refusal by its name, and that nothing widens rights."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core import journal
from core.errors import InputError, Refused
from core.store import Database
from core.task import Stage, Task
from delegation import (
    AgentCard,
    Authority,
    Decision,
    Policy,
    PolicyAssigner,
    Rights,
    Verdict,
    hand_over,
    inquire,
    load_rules,
    record,
)
from delegation.decision import Impact
from delegation.handover import Terms
from delegation.rules import Resources

RULES = load_rules()


class Loads(dict[str, int]):
    """The tasks that agents have: those that are written down."""

    def load(self, agent_id: str) -> int:
        return self.get(agent_id, 0)


CARDS = (
    AgentCard(id="ada", authority=Authority.DATA_ARCHITECT),
    AgentCard(id="max", authority=Authority.PIPELINE_MANAGER),
    AgentCard(id="eva", authority=Authority.STAGE_COORDINATOR),
    AgentCard(
        id="tom", authority=Authority.PIPELINE_COLLABORATOR, skills={"data_profiling": 0.9}, peers={"kim", "lee"}
    ),
    AgentCard(id="kim", authority=Authority.PIPELINE_COLLABORATOR, skills={"code_review": 0.7, "data_profiling": 0.6}),
    AgentCard(id="lee", authority=Authority.PIPELINE_COLLABORATOR, skills={"code_review": 0.9}),
    AgentCard(id="pat", authority=Authority.DATA_PROCESSOR),
)

# For each default rule: from, to, a task type, and a context at the boundary of each condition and limit.
ALLOWED: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "architect_to_manager": (
        "ada",
        "max",
        "data_strategy",
        {
            "data_complexity": 0.8,
            "business_impact": "enterprise",
            "resources": {"cpu": 100, "memory": 500, "storage": 10_000, "bandwidth": 1_000},
        },
    ),
    "manager_to_coordinator": (
        "max",
        "eva",
        "etl_orchestration",
        {
            "scope": "pipeline",
            "sla_deadline_hours": 24,
            "resources": {"cpu": 50, "memory": 200, "storage": 5_000, "bandwidth": 500},
        },
    ),
    "coordinator_to_collaborator": (
        "eva",
        "tom",
        "data_profiling",
        {
            "scope": "stage",
            "quality_threshold": 0.85,
            "resources": {"cpu": 20, "memory": 100, "storage": 2_000, "bandwidth": 200},
        },
    ),
    "collaborator_to_collaborator": (
        "tom",
        "kim",
        "code_review",
        {"resources": {"cpu": 5, "memory": 20, "hours": 2}},
    ),
}
TASK_TYPES = [(rule.name, task_type) for rule in RULES.rules for task_type in rule.task_types]


def policy(loads: Mapping[str, int] | None = None, *cards: AgentCard) -> Policy:
    return Policy(RULES, cards or CARDS, Loads(loads or {}))


def asked(rule: str, loads: Mapping[str, int] | None = None, **changes: Any) -> Decision:
    """The decision on the boundary case of a rule, with changes of its context; None takes a fact away."""
    delegator, delegate, task_type, context = ALLOWED[rule]
    facts = {name: value for name, value in {**context, **changes}.items() if value is not None}
    return policy(loads).can_delegate(delegator, delegate, task_type, facts)


@pytest.mark.parametrize("rule", ALLOWED)
def test_each_default_rule_allows_what_is_exactly_on_its_bounds(rule: str) -> None:
    decision = asked(rule)
    path = ("data_engineering_lead", "data_architect") if rule == "manager_to_coordinator" else ()
    assert (decision.verdict, decision.rule, decision.escalates_to) == (Verdict.ALLOWED, rule, path)
    assert decision.approval == (rule == "manager_to_coordinator")
    of_peers = rule == "collaborator_to_collaborator"
    assert decision.monitoring == decision.quality_validation == decision.compliance.required == (not of_peers)
    assert decision.compliance.compliant is (None if of_peers else True)


@pytest.mark.parametrize(("rule", "task_type"), TASK_TYPES)
def test_each_default_rule_allows_each_of_its_task_types_and_no_other_direction(rule: str, task_type: str) -> None:
    delegator, delegate, _, context = ALLOWED[rule]
    skilled = [card.model_copy(update={"skills": {task_type: 0.7}}) for card in CARDS]
    decide = policy(None, *skilled).can_delegate
    assert decide(delegator, delegate, task_type, context).rule == rule
    others = {(one.id, other.id) for one in CARDS for other in CARDS} - {
        (one.id, other.id)
        for one in CARDS
        for other in CARDS
        if (one.authority, other.authority)
        == (next(c for c in CARDS if c.id == delegator).authority, next(c for c in CARDS if c.id == delegate).authority)
    }
    assert len(others) > 30
    assert {decide(one, other, task_type, context).verdict for one, other in others} == {Verdict.NO_RULE}


@pytest.mark.parametrize(
    ("rule", "changes", "field"),
    [
        ("architect_to_manager", {"data_complexity": 0.79}, "data_complexity must be >= 0.8 (is 0.79)"),
        ("architect_to_manager", {"business_impact": "team"}, "business_impact must be enterprise (is 'team')"),
        ("manager_to_coordinator", {"scope": "stage"}, "scope must be pipeline (is 'stage')"),
        ("manager_to_coordinator", {"sla_deadline_hours": 24.01}, "sla_deadline_hours must be <= 24 (is 24.01)"),
        ("coordinator_to_collaborator", {"scope": "pipeline"}, "scope must be stage (is 'pipeline')"),
        ("coordinator_to_collaborator", {"quality_threshold": 0.849}, "quality_threshold must be >= 0.85 (is 0.849)"),
    ],
)
def test_a_fact_just_past_its_bound_is_refused_with_what_it_must_be(
    rule: str, changes: dict[str, Any], field: str
) -> None:
    decision = asked(rule, **changes)
    assert (decision.verdict, decision.rule, decision.remedy) == (Verdict.UNMET_CONDITION, rule, (field,))
    assert decision.escalates_to == ("stage_coordinator", "pipeline_manager")


@pytest.mark.parametrize(
    ("changes", "verdict", "told"),
    [
        ({"quality_threshold": None}, Verdict.MISSING_CONTEXT, "quality_threshold must be >= 0.85 (is missing)"),
        ({"quality_threshold": "high"}, Verdict.MISTYPED_CONTEXT, "quality_threshold must be >= 0.85 (is 'high')"),
        ({"quality_threshold": float("nan")}, Verdict.MISTYPED_CONTEXT, "quality_threshold must be >= 0.85 (is nan)"),
    ],
)
def test_facts_that_are_missing_or_of_a_wrong_type_are_named(
    changes: dict[str, Any], verdict: Verdict, told: str
) -> None:
    decision = asked("coordinator_to_collaborator", **changes)
    assert (decision.verdict, decision.remedy) == (verdict, (told,))


@pytest.mark.parametrize("context", [None, [], "scope"])
def test_a_context_that_is_no_mapping_is_a_refusal_too(context: Any) -> None:
    assert policy().can_delegate("eva", "tom", "data_profiling", context).verdict is Verdict.MISTYPED_CONTEXT


@pytest.mark.parametrize(
    ("rule", "name", "limit"),
    [(rule.name, name, limit) for rule in RULES.rules for name, limit in rule.limits.named.items()],
)
def test_a_resource_just_over_its_limit_is_refused_along_the_path_of_the_rule(
    rule: str, name: str, limit: float
) -> None:
    decision = asked(rule, resources={name: limit + 0.5})
    assert (decision.verdict, decision.rule) == (Verdict.OVER_LIMITS, rule)
    assert decision.violations == (f"{name} {limit + 0.5:g} is over the limit of {limit:g}",)
    assert decision.escalates_to == next(r.escalates_to for r in RULES.rules if r.name == rule)


def test_an_amount_is_told_as_exactly_as_it_was_asked_for() -> None:
    decision = asked("coordinator_to_collaborator", resources={"cpu": 20.0000001})
    assert decision.violations == ("cpu 20.0000001 is over the limit of 20",)


def test_all_violations_are_named() -> None:
    decision = asked("coordinator_to_collaborator", resources={"cpu": 21, "memory": 100, "storage": 2001})
    assert len(decision.violations) == 2
    assert asked("coordinator_to_collaborator", resources=None).allowed


@pytest.mark.parametrize("resources", [{"cpu": -1}, {"gpu": 1}, {"cpu": "1"}, [], {"cpu": float("inf")}, {"cpu": 1e10}])
def test_resources_that_cannot_be_are_refused_by_name(resources: Any) -> None:
    decision = asked("coordinator_to_collaborator", resources=resources)
    assert decision.verdict is Verdict.MISSTATED_RESOURCES
    assert decision.violations


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "a\0b"},
        {"id": "a\nb"},
        {"capacity": -1},
        {"capacity": 2**31},
        {"skills": {"profile": 1.5}},
        {"skills": {"profile": float("nan")}},
        {"skills": {"profile": -0.1}},
    ],
)
def test_a_card_that_no_agent_can_have_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        AgentCard(**{"id": "a", **wrong})


@pytest.mark.parametrize("rule", ALLOWED)
def test_a_full_agent_is_refused_with_no_escalation(rule: str) -> None:
    """With 9 of 10 tasks there is room; but peers answer up to a workload of 0.8 only."""
    delegate = ALLOWED[rule][1]
    full = asked(rule, {delegate: 10})
    if rule == "collaborator_to_collaborator":
        assert asked(rule, {delegate: 8}).allowed
        assert asked(rule, {delegate: 9}).remedy == ("workload must be <= 0.8 (is 0.9)",)
        return
    assert asked(rule, {delegate: 9}).impact == Impact(load=9, capacity=10)
    assert (full.verdict, full.escalates_to) == (Verdict.NO_CAPACITY, ())
    assert full.reason == f"{delegate} has 10 of 10 tasks"


def test_a_refusal_for_capacity_names_free_agents_best_first() -> None:
    """kim has the skill; lee has not, but could take it; pat stands on another level."""
    assert asked("coordinator_to_collaborator", {"tom": 10}).alternatives == ("kim", "lee")
    assert asked("coordinator_to_collaborator", {"tom": 10, "kim": 10}).alternatives == ("lee",)
    none = asked("coordinator_to_collaborator", {"tom": 10, "kim": 10, "lee": 11})
    assert (none.alternatives, none.remedy) == ((), ("Wait until tom has finished one.",))


def test_an_agent_without_any_capacity_is_full() -> None:
    cards = [card.model_copy(update={"capacity": 0}) for card in CARDS]
    decision = policy(None, *cards).can_delegate(*ALLOWED["coordinator_to_collaborator"])
    assert decision.verdict is Verdict.NO_CAPACITY
    assert decision.impact == Impact(load=0, capacity=0)
    assert decision.impact.before == decision.impact.after == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [("eva", "ghost"), ("ghost", "tom"), ("ghost", "spook"), ("", ""), (None, "tom"), ("eva", ["tom"])],
)
def test_an_agent_whose_authority_is_not_known_is_refused_and_escalated(one: Any, other: Any) -> None:
    decision = policy().can_delegate(one, other, "data_profiling", {})
    assert (decision.verdict, decision.rule) == (Verdict.UNKNOWN_AGENT, None)
    assert decision.escalates_to == ("stage_coordinator", "pipeline_manager")
    assert decision.remedy


@pytest.mark.parametrize("task_type", ["data_profilin", "", None, ["data_profiling"], 7])
def test_a_task_type_that_no_rule_knows_is_refused(task_type: Any) -> None:
    decision = policy().can_delegate("eva", "tom", task_type, {})
    assert decision.verdict is Verdict.UNKNOWN_TASK_TYPE
    assert str(task_type) in decision.reason


def test_where_no_rule_applies_the_refusal_says_which_ways_there_are() -> None:
    unknown = policy().can_delegate("eva", "tom", "cooking", {})
    assert (unknown.verdict, unknown.reason) == (Verdict.UNKNOWN_TASK_TYPE, "no rule knows the task type cooking")
    wrong = policy().can_delegate("tom", "eva", "data_profiling", {})
    assert wrong.remedy == ("It can be handed from stage_coordinator to pipeline_collaborator.",)
    assert wrong.escalates_to == unknown.escalates_to == ("stage_coordinator", "pipeline_manager")
    alone = policy().can_delegate("tom", "tom", "code_review", {})
    assert (alone.verdict, alone.reason) == (Verdict.NO_RULE, "tom cannot hand a task to itself")


def test_only_peers_ask_each_other_and_it_is_mutual() -> None:
    cards = [card.model_copy(update={"skills": {"code_review": 0.7}}) for card in CARDS]
    decide = policy(None, *cards).can_delegate
    assert decide("kim", "tom", "code_review", {}).allowed
    assert decide("kim", "lee", "code_review", {}).verdict is Verdict.NOT_PEERS


def test_workload_and_expertise_are_measured_whatever_the_context_says() -> None:
    claimed = {"workload": 0.1, "expertise_match": 1.0}
    busy = asked("collaborator_to_collaborator", {"kim": 9}, **claimed)
    assert busy.remedy == ("workload must be <= 0.8 (is 0.9)",)
    assert policy().can_delegate("tom", "kim", "troubleshooting", claimed).remedy == (
        "expertise_match must be >= 0.7 (is 0.0)",
    )


def test_the_steps_are_asked_in_their_order() -> None:
    """Everything is wrong; what is mended step by step shows which refusal comes next."""
    context: dict[str, Any] = {"scope": "pipeline", "resources": {"cpu": 99}, "classification": "restricted"}
    loads = Loads(tom=10)
    decide = Policy(RULES, CARDS, loads).can_delegate
    seen = [decide("eva", "ghost", "data_profiling", context).verdict]
    context["quality_threshold"] = 0.9
    seen.append(decide("eva", "tom", "data_profiling", context).verdict)
    context["scope"] = "stage"
    seen.append(decide("eva", "tom", "data_profiling", context).verdict)
    loads["tom"] = 9
    seen.append(decide("eva", "tom", "data_profiling", context).verdict)
    context["resources"] = {"cpu": 1}
    seen.append(decide("eva", "tom", "data_profiling", context).verdict)
    context["classification"] = "internal"
    seen.append(decide("eva", "tom", "data_profiling", context).verdict)
    assert seen == [
        Verdict.UNKNOWN_AGENT,
        Verdict.UNMET_CONDITION,
        Verdict.NO_CAPACITY,
        Verdict.OVER_LIMITS,
        Verdict.UNGOVERNED,
        Verdict.ALLOWED,
    ]


def test_data_above_the_clearance_is_refused_by_governance_along_the_path() -> None:
    refused = asked("coordinator_to_collaborator", classification="confidential")
    assert refused.compliance.findings == ("the data is confidential, and the clearance is internal",)
    assert refused.escalates_to == ("pipeline_manager", "data_architect")
    for none in ("secret", "", 3, False):
        assert asked("coordinator_to_collaborator", classification=none).verdict is Verdict.UNGOVERNED
    delegator, delegate, task_type, context = ALLOWED["coordinator_to_collaborator"]
    cleared = policy().can_delegate(
        delegator,
        delegate,
        task_type,
        {**context, "classification": "confidential"},
        held=Rights(roots=("/data",), clearance="restricted"),
        asked=Rights(roots=("/data/orders",), clearance="confidential"),
    )
    assert cleared.rights == Rights(roots=("/data/orders",), clearance="confidential")


def test_what_the_delegator_does_not_hold_it_cannot_hand_on() -> None:
    delegator, delegate, task_type, context = ALLOWED["coordinator_to_collaborator"]
    decide = policy().can_delegate
    held = Rights(roots=("/data",), task_types=frozenset({"schema_mapping"}))
    refused = decide(delegator, delegate, task_type, context, held=held)
    assert (refused.verdict, refused.escalates_to) == (
        Verdict.BEYOND_RIGHTS,
        ("stage_coordinator", "pipeline_manager"),
    )
    elsewhere = decide(delegator, delegate, task_type, context, held=Rights(roots=("/a",)), asked=Rights(roots=("/b",)))
    assert elsewhere.verdict is Verdict.BEYOND_RIGHTS
    small = decide(delegator, delegate, task_type, context, held=Rights(roots=("/a",), resources=Resources(cpu=3)))
    assert (small.verdict, small.violations) == (
        Verdict.OVER_LIMITS,
        ("cpu 20 is over the limit of 3, which eva holds or the task has",),
    )


facts = st.fixed_dictionaries(
    {},
    optional={
        "scope": st.sampled_from(["stage", "pipeline", 3]),
        "quality_threshold": st.sampled_from([0.8, 0.85, 1, "x"]),
        "resources": st.dictionaries(st.sampled_from(["cpu", "memory", "hours", "gpu"]), st.integers(-1, 30)),
        "classification": st.sampled_from(["public", "confidential", "odd"]),
    },
)
agents = st.sampled_from([*[card.id for card in CARDS], "ghost"])
types = st.sampled_from(["data_profiling", "code_review", "etl_orchestration", "odd"])


@given(agents, agents, types, facts, st.dictionaries(agents, st.integers(0, 12)))
def test_a_decision_is_the_same_every_time_and_every_refusal_says_the_way_out(
    one: str, other: str, task_type: str, context: dict[str, Any], loads: dict[str, int]
) -> None:
    first = policy(loads).can_delegate(one, other, task_type, context)
    assert first == policy(loads, *reversed(CARDS)).can_delegate(one, other, task_type, context)
    assert first.reason
    assert first.allowed == (not first.remedy)
    assert first.allowed or bool(first.escalates_to) == (first.verdict is not Verdict.NO_CAPACITY)
    for alternative in first.alternatives:
        instead = policy(loads).can_delegate(one, alternative, task_type, context)
        assert instead.verdict not in (Verdict.NO_CAPACITY, Verdict.NO_RULE, Verdict.UNMET_CONDITION)


rights = st.builds(
    Rights,
    roots=st.lists(
        st.sampled_from(["/a", "/a/b", "/a/b/c", "/ab", "/d", "s3://lake/raw", "s3://lake"]), max_size=3
    ).map(tuple),
    clearance=st.sampled_from(["public", "internal", "confidential", "restricted"]),
    task_types=st.none() | st.frozensets(st.sampled_from(["code_review", "troubleshooting"])),
    resources=st.builds(Resources, cpu=st.none() | st.integers(0, 9), hours=st.none() | st.integers(0, 9)),
)


@given(st.lists(st.tuples(st.sampled_from(["tom", "kim"]), rights), min_size=1, max_size=6), rights)
def test_no_sequence_of_delegations_widens_rights(hops: list[tuple[str, Rights]], first: Rights) -> None:
    """Peers hand a task to and fro, each asking for any rights: what the last holds, everyone before it held."""
    cards = [card.model_copy(update={"skills": {"code_review": 0.7}}) for card in CARDS]
    decide = policy(None, *cards).can_delegate
    chain = [first]
    for delegator, wanted in hops:
        other = "kim" if delegator == "tom" else "tom"
        decision = decide(delegator, other, "code_review", {}, held=chain[-1], asked=wanted)
        if decision.allowed:
            assert decision.rights is not None
            assert decision.rights <= wanted
            chain.append(decision.rights)
    assert all(later <= earlier for index, later in enumerate(chain) for earlier in chain[:index])


def test_every_decision_is_in_the_journal_with_its_reason(database: Database, run_id: str) -> None:
    made = [asked("coordinator_to_collaborator"), asked("manager_to_coordinator", sla_deadline_hours=25)]
    record(database, made, run_id=run_id)
    record(database, [])
    record(database, made[:1])
    allowed, refused = journal.events(database, run_id, kind="delegation.")
    assert (allowed.kind, allowed.actor, allowed.data["delegate"]) == ("delegation.allowed", "eva", "tom")
    assert refused.kind == "delegation.refused"
    assert refused.data["remedy"] == ["sla_deadline_hours must be <= 24 (is 25)"]
    assert len(journal.events(database, None, kind="delegation.")) == 1
    assert Decision.model_validate(json.loads(json.dumps(refused.data))) == made[1]


def test_an_agent_that_the_workload_does_not_know_is_refused_and_never_named_instead() -> None:
    class Partial(Loads):
        def load(self, agent_id: str) -> int:
            if agent_id not in self:
                raise InputError(f"{agent_id} is not on record.")
            return self[agent_id]

    context = ALLOWED["coordinator_to_collaborator"][3]
    decide = Policy(RULES, CARDS, Partial(tom=10, lee=0)).can_delegate
    unknown = decide("eva", "kim", "data_profiling", context)
    assert (unknown.verdict, unknown.reason) == (Verdict.UNKNOWN_AGENT, "the workload of kim is not known")
    assert decide("eva", "tom", "data_profiling", context).alternatives == ("lee",)


def test_a_task_goes_to_the_first_who_may_have_it_and_without_an_approval_if_it_can() -> None:
    context = ALLOWED["coordinator_to_collaborator"][3]
    found = hand_over(policy({"tom": 10}), "eva", ["tom", "pat", "kim", "lee"], "data_profiling", context)
    assert found.delegate == "kim"
    assert [decision.verdict for decision in found.decisions] == [
        Verdict.NO_CAPACITY,
        Verdict.NO_RULE,
        Verdict.ALLOWED,
    ]
    context = ALLOWED["manager_to_coordinator"][3]
    approved = hand_over(policy(), "max", ["eva", "tom"], "etl_orchestration", context)
    assert (approved.delegate, [decision.delegate for decision in approved.decisions]) == ("eva", ["tom", "eva"])
    assert approved.decisions[-1].approval
    assert hand_over(policy(), "max", ["tom"], "etl_orchestration", context).delegate is None
    assert hand_over(policy(), "max", [], "etl_orchestration", context).decisions == ()


def test_the_tasks_of_a_run_go_to_agents_under_the_policy_and_equals_share_them() -> None:
    """Who is full is passed over; every decision is told."""
    told: list[Decision] = []
    facts = {"scope": "stage", "quality_threshold": 0.9}
    tasks = [Task(stage=Stage.VALIDATION, dataset="orders", shard=shard) for shard in range(4)]
    agents = {name: frozenset({Stage.VALIDATION}) for name in ("tom", "kim", "lee")}
    given = PolicyAssigner(policy({"kim": 10}), "eva", lambda task: Terms(facts), told.extend).assign(tasks, agents)
    assert [assignment.agent for assignment in given] == ["lee", "tom", "lee", "tom"]
    assert all("rule coordinator_to_collaborator" in assignment.reason for assignment in given)
    assert len([decision for decision in told if decision.allowed]) == 4
    assert {decision.verdict for decision in told if not decision.allowed} == {Verdict.NO_CAPACITY}


def test_a_task_that_the_policy_lets_nobody_have_is_refused_with_the_way_out() -> None:
    told: list[Decision] = []
    tasks = [Task(stage=Stage.VALIDATION, dataset="orders")]
    assigner = PolicyAssigner(policy(), "eva", lambda task: Terms({"scope": "stage"}), told.extend)
    with pytest.raises(Refused, match=r"quality_threshold must be >= 0.85 \(is missing\)"):
        assigner.assign(tasks, {"tom": frozenset(Stage)})
    assert [decision.verdict for decision in told] == [Verdict.MISSING_CONTEXT]
    with pytest.raises(InputError, match="No agent can perform validation/orders/0"):
        assigner.assign(tasks, {"tom": frozenset()})


class Answers:
    """Peers that answer with their name."""

    def answer(self, peer: str, asker: str, question: str) -> str:
        return f"{peer} to {asker}: {question}"


def test_a_question_is_answered_by_the_best_matched_free_peer() -> None:
    def ask(**loads: int) -> tuple[str | None, str | None, int]:
        asking = inquire(policy(loads), Answers(), asker="tom", task_type="code_review", question="Why?")
        return asking.peer, asking.answer, len(asking.decisions)

    assert ask() == ("lee", "lee to tom: Why?", 1)
    assert ask(lee=9) == ("kim", "kim to tom: Why?", 2)
    assert ask(lee=9, kim=10) == (None, None, 2)


def test_an_agent_without_peers_and_a_question_of_another_kind_get_no_answer_but_a_reason() -> None:
    alone = inquire(policy(), Answers(), asker="pat", task_type="code_review", question="Why?")
    assert (alone.answer, alone.reason) == (None, "pat has no peers")
    odd = inquire(policy(), Answers(), asker="tom", task_type="cooking", question="Why?")
    assert odd.answer is None
    assert "no rule knows the task type cooking" in odd.reason
