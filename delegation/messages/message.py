"""Messages, as they are delivered and as they are on record."""

import uuid
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializeAsAny

from delegation.messages.payload import Payload, read_payload

Status = Literal["open", "confirmed", "dead"]

COLUMNS = (
    "id, conversation, place, in_reply_to, run_id, sender, recipient, kind, payload, status, deliveries,"
    " sent_at, settled_at, reason"
)


class Message(BaseModel):
    """A message.

    `place` is its place in its `conversation`, from 1. It is `open` until its recipient confirmed it, or it is `dead`:
    given up, for `reason`. `deliveries` counts how often it was handed out.
    """

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID
    conversation: str
    place: int
    in_reply_to: uuid.UUID | None
    run_id: str | None
    sender: str
    recipient: str
    payload: SerializeAsAny[Payload]
    status: Status
    deliveries: int
    sent_at: datetime
    settled_at: datetime | None
    reason: str | None

    @property
    def kind(self) -> str:
        return self.payload.kind


class Receipt(BaseModel):
    """What came of sending: `sent`, or there is `nobody` of the recipient's name, and the message is a dead letter."""

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID
    conversation: str
    status: Literal["sent", "nobody"]


def of_row(row: dict[str, Any]) -> Message:
    """The message of a row that has `COLUMNS`."""
    return Message.model_validate({**row, "payload": read_payload(row["kind"], row["payload"])})
