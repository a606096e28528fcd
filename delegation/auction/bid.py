"""Bids: what an agent would do a task for, and what that is worth."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from delegation.card import AgentCard

# What a number of a bid can be, from and to. Between these, prices can be compared without loss.
BOUNDS = {"cost": (1e-6, 1e12), "time_s": (1e-6, 1e9), "quality": (1e-6, 1.0)}


class Lot(BaseModel):
    """A task that is put up. `task_type` is the skill that it takes, and `skill` how well it must be had, 0 to 1.

    `expected_s` is what the task is expected to take somebody with full skill, seconds; None if nobody knows.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200)
    task_type: str = Field(min_length=1, max_length=200)
    skill: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    expected_s: float | None = Field(default=None, gt=0, le=BOUNDS["time_s"][1], allow_inf_nan=False)


class Bid(BaseModel):
    """What a bidder asks for (`cost`, in any unit that all bidders share), the seconds that it takes, and the quality
    that it promises, 0 to 1."""

    # Strict: "5" and True are no numbers.
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    cost: float
    time_s: float
    quality: float

    @property
    def score(self) -> float:
        """Cost for performance, which is quality per second: cost / (quality / time_s). The lower the better."""
        return self.cost * self.time_s / self.quality

    def payment(self, score: float) -> float:
        """The cost at which this bid would have that score."""
        return score * self.quality / self.time_s


class Bidder(Protocol):
    """Bids for tasks. `bid` is called on a thread of its own, and knows nothing of other bids.

    It returns a Bid, or a mapping with its fields, for all `lots` together (there are several in a multi-task auction
    only); None by who does not want them. What it raises is recorded, and is no bid.
    """

    @property
    def card(self) -> AgentCard: ...

    def bid(self, lots: Sequence[Lot]) -> "Bid | Mapping[str, Any] | None": ...


class Offer(NamedTuple):
    """A valid bid: whose it is, and for which lots, by their ids in order."""

    bidder: str
    lots: tuple[str, ...]
    bid: Bid

    @property
    def rank(self) -> tuple[float, float, float, float, str, tuple[str, ...]]:
        """The order of offers, the best first: by score; then the lower cost, the shorter time, the higher quality;
        then by the bidder's id, and by the lots."""
        bid = self.bid
        return (bid.score, bid.cost, bid.time_s, -bid.quality, self.bidder, self.lots)


def read_bid(given: Any) -> Bid | str:
    """The bid that was given, or why it is none."""
    if isinstance(given, Bid):
        given = given.model_dump()
    if not isinstance(given, Mapping):
        return f"a bid has {', '.join(BOUNDS)}; this is a value of type {type(given).__name__}"
    if unknown := [str(name)[:40] for name in given if name not in BOUNDS]:
        return f"a bid has {', '.join(BOUNDS)}, and not {', '.join(unknown[:5])}"
    problems = [problem for name in BOUNDS if (problem := _problem(name, given.get(name)))]
    return "; ".join(problems) if problems else Bid(**{name: float(given[name]) for name in BOUNDS})


def _problem(name: str, value: Any) -> str | None:
    low, high = BOUNDS[name]
    if value is None:
        return f"{name} is missing"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return f"{name} is no number, but of type {type(value).__name__}"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} is no number: {value}"
    return None if low <= value <= high else f"{name} is not between {low:g} and {high:g}"
