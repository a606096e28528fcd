"""A voter that is asked by a message, and may be in another process."""

from dataclasses import dataclass

from core.errors import InputError, WorkError
from delegation.consensus.proposal import Proposal, SchemaChange
from delegation.consensus.vote import Vote
from delegation.messages.hub import Hub
from delegation.messages.payload import SchemaProposal, ValidationVote

# On whose behalf proposals are sent.
PROPOSER = "consensus"


@dataclass(frozen=True)
class MessageVoter:
    """The agent `name`, which answers a schema_proposal by a validation_vote within `timeout_s`."""

    hub: Hub
    name: str
    timeout_s: float
    weight: float = 1.0

    def vote(self, proposal: Proposal) -> Vote:
        """Raises InputError if there is no such agent, or it is asked of something else than a schema; WorkError if it
        gave no vote."""
        if not isinstance(proposal, SchemaChange):
            raise InputError(f"There is no message to ask of a {proposal.kind}.", remedy="Ask a voter in this process.")
        self.hub.register(PROPOSER)
        asked = SchemaProposal(
            proposal=proposal.fingerprint,
            dataset=proposal.dataset,
            before=proposal.before,
            after=proposal.after,
            uses=proposal.uses,
        )
        reply = self.hub.ask(PROPOSER, self.name, asked, timeout_s=self.timeout_s)
        if reply.status == "nobody":
            raise InputError(f"There is no agent '{self.name}'.", remedy="Register it with the hub first.")
        answer = reply.message.payload if reply.message else None
        if not isinstance(answer, ValidationVote):
            raise WorkError(f"{self.name} answered by no vote." if answer else f"{self.name} did not answer.")
        return Vote(choice=answer.choice, reason=answer.reason, confidence=answer.confidence, mapping=answer.mapping)
