"""Counting votes: which option they bear."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from delegation.consensus.vote import ABSTAIN, Vote

# The share that an option needs (systems D7).
THRESHOLD = 0.67

# The share of the voters that must have answered for their votes to count: a simple majority of them.
QUORUM = 0.5

Rule = Literal["majority", "weighted", "unanimous"]


class Ballot(BaseModel):
    """What came of asking one voter: its `vote`, or why there is none."""

    model_config = ConfigDict(frozen=True)

    voter: str
    weight: float = Field(gt=0, allow_inf_nan=False)
    vote: Vote | None = None
    failure: str | None = None


class Tally(BaseModel):
    """What the votes came to.

    `verdict` is the option that holds; `reached` says whether the votes bear it, and `reason` why not, where they do
    not: then it is the proposal's last option, which holds without. `share` is that of the votes that bear the verdict:
    of the heads, or, under the rule `weighted`, of the weights. Votes that abstain are left out of it; voters that
    failed are not, and bear nothing. `counts` has the heads for each option. `confidence` is the share times the mean
    confidence of those who bear the verdict.
    """

    model_config = ConfigDict(frozen=True)

    verdict: str
    reached: bool
    reason: str
    rule: Rule
    threshold: float
    share: float
    counts: dict[str, int]
    abstained: int
    failed: int
    quorum: bool
    confidence: float


def tally(options: Sequence[str], ballots: Sequence[Ballot], *, rule: Rule, threshold: float = THRESHOLD) -> Tally:
    """Count the ballots on options that are in order, what claims most first.

    The verdict is the first option that is borne by the threshold (by all, under the rule `unanimous`), where a vote
    bears its own option and all that claim less. Without a quorum, or without any vote but abstentions, none is.
    """
    cast = [ballot for ballot in ballots if ballot.vote and ballot.vote.choice != ABSTAIN]
    failed = [ballot for ballot in ballots if not ballot.vote]
    abstained = len(ballots) - len(cast) - len(failed)
    quorum = len(cast) + abstained > len(ballots) * QUORUM
    needed = 1.0 if rule == "unanimous" else threshold
    bearing = {option: _bearing(options, option, cast) for option in options}
    shares = {option: _share(bearing[option], [*cast, *failed], rule) for option in options}
    borne = [option for option in options if shares[option] >= needed] if quorum and cast else []
    verdict, reached = borne[0] if borne else options[-1], bool(borne)
    share = shares[verdict]
    counts = Counter(ballot.vote.choice for ballot in cast if ballot.vote)
    return Tally(
        verdict=verdict,
        reached=reached,
        reason=_reason(verdict, reached, share, needed, quorum, len(ballots)),
        rule=rule,
        threshold=needed,
        share=share,
        counts={option: counts[option] for option in options},
        abstained=abstained,
        failed=len(failed),
        quorum=quorum,
        confidence=share * _mean([ballot.vote.confidence for ballot in bearing[verdict] if ballot.vote]),
    )


def agreed(mappings: Sequence[Mapping[str, str]]) -> dict[str, str] | None:
    """The mappings as one; None where two of them contradict each other."""
    whole: dict[str, str] = {}
    for mapping in mappings:
        if any(whole.get(old, now) != now for old, now in mapping.items()):
            return None
        whole |= mapping
    return whole


def _bearing(options: Sequence[str], option: str, cast: Sequence[Ballot]) -> list[Ballot]:
    # The last option claims nothing, so all grant it: that it is agreed on, only votes for itself say.
    last = option == options[-1]
    granting = {option} if last else set(options[: options.index(option) + 1])
    return [ballot for ballot in cast if ballot.vote and ballot.vote.choice in granting]


def _share(bearing: Sequence[Ballot], entitled: Sequence[Ballot], rule: Rule) -> float:
    if not entitled:
        return 0.0
    if rule == "weighted":
        # All but one can be so small that adding them loses them: then a share is above 1 by a rounding.
        return min(1.0, sum(b.weight for b in bearing) / sum(b.weight for b in entitled))
    return len(bearing) / len(entitled)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _reason(verdict: str, reached: bool, share: float, needed: float, quorum: bool, voters: int) -> str:
    if not voters:
        return "there is no voter"
    if not quorum:
        return f"no quorum: not more than {QUORUM:.0%} of {voters} voters answered"
    if reached:
        return f"{share:.0%} bear {verdict}, {needed:.0%} are needed"
    return f"no option was borne by {needed:.0%}, so {verdict} holds"
