"""Auctions: who wins, what for, and what comes of those that do not bid as they should."""

import itertools
import math
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core import journal
from core.errors import InputError
from core.lease import claim
from core.ledger import Ledger
from core.store import Database
from core.task import Failure, Outcome, Stage, Task
from delegation.auction.assignment import AuctionAssigner
from delegation.auction.auction import Auction, awarded, history
from delegation.auction.bid import BOUNDS, Bid, Lot, Offer, read_bid
from delegation.auction.bidder import Measured, RuleBidder, measured
from delegation.auction.solver import best
from delegation.card import AgentCard
from tests.hand import TurnedClock, answered

LOT = Lot(id="orders", task_type="cleaning", expected_s=10)


class Says:
    """A bidder that says what it is told to."""

    def __init__(self, name: str, bid: Any, *, capacity: int = 10, **skills: float) -> None:
        self.card = AgentCard(id=name, skills=skills or {"cleaning": 1.0}, capacity=capacity)
        self._bid = bid

    def bid(self, lots: Sequence[Lot]) -> Any:
        if isinstance(self._bid, Mapping) and set(self._bid) == {"by_lots"}:
            return self._bid["by_lots"].get(tuple(lot.id for lot in lots))
        if isinstance(self._bid, BaseException):
            raise self._bid
        return self._bid


def bid(cost: float = 1, time_s: float = 1, quality: float = 1) -> Bid:
    return Bid(cost=cost, time_s=time_s, quality=quality)


def numbers(name: str) -> st.SearchStrategy[float]:
    # Few values, so that there are ties.
    low, high = BOUNDS[name]
    return st.one_of(st.sampled_from([low, 0.25, 0.5, 1.0, high]), st.floats(low, high))


bids = st.builds(Bid, cost=numbers("cost"), time_s=numbers("time_s"), quality=numbers("quality"))


def dominates(one: Bid, other: Bid) -> bool:
    """At least as good in everything, and better in something."""
    a, b = (one.cost, one.time_s, -one.quality), (other.cost, other.time_s, -other.quality)
    return all(x <= y for x, y in zip(a, b, strict=True)) and a != b


def test_the_best_cost_for_performance_wins_and_is_paid_by_the_second_best_score(database: Database) -> None:
    bidders = [Says("fast", bid(4, 1, 1)), Says("cheap", bid(2, 3, 1)), Says("poor", bid(1, 3, 0.3))]
    result = Auction(database, bidders).sell(LOT)
    assert (result.status, result.winner) == ("awarded", "fast")
    assert [entry.bidder for entry in result.entries] == ["fast", "cheap", "poor"]
    # At a cost of 6 its score would have been that of the second best: 2 * 3 / 1.
    assert result.awards[0].payment == 6
    assert Auction(database, bidders).sell(LOT, pricing="first").awards[0].payment == 4


@given(st.lists(bids, min_size=1, max_size=8), st.randoms())
def test_the_first_by_rank_is_dominated_by_none_in_whatever_order_they_come(given_bids: list[Bid], random: Any) -> None:
    offers = [Offer(f"b{n}", ("lot",), one) for n, one in enumerate(given_bids)]
    winner = min(offers, key=lambda offer: offer.rank)
    assert not any(dominates(offer.bid, winner.bid) for offer in offers)
    random.shuffle(offers)
    assert min(offers, key=lambda offer: offer.rank) == winner


@given(st.lists(bids, min_size=2, max_size=6))
@settings(max_examples=30)
def test_the_payment_gives_the_winner_the_second_best_score_and_is_never_below_its_bid(given_bids: list[Bid]) -> None:
    offers = sorted((Offer(f"b{n}", ("lot",), one) for n, one in enumerate(given_bids)), key=lambda offer: offer.rank)
    award = awarded(offers, "second")
    assert award is not None
    won = offers[0].bid
    scores = sorted(one.score for one in given_bids)
    paid = Bid(cost=award.payment, time_s=won.time_s, quality=won.quality)
    assert math.isclose(paid.score, scores[1], rel_tol=1e-9)
    assert award.payment >= won.cost


def test_equal_bids_go_to_the_first_by_id_whatever_the_order(database: Database) -> None:
    for order in itertools.permutations(["b", "a", "c"]):
        assert Auction(database, [Says(name, bid()) for name in order]).sell(LOT).winner == "a"


def test_a_single_bidder_is_paid_what_it_asked_for(database: Database) -> None:
    assert Auction(database, [Says("only", bid(7, 2, 0.5))]).sell(LOT).awards[0].payment == 7


def test_no_agent_with_the_skill_is_a_named_outcome_that_says_who_lacks_what(database: Database) -> None:
    weak = Lot(id="orders", task_type="cleaning", skill=0.9)
    bidders = [Says("other", bid(), joining=1.0), Says("weak", bid(), cleaning=0.5), Says("full", bid(), capacity=0)]
    result = Auction(database, bidders).sell(weak)
    assert (result.status, result.winner, result.unsold) == ("no_eligible_agent", None, ("orders",))
    assert result.ineligible["weak"] == "it has not the skill: cleaning of at least 0.9"
    assert result.ineligible["full"] == "it has no capacity"
    assert Auction(database, []).sell(weak).status == "no_eligible_agent"


@pytest.mark.parametrize(
    ("given_bid", "why"),
    [
        ({"cost": "1", "time_s": 1, "quality": 1}, "cost is no number, but of type str"),
        ({"cost": float("nan"), "time_s": 1, "quality": 1}, "cost is no number: nan"),
        ({"cost": 1, "time_s": float("inf"), "quality": 1}, "time_s is no number: inf"),
        ({"cost": True, "time_s": 1, "quality": 1}, "cost is no number, but of type bool"),
        ({"cost": -1, "time_s": 1, "quality": 1}, "cost is not between 1e-06 and 1e+12"),
        ({"cost": 0, "time_s": 1, "quality": 1}, "cost is not between"),
        ({"cost": 10**400, "time_s": 1, "quality": 1}, "cost is not between"),
        ({"cost": 1, "time_s": 1, "quality": 1.5}, "quality is not between"),
        ({"cost": 1, "time_s": 1}, "quality is missing"),
        ({"cost": 1, "time_s": 1, "quality": 1, "bribe": 5}, "a bid has cost, time_s, quality, and not bribe"),
        ("everything", "a bid has cost, time_s, quality; this is a value of type str"),
        (None, "it does not want to"),
        (RuntimeError("no model"), "RuntimeError: no model"),
        (SystemExit(3), "SystemExit: 3"),
        (RuntimeError("a\nlong\nstory " * 1000), "RuntimeError: a long story a long"),
    ],
)
def test_a_bid_that_is_none_is_refused_by_name(given_bid: Any, why: str, database: Database) -> None:
    result = Auction(database, [Says("odd", given_bid)]).sell(LOT)
    assert (result.status, result.winner) == ("no_valid_bid", None)
    assert why in result.refused["odd"]
    both = Auction(database, [Says("odd", given_bid), Says("even", bid())]).sell(LOT)
    assert (both.status, both.winner) == ("awarded", "even")


def test_a_bid_past_its_type_is_refused_too() -> None:
    """A Bid takes any float: it is read again when it comes in."""
    assert read_bid(bid(cost=math.nan)) == "cost is no number: nan"


@pytest.mark.parametrize("number", ["5", True, None, 10**400])
def test_what_is_no_number_makes_no_bid(number: Any) -> None:
    with pytest.raises(ValidationError, match="cost"):
        Bid(cost=number, time_s=1, quality=1)


@pytest.mark.parametrize("time_s", [0, -1, math.nan, math.inf, "10"])
def test_a_time_to_bid_that_is_none_is_refused(time_s: Any, database: Database) -> None:
    with pytest.raises(InputError, match="to answer is none"):
        Auction(database, [], timeout_s=time_s)


def test_a_bidder_that_hangs_is_out_when_the_time_is_over(database: Database) -> None:
    clock, release = TurnedClock(), threading.Event()

    class Hangs(Says):
        def bid(self, lots: Sequence[Lot]) -> Any:
            answered("quick")
            clock.advance(10)
            release.wait(20)

    result = Auction(database, [Hangs("slow", None), Says("quick", bid())], clock=clock).sell(LOT)
    release.set()
    assert result.winner == "quick"
    assert result.refused == {"slow": "no answer within 10 s"}


def test_every_auction_is_on_record_and_in_the_journal(database: Database, run_id: str) -> None:
    result = Auction(database, [Says("a", bid()), Says("b", "none")]).sell(LOT, run_id=run_id)
    (kept,) = history(database)
    assert kept.closed_at is not None
    assert kept.model_copy(update={"closed_at": None}) == result
    assert history(database, agent="b") == []
    (event,) = journal.events(database, run_id, kind="auction.closed")
    assert event.data["awards"][0]["winner"] == "a"
    assert "b" in event.data["refused"]


def test_two_bidders_of_one_id_are_refused(database: Database) -> None:
    with pytest.raises(InputError, match="same id"):
        Auction(database, [Says("a", bid()), Says("a", bid(2))])


def test_lots_sold_together_go_where_the_whole_is_cheapest(database: Database) -> None:
    """`a` is better at each, but has room for one; and `b` does both together for less."""
    lots = [Lot(id=name, task_type="cleaning") for name in ("x", "y")]
    a = Says("a", {"by_lots": {("x",): bid(1), ("y",): bid(2)}}, capacity=1)
    b = Says("b", {"by_lots": {("x",): bid(5), ("y",): bid(5), ("x", "y"): bid(5.5)}}, capacity=2)
    result = Auction(database, [a, b]).sell_together(lots)
    assert [(award.winner, award.lots, award.payment) for award in result.awards] == [("b", ("x", "y"), 5.5)]
    b = Says("b", {"by_lots": {("x",): bid(5), ("y",): bid(5), ("x", "y"): bid(6.5)}}, capacity=2)
    result = Auction(database, [a, b]).sell_together(lots)
    assert {award.lots: award.winner for award in result.awards} == {("x",): "a", ("y",): "b"}
    assert result.status == "awarded"


def test_lots_that_find_no_room_are_told(database: Database) -> None:
    lots = [Lot(id=name, task_type="cleaning") for name in ("x", "y", "z")]
    result = Auction(database, [Says("a", bid(), capacity=2)]).sell_together(lots)
    assert (result.status, len(result.unsold)) == ("partly_awarded", 1)


offers = st.lists(
    st.builds(
        Offer,
        st.sampled_from(["a", "b", "c"]),
        st.sets(st.sampled_from("xyz"), min_size=1).map(lambda lots: tuple(sorted(lots))),
        st.builds(bid, st.integers(1, 20), st.just(1.0), st.just(1.0)),
    ),
    max_size=7,
    unique_by=lambda offer: (offer.bidder, offer.lots),
)


@given(offers, st.fixed_dictionaries({name: st.integers(0, 3) for name in "abc"}), st.randoms())
@settings(max_examples=60)
def test_the_solver_finds_what_trying_everything_finds(
    found: list[Offer], capacity: dict[str, int], random: Any
) -> None:
    def worth(chosen: Sequence[Offer]) -> tuple[int, float] | None:
        lots = [lot for offer in chosen for lot in offer.lots]
        for name, room in capacity.items():
            if sum(len(offer.lots) for offer in chosen if offer.bidder == name) > room:
                return None
        return (-len(lots), sum(o.bid.score for o in chosen)) if len(set(lots)) == len(lots) else None

    subsets = itertools.chain.from_iterable(itertools.combinations(found, n) for n in range(len(found) + 1))
    least = min(value for subset in subsets if (value := worth(subset)) is not None)
    ranked = sorted(found, key=lambda offer: offer.rank)
    chosen = best(ranked, capacity)
    value = worth(chosen)
    assert value is not None
    assert value[0] == least[0]
    assert math.isclose(value[1], least[1])
    assert best(sorted(random.sample(found, len(found)), key=lambda offer: offer.rank), capacity) == chosen


def test_an_absurd_bid_does_not_blind_the_solver_to_the_others() -> None:
    found = [Offer(name, ("x",), bid(cost)) for name, cost in [("a", 1.001), ("b", 1.0)]]
    found += [Offer("c", ("y",), bid(2.0)), Offer("d", ("x",), Bid(cost=1e12, time_s=1e9, quality=1e-6))]
    chosen = best(sorted(found, key=lambda offer: offer.rank), dict.fromkeys("abcd", 1))
    assert sorted(offer.bidder for offer in chosen) == ["b", "c"]


def test_a_rule_bidder_bids_by_its_card_and_by_what_it_was_measured_to_do() -> None:
    card = AgentCard(id="a", skills={"cleaning": 0.5}, capacity=4)
    assert RuleBidder(card).bid([LOT]) == bid(20, 20, 0.5)
    assert RuleBidder(card, load=2).bid([LOT]) == bid(30, 20, 0.5)
    known = {"cleaning": Measured(tasks=10, done=5, seconds=50.0)}
    assert RuleBidder(card, known).bid([LOT]) == bid(15, 15, (2.5 + 5) / 15)
    unknown = Lot(id="o", task_type="cleaning")
    assert RuleBidder(card).bid([unknown]) is None
    assert RuleBidder(card, known).bid([unknown]) == bid(10, 10, 0.5)


def test_tasks_are_assigned_by_auction_and_spread_over_equals(database: Database, run_id: str) -> None:
    tasks = [Task(stage=Stage.INGESTION, dataset="o", shard=n, shards=4) for n in range(4)]
    agents = {"a": frozenset({Stage.INGESTION}), "b": frozenset({Stage.INGESTION}), "c": frozenset({Stage.VALIDATION})}
    given = AuctionAssigner(database, run_id=run_id).assign(tasks, agents)
    assert [(g.task, g.agent) for g in given] == [(f"ingestion/o/{n}", "abab"[n]) for n in range(4)]
    assert len(journal.events(database, run_id, kind="auction.closed")) == 4
    skilled = {"b": AgentCard(id="b", skills={"ingestion": 0.5})}
    given = AuctionAssigner(database, cards=skilled).assign(tasks, agents)
    assert [g.agent for g in given] == ["a"] * 4
    with pytest.raises(InputError, match=r"aggregation/o/0: a: it has not the skill"):
        AuctionAssigner(database).assign([Task(stage=Stage.AGGREGATION, dataset="o")], agents)


def test_who_has_all_it_may_have_is_not_asked_where_another_can_do_the_task(database: Database) -> None:
    """And who is busy asks for more. Where there is no other, it is for the policy to say what follows."""
    tasks = [Task(stage=Stage.VALIDATION, dataset="orders", shard=shard) for shard in range(2)]
    agents = {name: frozenset({Stage.VALIDATION}) for name in ("ann", "bob")}
    given = AuctionAssigner(database, loads={"ann": 10}).assign(tasks, agents)
    assert [assignment.agent for assignment in given] == ["bob", "bob"]
    given = AuctionAssigner(database, loads={"ann": 4}).assign(tasks, agents)
    assert [assignment.agent for assignment in given] == ["bob", "bob"]
    given = AuctionAssigner(database, loads={"ann": 10, "bob": 12}).assign(tasks, agents)
    assert [assignment.agent for assignment in given] == ["ann", "ann"]


def test_what_an_agent_was_measured_to_do_comes_from_the_run_store(
    database: Database, run_id: str, tmp_path: Path
) -> None:
    lease = claim(database, run_id, lease_s=30)
    ledger = Ledger(lease, tmp_path)
    failure = Failure(error="E", message="m")
    for shard, (seconds, status) in enumerate([(1.0, "done"), (3.0, "done"), (9.0, "failed")]):
        outcome = Outcome.model_validate(
            {
                "task": f"ingestion/o/{shard}",
                "status": status,
                "agent": "ingestion_agent",
                "seconds": seconds,
                "failure": failure if status == "failed" else None,
            }
        )
        ledger.end(ledger.begin(outcome.task, actor="ingestion_agent"), outcome)
    lease.release("failed")
    assert measured(database, "ingestion_agent") == {"ingestion": Measured(3, 2, 4.0)}
