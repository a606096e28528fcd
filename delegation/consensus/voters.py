"""The default voters: each judges by rules of one kind, and abstains from what they say nothing about."""

from collections.abc import Callable
from dataclasses import dataclass

from core.task import THRESHOLDS
from delegation.consensus.change import Change, renames
from delegation.consensus.proposal import (
    ACCEPT,
    BREAKING,
    COMPATIBLE,
    NEEDS_MAPPING,
    REJECT,
    Proposal,
    SchemaChange,
    ThresholdChange,
)
from delegation.consensus.vote import ABSTAIN, Vote

# How far below the default of its dimension a threshold can go: from there on the gate calls a miss critical.
MARGIN = 0.10

# From fewer runs nothing can be told of how a dataset does.
LEAST_MEASURED = 3


@dataclass(frozen=True)
class RuleVoter:
    """A voter by rules for one kind of proposal; it abstains from others."""

    name: str
    rules: Callable[[Proposal], Vote | None]
    weight: float = 1.0

    def vote(self, proposal: Proposal) -> Vote:
        return self.rules(proposal) or Vote(choice=ABSTAIN, reason=f"{self.name} has nothing to say about it")


def schema_voters() -> list[RuleVoter]:
    """Backward compatibility, nullability, type narrowing, downstream use."""
    return [
        RuleVoter("backward_compatibility", _backward_compatibility),
        RuleVoter("nullability", _nullability),
        RuleVoter("type_narrowing", _type_narrowing),
        RuleVoter("downstream_use", _downstream_use),
    ]


def threshold_voters() -> list[RuleVoter]:
    """Bounds (not far below the default), and what the dataset was measured to reach."""
    return [RuleVoter("bounds", _bounds), RuleVoter("measured_quality", _measured)]


def default_voters() -> list[RuleVoter]:
    """Voters for proposals of every kind."""
    return [*schema_voters(), *threshold_voters()]


def _backward_compatibility(proposal: Proposal) -> Vote | None:
    """Who reads the columns of before must find them."""
    if not isinstance(proposal, SchemaChange):
        return None
    mapping = renames(proposal.before, proposal.after)
    gone = [name for name in proposal.before if name not in proposal.after and name not in mapping]
    if gone:
        return Vote(choice=BREAKING, reason=_told(f"{', '.join(gone)} is gone"))
    if mapping:
        told = ", ".join(f"{old} is now {now}" for old, now in mapping.items())
        return Vote(choice=NEEDS_MAPPING, reason=_told(told), mapping=mapping)
    return Vote(choice=COMPATIBLE, reason="every column of before is still there")


def _nullability(proposal: Proposal) -> Vote | None:
    """Cells that were never without a value may be now: that breaks what builds on the column."""
    found = _of(proposal, "loosened", "tightened")
    if not found or not isinstance(proposal, SchemaChange):
        return None
    loosened = [change.column for change in found if change.kind == "loosened"]
    used = [name for name in loosened if proposal.uses is None or proposal.uses.get(name)]
    if used:
        return Vote(choice=BREAKING, reason=_told(f"{', '.join(used)} may now be without a value"))
    if loosened:
        return Vote(choice=COMPATIBLE, reason=_told(f"{', '.join(loosened)} may be without a value, but is not used"))
    return Vote(choice=COMPATIBLE, reason="columns that could be without a value no longer can")


def _type_narrowing(proposal: Proposal) -> Vote | None:
    """A narrower type may have cut values off; one of another kind must be read in another way."""
    found = _of(proposal, "widened", "narrowed", "retyped")
    if not found or not isinstance(proposal, SchemaChange):
        return None
    told = {change.column: f"{change.column} was {change.before}, and is {change.after}" for change in found}
    narrowed = [change.column for change in found if change.kind == "narrowed"]
    used = [name for name in narrowed if proposal.uses is None or proposal.uses.get(name)]
    if used:
        return Vote(choice=BREAKING, reason=_told("; ".join(told[name] for name in used) + ": values may be cut off"))
    retyped = [change.column for change in found if change.kind == "retyped"]
    if retyped:
        words = "; ".join(told[name] for name in retyped)
        return Vote(choice=NEEDS_MAPPING, reason=_told(words + ": its values are to be read as before"))
    return Vote(choice=COMPATIBLE, reason=_told("; ".join(told.values()) + ": nothing is lost"))


def _downstream_use(proposal: Proposal) -> Vote | None:
    """What a pipeline makes of the columns that have changed."""
    if not isinstance(proposal, SchemaChange) or proposal.uses is None:
        return None
    uses = proposal.uses
    used = [change for change in proposal.changes() if uses.get(change.column)]
    hard = [change for change in used if change.kind in ("removed", "narrowed", "loosened")]
    if hard:
        told = "; ".join(f"{c.column} ({c.kind}) is used: {', '.join(uses[c.column])}" for c in hard)
        return Vote(choice=BREAKING, reason=_told(told))
    soft = [change for change in used if change.kind in ("renamed", "retyped")]
    if soft:
        mapping = {change.column: change.now for change in soft if change.now}
        told = "; ".join(f"{c.column} ({c.kind}) is used: {', '.join(uses[c.column])}" for c in soft)
        return Vote(choice=NEEDS_MAPPING, reason=_told(told), mapping=mapping)
    return Vote(choice=COMPATIBLE, reason="nothing that is used has changed for the worse")


def _bounds(proposal: Proposal) -> Vote | None:
    if not isinstance(proposal, ThresholdChange):
        return None
    floor = THRESHOLDS[proposal.dimension] - MARGIN
    if proposal.after < min(floor, proposal.before):
        return Vote(choice=REJECT, reason=f"{proposal.after:g} is below {floor:.2f}, and lower than it was")
    return Vote(choice=ACCEPT, reason=f"{proposal.after:g} is not below {floor:.2f}, or no lower than it was")


def _measured(proposal: Proposal) -> Vote | None:
    """A threshold that the dataset keeps missing stops every run; one that it always reaches costs nothing."""
    if not isinstance(proposal, ThresholdChange) or len(proposal.measured) < LEAST_MEASURED:
        return None
    reached = sum(share >= proposal.after for share in proposal.measured)
    share = reached / len(proposal.measured)
    told = f"{reached} of {len(proposal.measured)} measured runs reach {proposal.after:g}"
    return Vote(choice=ACCEPT if share > 0.5 else REJECT, reason=told, confidence=max(share, 1 - share))


def _of(proposal: Proposal, *kinds: str) -> list[Change]:
    if not isinstance(proposal, SchemaChange):
        return []
    return [change for change in proposal.changes() if change.kind in kinds]


def _told(text: str) -> str:
    # A table can have thousands of columns: a reason is for people.
    return text if len(text) <= 900 else text[:897] + "..."
