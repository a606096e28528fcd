"""Peer inquiry: an agent asks its peer network, and the best-matched free peer answers."""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from delegation.decision import Decision
from delegation.handover import hand_over
from delegation.policy import Policy


class Respondent(Protocol):
    """Reaches agents, however they are run."""

    def answer(self, peer: str, asker: str, question: str) -> str:
        """What `peer` says to the question."""
        ...


class Inquiry(BaseModel):
    """What came of a question. `peer` and `answer` are None when no peer was free to answer.

    `decisions` are those of the policy on the peers, best match first, up to the one that answered: for the journal.
    """

    model_config = ConfigDict(frozen=True)

    peer: str | None
    answer: str | None
    reason: str
    decisions: tuple[Decision, ...]


def inquire(
    policy: Policy,
    respondent: Respondent,
    *,
    asker: str,
    task_type: str,
    question: str,
    context: Mapping[str, Any] | None = None,
) -> Inquiry:
    """Ask the peer with the best skill in `task_type` whom the policy lets be asked; of equals, the first by id.

    `task_type` is one of the peer rule: `code_review`, `schema_consultation`, `quality_validation`, `troubleshooting`
    by default. What the respondent raises is raised on.
    """
    peers = [card.id for card in policy.roster.peers(asker, task_type)]
    found = hand_over(policy, asker, peers, task_type, context or {})
    decisions = found.decisions
    if found.delegate is not None and not decisions[-1].approval:
        answer = respondent.answer(found.delegate, asker, question)
        return Inquiry(peer=found.delegate, answer=answer, reason=decisions[-1].reason, decisions=decisions)
    refused = "; ".join(decision.reason for decision in decisions)
    reason = f"no peer can be asked: {refused}" if refused else f"{asker} has no peers"
    return Inquiry(peer=None, answer=None, reason=reason, decisions=decisions)
