"""Approvals: what waits for a person, durably, and what was decided (systems D5).

A request is bound to the fingerprint of what is to be approved: when that changes, the request is void, decided or not.
It goes to the first of a path of people; when its time is over to the next, and after the last it expires. Whatever is
not approved, because it was denied, ran out of time, or nobody was there, is refused: it fails closed.
"""

import math
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

from psycopg.errors import ForeignKeyViolation
from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import ApprovalClosed, ApprovalNotFound, AwaitingApproval, InputError, Refused, RunNotFound
from core.holder import account
from core.stop import Stop
from core.store.database import Connection, Database
from core.store.value import json_in_order, text
from delegation.name import named
from delegation.request import because, check, fingerprint

Status = Literal["pending", "approved", "denied", "expired", "void"]

# How long each person on the path has, seconds: a day.
TIMEOUT_S = 86_400.0

# How often a request that is waited for is looked at, seconds.
POLL_S = 0.5

_COLUMNS = (
    "approval, subject, run_id, fingerprint, seen, reason, asked_by, path, level, timeout_s, asked_at, due_at,"
    " status, decided_by, decision, decided_at, account"
)


class Approval(BaseModel):
    """A request, and what became of it.

    `seen` is what the person is shown, `fingerprint` its SHA-256, `reason` why it needs a person, `addressee` whose
    turn it is until `due_at`. `decision` is the reason that `decided_by` gave, a name that is taken at its word;
    `account` is the operating system's, under which the decision was made.
    """

    model_config = ConfigDict(frozen=True)

    approval: str
    subject: str
    run_id: str | None
    fingerprint: str
    seen: dict[str, Any]
    reason: str
    asked_by: str
    path: tuple[str, ...]
    level: int
    timeout_s: float
    asked_at: datetime
    due_at: datetime
    status: Status
    decided_by: str | None
    decision: str | None
    decided_at: datetime | None
    account: str | None = None

    @property
    def addressee(self) -> str:
        return self.path[self.level]

    @property
    def words(self) -> str:
        """What became of it, in a sentence without a subject."""
        if self.status == "pending":
            return f"waits for {self.addressee} until {self.due_at:%Y-%m-%d %H:%M:%S}"
        if self.status == "expired":
            return f"ran out of time at {self.decided_at:%Y-%m-%d %H:%M:%S}"
        if self.status == "void":
            return "is void, since what it was for has changed"
        return f"was {self.status} by {self.decided_by}: {self.decision}"


def ask(
    database: Database,
    subject: str,
    *,
    seen: Mapping[str, Any],
    reason: str,
    asked_by: str,
    path: Sequence[str],
    timeout_s: float = TIMEOUT_S,
    run_id: str | None = None,
) -> Approval:
    """The request that stands for this subject, with what is `seen` of it: pending, approved or denied; or a new one.

    Requests of the subject for anything else become void. `seen` is plain JSON and holds all that the approval depends
    on. Raises InputError without a path, with a time that is none, or for what is no name, reason or plain JSON;
    RunNotFound.
    """
    check(subject, asked_by=asked_by, path=path, reason=reason, timeout_s=timeout_s)
    _pass_on(database)
    mark = fingerprint(seen)
    identity = f"ap-{secrets.token_hex(4)}"

    def work(connection: Connection) -> Approval:
        # Two that ask for the same thing at once get the same request.
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (text(subject),))
        _void_others(connection, subject, mark)
        standing = _select(
            connection,
            "subject = %s AND fingerprint = %s AND status IN ('pending', 'approved', 'denied')",
            (text(subject), mark),
        )
        if standing:
            return standing[-1]
        connection.execute(
            "INSERT INTO approvals (approval, subject, run_id, fingerprint, seen, reason, asked_by, path, timeout_s,"
            " due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() + make_interval(secs => %s))",
            (
                identity,
                text(subject),
                run_id,
                mark,
                json_in_order(dict(seen)),
                text(reason),
                text(asked_by),
                [text(name) for name in path],
                timeout_s,
                timeout_s,
            ),
        )
        (asked,) = _select(connection, "approval = %s", (identity,))
        _tell(connection, asked, "requested", asked_by, to=asked.addressee, reason=reason)
        return asked

    try:
        return database.transaction(work)
    except ForeignKeyViolation as error:
        raise RunNotFound(run_id or "") from error


def require(database: Database, subject: str, **request: Any) -> Approval:
    """The approval of this subject, with what is seen of it; takes what `ask` takes, and files the request if need be.

    Raises AwaitingApproval while nobody has decided, and a run that meets it is left waiting; Refused if it was denied.
    """
    found = ask(database, subject, **request)
    if found.status == "pending":
        raise AwaitingApproval(found.approval, subject, found.words)
    if found.status == "denied":
        raise Refused(
            found.asked_by,
            f"request {found.approval} to {subject} {found.words}",
            remedy="Ask for something else.",
        )
    return found


def decide(database: Database, approval_id: str, *, approved: bool, by: str, reason: str) -> Approval:
    """Approve or deny a request, as the person `by`, and put on record who, when, why, and what was seen.

    The name is taken at its word; the account of this process goes on record beside it. Raises ApprovalNotFound;
    ApprovalClosed if it was decided, ran out of time, or is void; Refused if `by` is who asked; InputError without a
    name, a reason, or a decision that is True or False.
    """
    by = named(by.strip() if isinstance(by, str) else by, "who decides")
    reason = because(reason)
    if not isinstance(approved, bool):
        raise InputError(f"{approved!r:.40} is no decision.", remedy="Give True or False.")
    status = "approved" if approved else "denied"
    asked = get(database, approval_id)
    if by == asked.asked_by:
        raise Refused(by, f"it has asked for {approval_id} itself", remedy="Let somebody else decide.")
    event = _event(asked, status, by, reason=reason, seen=asked.seen, account=account())

    def work(connection: Connection) -> Approval:
        (now,) = _select(connection, "approval = %s", (approval_id,), lock=True)
        if journal.written(connection, event):
            return now
        done = connection.execute(
            "UPDATE approvals SET status = %s, decided_by = %s, decision = %s, account = %s,"
            " decided_at = clock_timestamp()"
            " WHERE approval = %s AND status = 'pending' AND due_at > clock_timestamp() RETURNING approval",
            (status, by, reason, account(), approval_id),
        )
        if done.fetchone() is None:
            raise ApprovalClosed(approval_id, now.status, now.words)
        journal.write(connection, event)
        return _select(connection, "approval = %s", (approval_id,))[0]

    return database.transaction(work)


def get(database: Database, approval_id: str) -> Approval:
    """The request, as it stands now. Raises ApprovalNotFound."""
    _pass_on(database)
    found = database.transaction(lambda c: _select(c, "approval = %s", (text(str(approval_id)),)))
    if not found:
        raise ApprovalNotFound(approval_id)
    return found[0]


def requests(database: Database, *, closed: bool = False, run_id: str | None = None) -> list[Approval]:
    """The pending requests, oldest first; with `closed`, the others too; with `run_id`, those of one run."""
    _pass_on(database)
    where = "(%s OR status = 'pending') AND (%s::text IS NULL OR run_id = %s)"
    return database.transaction(lambda c: _select(c, where, (closed, run_id, run_id)))


def wait(database: Database, approval_id: str, stop: Stop) -> Approval:
    """The request once it is no longer pending. Raises Interrupted when stopped, ApprovalNotFound."""
    while (found := get(database, approval_id)).status == "pending":
        stop.wait(POLL_S)
    return found


def _pass_on(database: Database) -> None:
    """Hand requests whose time is over to the next on their path; without one they expire."""

    def work(connection: Connection) -> None:
        overdue = "status = 'pending' AND due_at <= clock_timestamp()"
        for late in _select(connection, overdue, (), lock=True):
            row = connection.execute("SELECT clock_timestamp() AS now").fetchone()
            assert row is not None
            turns = 1 + math.floor((row["now"] - late.due_at).total_seconds() / late.timeout_s)
            level = late.level + turns
            if level < len(late.path):
                connection.execute(
                    "UPDATE approvals SET level = %s, due_at = %s WHERE approval = %s",
                    (level, late.due_at + timedelta(seconds=turns * late.timeout_s), late.approval),
                )
                _tell(connection, late, "escalated", "approvals", after=late.addressee, to=late.path[level])
            else:
                connection.execute(
                    "UPDATE approvals SET status = 'expired', level = %s, decided_at = %s WHERE approval = %s",
                    (
                        len(late.path) - 1,
                        late.due_at + timedelta(seconds=(len(late.path) - 1 - late.level) * late.timeout_s),
                        late.approval,
                    ),
                )
                _tell(connection, late, "expired", "approvals", path=list(late.path))

    database.transaction(work)


def _void_others(connection: Connection, subject: str, mark: str) -> None:
    where = "subject = %s AND fingerprint <> %s AND status IN ('pending', 'approved')"
    for other in _select(connection, where, (text(subject), mark), lock=True):
        connection.execute(
            "UPDATE approvals SET status = 'void', decided_at = clock_timestamp() WHERE approval = %s",
            (other.approval,),
        )
        _tell(connection, other, "voided", "approvals", was=other.status, now=mark)


def _select(connection: Connection, where: str, parameters: tuple[Any, ...], *, lock: bool = False) -> list[Approval]:
    sql = f"SELECT {_COLUMNS} FROM approvals WHERE {where} ORDER BY asked_at, approval{' FOR UPDATE' if lock else ''}"
    return [Approval(**row) for row in connection.execute(sql.encode(), parameters).fetchall()]


def _event(approval: Approval, verb: str, actor: str, **data: Any) -> journal.Event:
    of = {"approval": approval.approval, "subject": approval.subject, "fingerprint": approval.fingerprint}
    return journal.Event(run_id=approval.run_id, kind=f"approval.{verb}", actor=actor, data={**of, **data})


def _tell(connection: Connection, approval: Approval, verb: str, actor: str, **data: Any) -> None:
    journal.write(connection, _event(approval, verb, actor, **data))
