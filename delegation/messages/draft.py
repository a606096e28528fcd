"""Drafts: messages that are about to be sent."""

import uuid
from dataclasses import dataclass

from core import journal
from core.errors import InputError
from core.store.database import Connection
from core.store.value import jsonb, text
from delegation.messages.doorbell import CHANNEL
from delegation.messages.message import Receipt
from delegation.messages.payload import Payload, written
from delegation.name import LONGEST


@dataclass(frozen=True)
class Draft:
    """A message that is about to be sent. `dead` is what the journal is told if there is nobody to get it."""

    id: uuid.UUID
    sender: str
    recipient: str
    payload: Payload
    content: dict[str, object]
    conversation: str
    run_id: str | None
    in_reply_to: uuid.UUID | None
    dead: journal.Event

    def post(self, connection: Connection) -> Receipt:
        """Put it into the store, and wake who waits for it. Raises InputError if the sender is not registered."""
        # Locks the conversation: whose message has the lower place, commits it first.
        place = connection.execute(
            "INSERT INTO conversations (id) VALUES (%s)"
            " ON CONFLICT (id) DO UPDATE SET length = conversations.length + 1"
            " RETURNING length, ARRAY(SELECT known.id FROM message_agents AS known WHERE known.id = ANY(%s)) AS known",
            (self.conversation, [self.sender, self.recipient]),
        ).fetchone()
        assert place is not None, "an upsert returns its row"
        if self.sender not in place["known"]:
            raise InputError(f"There is no agent '{self.sender}'.", remedy="Register it with the hub first.")
        nobody = self.recipient not in place["known"]
        connection.execute(
            "INSERT INTO messages (id, conversation, place, in_reply_to, run_id, sender, recipient, kind, payload,"
            " datasets, status, reason, settled_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s,"
            " CASE WHEN %s THEN clock_timestamp() END) ON CONFLICT (id) DO NOTHING"
            " RETURNING CASE WHEN status = 'open' THEN pg_notify(%s, recipient) END",
            (
                self.id,
                self.conversation,
                place["length"],
                self.in_reply_to,
                self.run_id,
                self.sender,
                self.recipient,
                self.payload.kind,
                jsonb(self.content),
                [text(name) for name in self.payload.about()],
                "dead" if nobody else "open",
                f"there is no agent '{self.recipient}'" if nobody else None,
                nobody,
                CHANNEL,
            ),
        )
        if nobody:
            journal.write(connection, self.dead)
        return Receipt(id=self.id, conversation=self.conversation, status="nobody" if nobody else "sent")


def drafted(
    sender: str,
    recipient: str,
    payload: Payload,
    conversation: str,
    run_id: str | None,
    in_reply_to: uuid.UUID | None = None,
) -> Draft:
    """A draft; the same however often it is posted. Raises InputError if the payload is none, or too large."""
    content = written(payload)
    id = uuid.uuid4()
    to = text(str(recipient))[:LONGEST]
    told = {"message": str(id), "to": to, "kind": payload.kind, "reason": "there is nobody"}
    dead = journal.Event(run_id=run_id, kind="message.dead", actor=str(sender), data=told)
    return Draft(id, str(sender), to, payload, content, text(str(conversation)), run_id, in_reply_to, dead)
