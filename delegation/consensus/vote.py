"""Votes, and who casts them."""

from typing import Protocol

from pydantic import BaseModel, ConfigDict, Field

from delegation.consensus.proposal import Proposal

ABSTAIN = "abstain"


class Vote(BaseModel):
    """An answer to a proposal: one of its options, or `abstain` by who has nothing to say about it.

    `confidence` is how sure the voter is, 0 to 1. `mapping` says for a schema change by which name each column that
    is gone goes now.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    choice: str = Field(min_length=1, max_length=100)
    reason: str = Field(min_length=1, max_length=1_000)
    confidence: float = Field(default=1.0, ge=0, le=1, allow_inf_nan=False)
    mapping: dict[str, str] = Field(default_factory=dict)


class Voter(Protocol):
    """Judges proposals. `weight`, above 0, counts where votes are weighted.

    `vote` is called on a thread of its own. What it raises is recorded, and counts as no vote.
    """

    @property
    def name(self) -> str: ...

    @property
    def weight(self) -> float: ...

    def vote(self, proposal: Proposal) -> Vote: ...
