"""Sealed-bid auctions: of one task at a time, or of several together."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import InputError
from core.store import Database
from core.store.database import Connection
from core.store.value import jsonb
from delegation.auction.bid import Bid, Bidder, Lot, Offer, read_bid
from delegation.auction.solver import best
from delegation.clock import Clock, SystemClock
from delegation.gathering import gather, patience

# How long bidders have, seconds. A bid by rules takes microseconds; one by a model, seconds.
TIMEOUT_S = 10.0

Pricing = Literal["first", "second"]
Status = Literal["awarded", "partly_awarded", "no_eligible_agent", "no_valid_bid"]


class Entry(BaseModel):
    """A valid bid on record, with its score."""

    model_config = ConfigDict(frozen=True)

    bidder: str
    lots: tuple[str, ...]
    bid: Bid
    score: float


class Award(BaseModel):
    """What was awarded: the lots, to whom, for what `payment`. Sold together, lots can be awarded as one package."""

    model_config = ConfigDict(frozen=True)

    lots: tuple[str, ...]
    winner: str
    payment: float
    score: float


class Result(BaseModel):
    """What came of an auction.

    `entries` are all valid bids, the best first; `refused` says of bidders whose bids are none, that failed or did not
    answer in time, why; `ineligible` of agents that were not asked. `unsold` are the lots that nobody gets.
    """

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID
    run_id: str | None
    status: Status
    pricing: Pricing
    lots: tuple[Lot, ...]
    awards: tuple[Award, ...] = ()
    unsold: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()
    refused: dict[str, str] = {}
    ineligible: dict[str, str] = {}
    closed_at: datetime | None = None

    @property
    def winner(self) -> str | None:
        """Who won, where there is one award only."""
        return self.awards[0].winner if len(self.awards) == 1 else None


class Auction:
    """Bidders to whom tasks are put up. Raises InputError if two of them have one id."""

    def __init__(
        self,
        database: Database,
        bidders: Sequence[Bidder],
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._bidders = {bidder.card.id: bidder for bidder in bidders}
        self._timeout_s = patience(timeout_s)
        self._clock = clock or SystemClock()
        if len(self._bidders) < len(bidders):
            raise InputError("Two bidders have the same id.", remedy="Each bids once, by an id of its own.")

    def sell(self, lot: Lot, *, pricing: Pricing = "second", run_id: str | None = None) -> Result:
        """Put up one task: the best score wins, ties as `Offer.rank` says.

        With `second` pricing the winner is paid the cost at which its bid would have had the second-best score (the
        second-score auction of Che, 1993), so that bidding one's true cost is best; alone, what it asked for. With
        `first` it is always paid what it asked for.
        """
        eligible, ineligible = self._eligible([lot])
        offers, refused = self._bids({bidder: [(lot,)] for bidder in eligible})
        award = awarded(offers, pricing)
        return self._closed([lot], offers, [award] if award else [], refused, ineligible, pricing, run_id)

    def sell_together(self, lots: Sequence[Lot], *, run_id: str | None = None) -> Result:
        """Put up several tasks at once. Each bidder bids for every one that it can do, and for all of these together.

        As many lots are awarded as can be; among the ways to do so, one of the least total score, found by a solver and
        proven. Nobody gets more lots than its card has capacity. Each is paid what it asked for. Among equally good
        ways the solver takes one: the same for the same bids, in whatever order they came. Raises InputError for no
        lots, or two of one id.
        """
        if not lots or len({lot.id for lot in lots}) < len(lots):
            raise InputError("The lots are none, or two have the same id.", remedy="Name each task once.")
        eligible, ineligible = self._eligible(lots)
        packages = {bidder: _packages(can) for bidder, can in eligible.items()}
        offers, refused = self._bids(packages)
        chosen = best(offers, {bidder: self._bidders[bidder].card.capacity for bidder in eligible})
        awards = [
            Award(lots=offer.lots, winner=offer.bidder, payment=offer.bid.cost, score=offer.bid.score)
            for offer in chosen
        ]
        return self._closed(lots, offers, awards, refused, ineligible, "first", run_id)

    def _eligible(self, lots: Sequence[Lot]) -> tuple[dict[str, list[Lot]], dict[str, str]]:
        """The lots that each agent has the skill and the capacity for; and why others have it for none."""
        eligible, ineligible = {}, {}
        for name in sorted(self._bidders):
            card = self._bidders[name].card
            can = [lot for lot in lots if lot.task_type in card.skills and card.skills[lot.task_type] >= lot.skill]
            if can and card.capacity > 0:
                eligible[name] = can
            elif can:
                ineligible[name] = "it has no capacity"
            else:
                wanted = dict.fromkeys(f"{lot.task_type} of at least {lot.skill:g}" for lot in lots)
                ineligible[name] = f"it has not the skill: {', '.join(list(wanted)[:5])}"
        return eligible, ineligible

    def _bids(self, packages: Mapping[str, list[tuple[Lot, ...]]]) -> tuple[list[Offer], dict[str, str]]:
        """What each bidder offers for its packages, the best first; and of those whose bids are none, why."""
        answers = gather(
            {name: partial(_asked, self._bidders[name], packages[name]) for name in packages},
            timeout_s=self._timeout_s,
            clock=self._clock,
        )
        offers: list[Offer] = []
        refused: dict[str, list[str]] = {}
        for name, answer in answers.items():
            if answer.value is None:
                refused[name] = [answer.failure or ""]
                continue
            for package, given in zip(packages[name], answer.value, strict=True):
                lots = tuple(lot.id for lot in package)
                bid = read_bid(given) if given is not None else "it does not want to"
                if isinstance(bid, Bid):
                    offers.append(Offer(name, lots, bid))
                else:
                    refused.setdefault(name, []).append(f"{_short(lots)}: {bid}")
        return sorted(offers, key=lambda offer: offer.rank), {name: "; ".join(why) for name, why in refused.items()}

    def _closed(
        self,
        lots: Sequence[Lot],
        offers: Sequence[Offer],
        awards: Sequence[Award],
        refused: dict[str, str],
        ineligible: dict[str, str],
        pricing: Pricing,
        run_id: str | None,
    ) -> Result:
        sold = {lot for award in awards for lot in award.lots}
        unsold = tuple(lot.id for lot in lots if lot.id not in sold)
        status: Status = "awarded" if not unsold else "partly_awarded"
        if not sold:
            status = "no_eligible_agent" if len(ineligible) == len(self._bidders) else "no_valid_bid"
        result = Result(
            id=uuid.uuid4(),
            run_id=run_id,
            status=status,
            pricing=pricing,
            lots=tuple(lots),
            awards=tuple(awards),
            unsold=unsold,
            entries=tuple(Entry(bidder=o.bidder, lots=o.lots, bid=o.bid, score=o.bid.score) for o in offers),
            refused=refused,
            ineligible=ineligible,
        )
        self._database.transaction(lambda connection: _record(connection, result))
        return result


def awarded(offers: Sequence[Offer], pricing: Pricing) -> Award | None:
    """Who gets a lot, and for what payment, among offers for it, the best first; None without any."""
    if not offers:
        return None
    first = offers[0]
    payment = first.bid.payment(offers[1].bid.score) if pricing == "second" and len(offers) > 1 else first.bid.cost
    # The better score can be so by less than the payment's rounding: nobody is paid less than was asked for.
    return Award(lots=first.lots, winner=first.bidder, payment=max(payment, first.bid.cost), score=first.bid.score)


def history(database: Database, *, agent: str | None = None, limit: int = 50) -> list[Result]:
    """The last auctions, newest first; with `agent`, only those that it won something in."""
    rows = database.query(
        "SELECT result, closed_at FROM auctions WHERE %s::text IS NULL OR %s = ANY (winners)"
        " ORDER BY closed_at DESC, id LIMIT %s",
        (agent, agent, limit),
    )
    return [Result.model_validate(r["result"]).model_copy(update={"closed_at": r["closed_at"]}) for r in rows]


def _asked(bidder: Bidder, packages: Sequence[Sequence[Lot]]) -> list[Any]:
    """What the bidder bids for each package: on its word, so anything."""
    return [bidder.bid(package) for package in packages]


def _packages(lots: Sequence[Lot]) -> list[tuple[Lot, ...]]:
    """Each lot by itself, and all together."""
    single: list[tuple[Lot, ...]] = [(lot,) for lot in lots]
    return [*single, tuple(lots)] if len(lots) > 1 else single


def _short(lots: Sequence[str]) -> str:
    return lots[0] if len(lots) == 1 else f"{lots[0]} and {len(lots) - 1} more"


def _record(connection: Connection, result: Result) -> None:
    new = connection.execute(
        "INSERT INTO auctions (id, run_id, status, winners, result) VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
        (
            result.id,
            result.run_id,
            result.status,
            sorted({award.winner for award in result.awards}),
            jsonb(result.model_dump(mode="json")),
        ),
    )
    if new.rowcount:
        told: dict[str, Any] = {
            "auction": str(result.id),
            "status": result.status,
            "pricing": result.pricing,
            "awards": [award.model_dump() for award in result.awards],
            "unsold": result.unsold,
            "bids": len(result.entries),
            "refused": result.refused,
        }
        journal.write(
            connection, journal.Event(run_id=result.run_id, kind="auction.closed", actor="auction", data=told)
        )
