"""The hub: where agents leave messages for each other, between threads, processes and machines."""

import math
import threading
import time
import uuid
from typing import Literal, NamedTuple

from psycopg.errors import ForeignKeyViolation

from core import journal
from core.errors import InputError, RunNotFound
from core.store import Database
from core.store.database import HASTEN, Connection
from core.store.value import text
from delegation.messages.doorbell import CHANNEL, Doorbell
from delegation.messages.draft import drafted
from delegation.messages.message import COLUMNS, Message, Receipt, of_row
from delegation.messages.payload import Payload
from delegation.name import LONGEST, named
from delegation.rules.condition import ABSURD, kind

# How long a recipient has to confirm a message before it is delivered again, seconds; and how often it is delivered.
REDELIVERY_S = 30.0
DELIVERIES = 5

# How long who waits does so without looking, in case that the doorbell was not heard, seconds.
_UNHEARD_S = 1.0


class Reply(NamedTuple):
    """What came of asking: the `message` that answers; or `nobody` was there to ask, or `no_answer` came in time."""

    status: Literal["answered", "nobody", "no_answer"]
    message: Message | None = None


class Hub:
    """Sends and delivers messages. Those who use the same database share one hub. Close it when done.

    A message is delivered at least once: to one recipient at a time, until it is confirmed. Unconfirmed for
    `redelivery_s`, it is delivered again; after so many `deliveries`, it is a dead letter. Within a conversation, a
    recipient gets messages in the order in which they were sent, each after the one before was confirmed or given up.
    Methods can be called from any thread. All raise StoreUnavailable when the database went away. Raises InputError for
    a time or a number that is none.
    """

    def __init__(self, database: Database, *, redelivery_s: float = REDELIVERY_S, deliveries: int = DELIVERIES) -> None:
        self._database = database
        if kind(redelivery_s) != "number" or not 0 < redelivery_s <= ABSURD:
            raise InputError(f"A time of {redelivery_s!r:.40} s to confirm is none.", remedy="Give more than 0 s.")
        if type(deliveries) is not int or not 0 < deliveries <= ABSURD:
            raise InputError(f"{deliveries!r:.40} deliveries are none.", remedy="Give a number of at least 1.")
        self._redelivery_s = redelivery_s
        self._deliveries = deliveries
        self._doorbell: Doorbell | None = None
        self._opening = threading.Lock()

    def __enter__(self) -> "Hub":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening. Messages stay where they are."""
        with self._opening:
            if self._doorbell:
                self._doorbell.close()
                self._doorbell = None

    def register(self, agent: str) -> None:
        """Let an agent send and receive. Harmless to do twice."""
        known = named(agent, "an agent")
        self._database.transaction(
            lambda c: c.execute("INSERT INTO message_agents (id) VALUES (%s) ON CONFLICT DO NOTHING", (known,))
        )

    def send(
        self,
        sender: str,
        recipient: str,
        payload: Payload,
        *,
        conversation: str | None = None,
        run_id: str | None = None,
    ) -> Receipt:
        """Leave a message for an agent; without a `conversation`, in a new one.

        A message to nobody is one of the outcomes: it is kept as a dead letter, and told in the journal. Raises
        InputError if the sender is not registered, or the payload is none or too large; RunNotFound if there is no
        such run.
        """
        draft = drafted(sender, recipient, payload, conversation or str(uuid.uuid4()), run_id)
        try:
            return self._database.transaction(draft.post)
        except ForeignKeyViolation as error:
            raise RunNotFound(run_id or "") from error

    def reply(self, message: Message, payload: Payload) -> Receipt:
        """Answer a message in its conversation, and confirm it, both or neither."""
        draft = drafted(message.recipient, message.sender, payload, message.conversation, message.run_id, message.id)

        def work(connection: Connection) -> Receipt:
            _settle(connection, message, "confirmed")
            return draft.post(connection)

        return self._database.transaction(work)

    def ask(
        self, sender: str, recipient: str, payload: Payload, *, timeout_s: float, run_id: str | None = None
    ) -> Reply:
        """Send a message in a new conversation, and wait for the answer to it, which is confirmed."""
        receipt = self.send(sender, recipient, payload, run_id=run_id)
        if receipt.status == "nobody":
            return Reply("nobody")
        answer = self.receive(sender, timeout_s=timeout_s, conversation=receipt.conversation)
        if answer is None:
            return Reply("no_answer")
        self.confirm(answer)
        return Reply("answered", answer)

    def receive(self, agent: str, *, timeout_s: float = 0.0, conversation: str | None = None) -> Message | None:
        """The next message for the agent, perhaps of one conversation only; None if none comes within `timeout_s`.

        It must be confirmed, answered or rejected: otherwise it comes again. Raises InputError if the agent is not
        registered.
        """
        if math.isnan(timeout_s):
            raise InputError("A time of nan s is none.", remedy="Give the seconds to wait, or 0.")
        deadline = time.monotonic() + timeout_s
        while True:
            heard = self._bell().heard(agent) if timeout_s > 0 else 0
            found = self._database.transaction(lambda connection: self._take(connection, agent, conversation))
            if isinstance(found, Message) or (left := deadline - time.monotonic()) <= 0:
                return found if isinstance(found, Message) else None
            self._bell().wait(agent, heard, min(left, _UNHEARD_S, max(found, 0.001)))

    def confirm(self, message: Message) -> bool:
        """Say that a message was dealt with. False if it had been given up before; it stays so."""
        return self._database.transaction(lambda connection: _settle(connection, message, "confirmed"))

    def reject(self, message: Message, reason: str) -> None:
        """Say that a message could not be dealt with: it is delivered again at once, or given up if it was the last
        delivery, for this reason."""
        last = message.deliveries >= self._deliveries

        def work(connection: Connection) -> None:
            if last:
                _settle(connection, message, "dead", reason)
            else:
                connection.execute(
                    "UPDATE messages SET due_at = clock_timestamp(), reason = %s"
                    " WHERE id = %s AND status = 'open' AND deliveries = %s",
                    (text(reason), message.id, message.deliveries),
                )
                _ring(connection, message.recipient)

        self._database.transaction(work)

    def revive(self, message: Message) -> bool:
        """Let a dead letter be delivered again, as if for the first time. False if it is none."""

        def work(connection: Connection) -> bool:
            found = connection.execute(
                "UPDATE messages SET status = 'open', deliveries = 0, due_at = clock_timestamp(), settled_at = NULL"
                " WHERE id = %s AND status = 'dead' RETURNING id",
                (message.id,),
            ).fetchone()
            _ring(connection, message.recipient)
            return found is not None

        return self._database.transaction(work)

    def dead_letters(self, *, limit: int = 100) -> list[Message]:
        """The last messages that were given up, newest first."""
        rows = self._database.query(
            f"SELECT {COLUMNS} FROM messages WHERE status = 'dead' ORDER BY settled_at DESC, seq DESC LIMIT %s",
            (limit,),
        )
        return [of_row(row) for row in rows]

    def _bell(self) -> Doorbell:
        with self._opening:
            if self._doorbell is None:
                self._doorbell = Doorbell(self._database.url)
            return self._doorbell

    def _take(self, connection: Connection, agent: str, conversation: str | None) -> Message | float:
        """The next message, marked as delivered; or in how many seconds to look again."""
        asked = {"agent": agent, "conversation": conversation, "seconds": self._redelivery_s}
        while row := connection.execute(_TAKE, asked).fetchone():
            message = of_row(row)
            if message.deliveries <= self._deliveries:
                return message
            connection.execute("UPDATE messages SET deliveries = deliveries - 1 WHERE id = %s", (message.id,))
            reason = f"not confirmed after {self._deliveries} deliveries"
            _settle(connection, message, "dead", f"{reason}: {message.reason}" if message.reason else reason)
        return _look_again(connection, agent)


# The first message that is due, and that no earlier one of its conversation stands before. Where the answer to the
# commit is lost, this counts as a delivery, and another follows. If the server fails in the next moment, a delivery or
# a confirmation is lost, with the answer that was sent with it, and the message is delivered again.
_TAKE = f"""
UPDATE messages SET deliveries = deliveries + 1, due_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE id = (
  SELECT id FROM messages AS next
  WHERE recipient = %(agent)s AND status = 'open' AND due_at <= clock_timestamp()
    AND (%(conversation)s::text IS NULL OR conversation = %(conversation)s)
    AND NOT EXISTS (
      SELECT FROM messages AS earlier
      WHERE earlier.conversation = next.conversation AND earlier.recipient = next.recipient
        AND earlier.place < next.place AND earlier.status = 'open')
  ORDER BY seq LIMIT 1 FOR UPDATE OF next SKIP LOCKED)
RETURNING {COLUMNS}, {HASTEN} AS hastened
"""

# Whoever waits for what stands behind a settled message is woken.
_SETTLE = f"""
UPDATE messages SET status = %(status)s, reason = coalesce(%(reason)s, reason), settled_at = clock_timestamp()
WHERE id = %(id)s AND status = 'open'
RETURNING {HASTEN}, (
  SELECT pg_notify(%(channel)s, behind.recipient) FROM messages AS behind
  WHERE behind.conversation = messages.conversation AND behind.recipient = messages.recipient
    AND behind.status = 'open' AND behind.id <> messages.id LIMIT 1)
"""


def _settle(connection: Connection, message: Message, status: Literal["confirmed", "dead"], reason: str = "") -> bool:
    """Confirm a message, or give it up; what waited behind it comes next. Says whether that is what it is now."""
    row = connection.execute(
        _SETTLE, {"status": status, "reason": text(reason) or None, "id": message.id, "channel": CHANNEL}
    ).fetchone()
    if row is None:
        now = connection.execute("SELECT status FROM messages WHERE id = %s", (message.id,)).fetchone()
        return now is not None and now["status"] == status
    if status == "dead":
        told = {"message": str(message.id), "to": message.recipient, "kind": message.kind, "reason": reason}
        event = journal.Event(run_id=message.run_id, kind="message.dead", actor=message.sender, data=told)
        journal.write(connection, event)
    return True


def _ring(connection: Connection, agent: str) -> None:
    connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, agent))


def _look_again(connection: Connection, agent: str) -> float:
    """Seconds until the first message that was delivered and not confirmed is due again; endless without one.

    Raises InputError if there is no such agent.
    """
    row = connection.execute(
        "SELECT (SELECT extract(epoch FROM min(due_at) - clock_timestamp())::float8 FROM messages"
        "  WHERE recipient = message_agents.id AND status = 'open' AND due_at > clock_timestamp()) AS due_s"
        " FROM message_agents WHERE id = %s",
        (agent,),
    ).fetchone()
    if row is None:
        raise InputError(f"There is no agent '{agent[:LONGEST]}'.", remedy="Register it with the hub first.")
    return float("inf") if row["due_s"] is None else float(row["due_s"])
