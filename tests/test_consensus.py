"""Consensus: what votes come to, who judges a schema by what, and what becomes of voters that fail."""

import math
import threading
from fractions import Fraction
from typing import Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core import journal
from core.errors import InputError
from core.schema import Schema, SchemaColumn
from core.spec import loads
from core.store import Database
from core.task import Dimension
from delegation.consensus.change import changes, renames
from delegation.consensus.consensus import Consensus, history
from delegation.consensus.proposal import BREAKING, COMPATIBLE, NEEDS_MAPPING, Proposal, SchemaChange, ThresholdChange
from delegation.consensus.source import judge_source, uses
from delegation.consensus.tally import QUORUM, Ballot, Rule, tally
from delegation.consensus.vote import ABSTAIN, Vote
from delegation.consensus.voters import RuleVoter, default_voters, schema_voters
from tests.hand import TurnedClock, answered
from tests.shop import SPEC

OPTIONS = SchemaChange.options


def columns(**types: str | None) -> Schema:
    return {name: SchemaColumn(type=type) for name, type in types.items()}


def change(before: Schema, after: Schema, **uses: tuple[str, ...]) -> SchemaChange:
    return SchemaChange(dataset="orders", before=before, after=after, uses=uses)


def voter(name: str, choice: Any, *, weight: float = 1.0, **more: Any) -> RuleVoter:
    def rules(proposal: Proposal) -> Any:
        if isinstance(choice, BaseException):
            raise choice
        return Vote(choice=choice, reason="because", **more) if isinstance(choice, str) else choice

    return RuleVoter(name, rules, weight)


# Its weight would do, but most have not answered.
ONE_OF_MANY = Ballot(voter="v", weight=3.0, vote=Vote(choice=COMPATIBLE, reason="r"))

ballots = st.lists(
    st.builds(
        Ballot,
        voter=st.just("v"),
        weight=st.sampled_from([0.1, 0.5, 1.0, 3.0]),
        vote=st.none()
        | st.builds(Vote, choice=st.sampled_from([*OPTIONS, ABSTAIN]), reason=st.just("r"), confidence=st.floats(0, 1)),
    ),
    max_size=12,
)


@given(ballots, st.sampled_from(["majority", "weighted", "unanimous"]), st.floats(0.51, 1))
@example([ONE_OF_MANY, *[Ballot(voter="v", weight=0.1, vote=None)] * 2], "weighted", 0.67)
def test_no_consensus_is_reported_that_the_counts_do_not_bear(
    found: list[Ballot], rule: Rule, threshold: float
) -> None:
    """Counted once more, in fractions, with those that failed as no yes."""
    counted = tally(OPTIONS, found, rule=rule, threshold=threshold)
    entitled = [b for b in found if b.vote is None or b.vote.choice != ABSTAIN]

    def weight(b: Ballot) -> Fraction:
        return Fraction(b.weight) if rule == "weighted" else Fraction(1)

    whole = sum(map(weight, entitled))
    needed = 1.0 if rule == "unanimous" else threshold

    def borne(option: str) -> Fraction:
        granted = {option} if option == OPTIONS[-1] else set(OPTIONS[: OPTIONS.index(option) + 1])
        yes = sum(weight(b) for b in entitled if b.vote and b.vote.choice in granted)
        return Fraction(yes, 1) / whole if whole else Fraction(0)

    answered = sum(b.vote is not None for b in found)
    quorum = answered > QUORUM * len(found)
    near = 1e-12
    if counted.reached:
        assert quorum
        assert float(borne(counted.verdict)) >= needed - near
        stronger = OPTIONS[: OPTIONS.index(counted.verdict)]
        assert all(float(borne(option)) < needed + near for option in stronger)
    else:
        assert counted.verdict == OPTIONS[-1]
        assert not quorum or all(float(borne(option)) < needed + near for option in OPTIONS)
    assert math.isclose(counted.share, borne(counted.verdict), abs_tol=near)
    assert 0 <= counted.confidence <= counted.share + near
    assert sum(counted.counts.values()) + counted.abstained + counted.failed == len(found)


def ballot(choice: str | None, weight: float = 1.0) -> Ballot:
    vote = Vote(choice=choice, reason="r") if choice else None
    return Ballot(voter="v", weight=weight, vote=vote, failure=None if vote else "no")


@pytest.mark.parametrize(
    ("choices", "verdict", "reached"),
    [
        ([COMPATIBLE] * 3, COMPATIBLE, True),
        ([COMPATIBLE, COMPATIBLE, BREAKING], BREAKING, False),
        ([COMPATIBLE, COMPATIBLE, NEEDS_MAPPING], NEEDS_MAPPING, True),
        ([COMPATIBLE, COMPATIBLE, None], BREAKING, False),
        ([COMPATIBLE, COMPATIBLE, ABSTAIN], COMPATIBLE, True),
        ([COMPATIBLE, None, None, None], BREAKING, False),
        ([ABSTAIN, ABSTAIN], BREAKING, False),
        ([BREAKING, BREAKING, BREAKING, COMPATIBLE], BREAKING, True),
        ([], BREAKING, False),
    ],
)
def test_two_thirds_are_needed_and_a_failed_voter_is_no_yes(
    choices: list[str | None], verdict: str, reached: bool
) -> None:
    counted = tally(OPTIONS, [ballot(choice) for choice in choices], rule="majority")
    assert (counted.verdict, counted.reached) == (verdict, reached)
    assert counted.reason


def test_weights_count_where_votes_are_weighted_and_all_must_agree_where_unanimous() -> None:
    found = [ballot(COMPATIBLE, 9.0), ballot(BREAKING, 1.0)]
    assert tally(OPTIONS, found, rule="weighted").verdict == COMPATIBLE
    assert tally(OPTIONS, found, rule="majority").reached is False
    assert tally(OPTIONS, [*found[:1]] * 9 + found[1:], rule="majority").verdict == COMPATIBLE
    assert tally(OPTIONS, [*found[:1]] * 9 + found[1:], rule="unanimous").verdict == BREAKING


@pytest.mark.parametrize(
    ("before", "after", "mapping"),
    [
        ("customer_id", "CustomerID", True),
        ("customer_id", "cust_id", True),
        ("order", "orders", True),
        ("price_2024", "price_2025", False),
        ("id", "identity", False),
        ("amount", "total", False),
    ],
)
def test_a_name_that_is_only_written_otherwise_is_mapped(before: str, after: str, mapping: bool) -> None:
    found = renames(columns(**{before: None, "kept": None}), columns(**{after: None, "kept": None}))
    assert found == ({before: after} if mapping else {})


def test_a_name_that_could_stand_for_two_is_not_mapped() -> None:
    assert renames(columns(cust_id=None), columns(customer_id=None, custom_id=None)) == {}
    assert renames(columns(customer_id=None, custom_id=None), columns(cust_id=None)) == {}
    # Written the same is clearer than abbreviated.
    assert renames(columns(customer_id=None), columns(CustomerId=None, cust_id=None)) == {"customer_id": "CustomerId"}


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        ("int32", "int64", "widened"),
        ("int64", "int32", "narrowed"),
        ("decimal(12, 4)", "decimal(12, 2)", "narrowed"),
        ("decimal(12, 2)", "decimal(14, 2)", "widened"),
        ("float64", "int64", "narrowed"),
        ("date", "timestamp(6)", "widened"),
        ("timestamp(6)", "date", "narrowed"),
        ("int64", "string", "retyped"),
        ("string", "date", "retyped"),
    ],
)
def test_a_type_is_widened_narrowed_or_another(before: str, after: str, kind: str) -> None:
    (found,) = changes(columns(a=before), columns(a=after))
    assert (found.kind, found.before, found.after) == (kind, before, after)


@pytest.mark.parametrize(
    ("proposal", "verdict"),
    [
        (change(columns(a=None), columns(a=None, b=None), a=("derives x",)), COMPATIBLE),
        (change(columns(a_id=None), columns(AId=None), a_id=("derives x",)), NEEDS_MAPPING),
        (change(columns(a=None, b=None), columns(b=None), a=("derives x",)), BREAKING),
        (change(columns(a=None, b=None), columns(b=None)), BREAKING),
        (change(columns(a="int32"), columns(a="int64"), a=("derives x",)), COMPATIBLE),
        (change(columns(a="int64"), columns(a="int32"), a=("derives x",)), BREAKING),
        (change(columns(a="int64"), columns(a="int32")), COMPATIBLE),
        (change(columns(a="int64"), columns(a="string"), a=("derives x",)), NEEDS_MAPPING),
        (
            change({"a": SchemaColumn(nullable=False)}, {"a": SchemaColumn(nullable=True)}, a=("join(b)",)),
            BREAKING,
        ),
        (change({"a": SchemaColumn(nullable=False)}, {"a": SchemaColumn(nullable=True)}), COMPATIBLE),
        (
            change({"a": SchemaColumn(nullable=True)}, {"a": SchemaColumn(nullable=False)}, a=("join(b)",)),
            COMPATIBLE,
        ),
    ],
)
def test_the_default_voters_know_what_is_compatible_needs_mapping_or_breaks(
    proposal: SchemaChange, verdict: str, database: Database
) -> None:
    result = Consensus(database, default_voters()).decide(proposal)
    assert result.verdict == verdict
    assert result.tally.failed == 0


@pytest.mark.parametrize(
    ("after", "measured", "verdict"),
    [
        (0.95, (), "accept"),
        (0.90, (0.91, 0.92, 0.93), "accept"),
        (0.99, (0.91, 0.92, 0.93), "reject"),
        (0.80, (0.91, 0.92, 0.93), "reject"),
    ],
)
def test_a_threshold_is_judged_by_its_bounds_and_by_what_was_measured(
    after: float, measured: tuple[float, ...], verdict: str, database: Database
) -> None:
    proposal = ThresholdChange(
        dataset="orders", dimension=Dimension.COMPLETENESS, before=0.95, after=after, measured=measured
    )
    result = Consensus(database, default_voters()).decide(proposal)
    assert (result.kind, result.verdict) == ("threshold", verdict)


def test_voters_that_fail_or_answer_nonsense_are_recorded_by_name_and_are_no_yes(database: Database) -> None:
    voters = [
        voter("fine", COMPATIBLE),
        voter("fails", RuntimeError("no model")),
        voter("odd", "perhaps"),
        voter("wrong", 42),
    ]
    result = Consensus(database, voters).decide(change(columns(a=None), columns(a=None, b=None)))
    assert (result.verdict, result.tally.reached, result.tally.failed) == (BREAKING, False, 3)
    assert {b.voter: b.failure for b in result.ballots} == {
        "fine": None,
        "fails": "RuntimeError: no model",
        "odd": "'perhaps' is none of compatible, needs_mapping, breaking, abstain",
        "wrong": "answered by no vote, but int",
    }


def test_a_voter_that_hangs_past_the_timeout_is_recorded_and_not_waited_for(database: Database) -> None:
    clock, release = TurnedClock(), threading.Event()

    def hanging(proposal: Proposal) -> Vote | None:
        answered(*"abc")
        clock.advance(30)
        release.wait(20)
        return Vote(choice=COMPATIBLE, reason="too late")

    voters = [RuleVoter("slow", hanging), *(voter(name, COMPATIBLE) for name in "abc")]
    result = Consensus(database, voters, clock=clock).decide(change(columns(a=None), columns(a=None, b=None)))
    release.set()
    assert result.ballots[0].failure == "no answer within 30 s"
    assert (result.verdict, result.tally.counts[COMPATIBLE], result.tally.failed) == (COMPATIBLE, 3, 1)


def test_a_decision_is_kept_told_in_the_journal_and_made_once_in_a_run(database: Database, run_id: str) -> None:
    asked = []

    def rules(proposal: Proposal) -> Vote | None:
        asked.append(proposal)
        return Vote(choice=COMPATIBLE, reason="fine", confidence=0.5)

    proposal = change(columns(a=None), columns(a=None, b=None))
    consensus = Consensus(database, [RuleVoter("v", rules)])
    result = consensus.decide(proposal, run_id=run_id)
    assert consensus.decide(proposal, run_id=run_id) == result
    assert len(asked) == 1
    assert (result.tally.confidence, result.decided_at is not None) == (0.5, True)
    (event,) = journal.events(database, run_id, kind="consensus.decided")
    assert (event.data["verdict"], event.data["votes"]) == (COMPATIBLE, {"v": COMPATIBLE})
    assert history(database, "orders") == [result]
    assert history(database, "customers") == []


def test_mappings_that_contradict_each_other_are_none(database: Database) -> None:
    voters = [voter("a", NEEDS_MAPPING, mapping={"x": "y"}), voter("b", NEEDS_MAPPING, mapping={"x": "z"})]
    result = Consensus(database, voters).decide(change(columns(x=None), columns(y=None, z=None)))
    assert (result.verdict, result.tally.reached, result.mapping) == (BREAKING, False, {})
    assert "different ways" in result.tally.reason


@pytest.mark.parametrize(
    ("voters", "threshold", "words"),
    [
        ([voter("a", COMPATIBLE), voter("a", COMPATIBLE)], 0.67, "same name"),
        ([voter("a", COMPATIBLE)], 0.5, "no threshold"),
        ([voter("a", COMPATIBLE)], 1.1, "no threshold"),
        ([voter("a", COMPATIBLE)], math.nan, "no threshold"),
        ([voter("a", COMPATIBLE, weight=0)], 0.67, "weight of a"),
        ([voter("a", COMPATIBLE, weight=math.inf)], 0.67, "weight of a"),
        ([voter("a", COMPATIBLE, weight=10**400)], 0.67, "weight of a"),
        ([voter("a", COMPATIBLE, weight=cast(float, "2"))], 0.67, "weight of a"),
        ([voter("a", COMPATIBLE)], cast(float, "0.7"), "'0.7' is no threshold"),
    ],
)
def test_what_can_decide_nothing_is_refused(
    voters: list[RuleVoter], threshold: float, words: str, database: Database
) -> None:
    with pytest.raises(InputError, match=words):
        Consensus(database, voters, threshold=threshold)


@pytest.mark.parametrize(
    "option", [{"rule": "loudest"}, {"timeout_s": 0}, {"timeout_s": math.nan}, {"timeout_s": "30"}]
)
def test_a_rule_or_a_time_that_is_none_is_refused(option: dict[str, Any], database: Database) -> None:
    with pytest.raises(InputError, match=r"is no rule|to answer is none"):
        Consensus(database, [voter("a", COMPATIBLE)], **option)


def test_what_a_pipeline_makes_of_a_source_comes_from_its_lineage() -> None:
    found = uses(loads(SPEC), "orders")
    assert found["product"] == ("join(products)",) or "join(products)" in found["product"]
    assert "derives revenue" in found["amount"]
    assert "amount > 20" in found["amount"]


def test_a_source_is_judged_by_each_schema_that_differs_and_the_gravest_holds(database: Database) -> None:
    consensus = Consensus(database, schema_voters())
    expected, used = columns(cust_id=None, amount=None), {"cust_id": ("derives x",), "amount": ("derives y",)}
    same = columns(cust_id=None, amount=None)
    renamed, gone = columns(CustID=None, amount=None), columns(cust_id=None)

    def judged(*found: Schema) -> Any:
        return judge_source(consensus, "orders", declared=expected, known=expected, found=found, uses=used)

    assert judged(same, same) is None
    decision = judged(same, renamed)
    assert (decision.action, decision.names) == ("map", {"cust_id": ("CustID",)})
    assert judged(columns(cust_id=None, amount=None, new=None)).action == "go_on"
    decision = judged(renamed, gone)
    assert decision.action == "wait"
    assert "amount is gone" in decision.reason
