"""Approvals: one decision each, bound to what was seen, on time; and whatever is not approved is refused."""

import os
import pwd
import secrets
import socket
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import journal
from core.errors import ApprovalClosed, ApprovalNotFound, CrewlineError, InputError, Interrupted, Refused
from core.holder import account
from core.stop import Stop
from core.store import Database
from delegation import Approval
from delegation.approvals import ask, decide, get, requests, wait
from delegation.request import fingerprint

SEEN: dict[str, Any] = {"rows": 3, "target": "/out"}


def asked(database: Database, subject: str = "publish x", **options: Any) -> Approval:
    given: dict[str, Any] = {"seen": SEEN, "reason": "it is new", "asked_by": "gate", "path": ("Ada", "Ben"), **options}
    return ask(database, subject, **given)


def nested(depth: int) -> list[Any]:
    lists: list[Any] = []
    for _ in range(depth):
        lists = [lists]
    return lists


def test_what_is_asked_for_may_have_long_names_and_a_long_reason_in_it(database: Database) -> None:
    """A run's id and a source's name; and a line for each of thousands of columns."""
    request = asked(database, "read the changed source " + "x" * 400, reason="a column is gone; " * 5_000)
    assert request.status == "pending"


def told(database: Database) -> list[str]:
    return [event.kind for event in journal.events(database, None, kind="approval.")]


def later(database: Database, seconds: float) -> None:
    """Time passes, for all that waits."""
    database.transaction(
        lambda c: c.execute("UPDATE approvals SET due_at = due_at - make_interval(secs => %s)", (seconds,))
    )


def test_a_request_shows_what_is_to_be_approved_and_whose_turn_it_is(database: Database) -> None:
    """And asking for the same thing again gets the same request."""
    first = asked(database)
    assert (first.status, first.addressee, first.seen, first.reason) == ("pending", "Ada", SEEN, "it is new")
    assert first.fingerprint == fingerprint({"target": "/out", "rows": 3})
    assert asked(database) == first
    assert requests(database) == [first]
    assert told(database) == ["approval.requested"]


def test_a_decision_is_on_record_with_who_when_why_and_what_was_seen(database: Database) -> None:
    first = asked(database)
    done = decide(database, first.approval, approved=True, by=" Ada Lovelace ", reason="I looked at it")
    assert (done.status, done.decided_by, done.decision) == ("approved", "Ada Lovelace", "I looked at it")
    event = journal.events(database, None, kind="approval.approved")[0]
    assert event.actor == "Ada Lovelace"
    assert event.at is not None
    assert done.decided_at is not None
    assert abs((event.at - done.decided_at).total_seconds()) < 5
    assert event.data == {
        "approval": first.approval,
        "subject": "publish x",
        "fingerprint": first.fingerprint,
        "reason": "I looked at it",
        "seen": SEEN,
        "account": account(),
    }
    assert done.account == account() == f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"
    assert requests(database) == []
    assert requests(database, closed=True) == [done]
    assert asked(database) == done


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", [True, False])
def test_what_was_decided_is_not_decided_twice(database: Database, first: bool, second: bool) -> None:
    request = asked(database)
    done = decide(database, request.approval, approved=first, by="Ada", reason="so")
    with pytest.raises(ApprovalClosed, match=rf"it was {done.status} by Ada: so") as caught:
        decide(database, request.approval, approved=second, by="Ben", reason="no")
    assert caught.value.status == done.status
    assert get(database, request.approval) == done


def test_of_many_who_decide_at_once_one_does(database: Database) -> None:
    request = asked(database)

    def one(number: int) -> bool:
        try:
            decide(database, request.approval, approved=number % 2 == 0, by=f"person {number}", reason="so")
        except ApprovalClosed:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(one, range(6))) == 1
    assert len(told(database)) == 2


def test_of_many_who_ask_at_once_all_get_the_same_request(database: Database) -> None:
    with ThreadPoolExecutor(6) as pool:
        found = {request.approval for request in pool.map(lambda _: asked(database), range(6))}
    assert len(found) == 1


@pytest.mark.parametrize("approved", [True, False, None])
def test_a_change_of_what_is_approved_voids_the_approval(database: Database, approved: bool | None) -> None:
    """What was approved before it, too; what was denied stays denied, for what it was denied for."""
    first = asked(database)
    if approved is not None:
        decide(database, first.approval, approved=approved, by="Ada", reason="so")
    second = asked(database, seen={**SEEN, "rows": 4})
    assert second.approval != first.approval
    assert second.status == "pending"
    assert get(database, first.approval).status == ("denied" if approved is False else "void")
    if approved is not False:
        with pytest.raises(ApprovalClosed, match="is void, since what it was for has changed"):
            decide(database, first.approval, approved=True, by="Ben", reason="so")
        assert asked(database).approval not in (first.approval, second.approval)
    else:
        assert asked(database).status == "denied"


def test_a_request_whose_time_is_over_goes_along_the_path_and_then_expires(database: Database) -> None:
    """Expired, it cannot be decided; asking again asks anew."""
    first = asked(database, timeout_s=60)
    later(database, 61)
    second = get(database, first.approval)
    assert (second.addressee, second.status) == ("Ben", "pending")
    later(database, 60)
    last = get(database, first.approval)
    assert (last.status, last.addressee) == ("expired", "Ben")
    assert "ran out of time" in last.words
    with pytest.raises(ApprovalClosed, match="ran out of time") as caught:
        decide(database, first.approval, approved=True, by="Ada", reason="too late")
    assert caught.value.status == "expired"
    assert told(database) == ["approval.requested", "approval.escalated", "approval.expired"]
    assert asked(database).approval != first.approval


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.floats(0, 5), path=st.integers(1, 4))
def test_however_late_somebody_looks_it_is_the_turn_of_whose_time_it_is(
    database: Database, turns: float, path: int
) -> None:
    """Nobody need be there when the time is over."""
    people = [f"person {n}" for n in range(path)]
    request = asked(database, f"publish {secrets.token_hex(4)}", path=people, timeout_s=1000)
    later(database, turns * 1000)
    found = get(database, request.approval)
    # Some of the time has passed for real.
    for turn in {int(turns), int(turns + 0.02)}:
        if found.status == "pending" and found.level == turn < path:
            return
        if found.status == "expired" and turn >= path:
            return
    pytest.fail(f"{found.status} at {found.level} of {path} after {turns}")


@pytest.mark.parametrize(
    ("by", "reason", "error", "message"),
    [
        ("", "so", InputError, "'' is no name of who decides"),
        ("  ", "so", InputError, "is no name of who decides"),
        ("Ada\x1b[8m", "so", InputError, r"'Ada\\x1b\[8m' is no name"),
        ("Ada\nBen", "so", InputError, "is no name"),
        ("A" * 201, "so", InputError, "is no name"),
        (None, "so", InputError, "None is no name"),
        ("Ada", "", InputError, "'' is no reason"),
        ("Ada", 7, InputError, "7 is no reason"),
        ("Ada", "x" * 10_001, InputError, "is no reason.* in up to 10,000"),
        ("gate", "so", Refused, "has asked for ap-.* itself"),
    ],
)
def test_a_decision_needs_a_name_a_reason_and_another_than_who_asked(
    database: Database, by: Any, reason: Any, error: type[CrewlineError], message: str
) -> None:
    request = asked(database)
    with pytest.raises(error, match=message):
        decide(database, request.approval, approved=True, by=by, reason=reason)
    assert get(database, request.approval) == request


@pytest.mark.parametrize("word", ["no", "", 1, 0, None])
def test_a_word_is_no_decision(database: Database, word: Any) -> None:
    """`approved="no"` approves nothing."""
    request = asked(database)
    with pytest.raises(InputError, match="is no decision"):
        decide(database, request.approval, approved=word, by="Ada", reason="so")
    assert get(database, request.approval) == request


def test_a_request_that_is_not_there_is_named(database: Database) -> None:
    for look in (
        lambda: get(database, "ap-0"),
        lambda: decide(database, "ap-\0", approved=True, by="Ada", reason="so"),
    ):
        with pytest.raises(ApprovalNotFound, match="no request for approval 'ap-"):
            look()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"path": ()}, "Nobody is named"),
        ({"path": ("Ada", " ")}, "' ' is no name of who could approve"),
        ({"path": "Ada"}, "Nobody is named"),
        ({"path": [None]}, "None is no name"),
        ({"timeout_s": 1e12}, "no more than 315,360,000 s"),
        ({"timeout_s": "60"}, "'60' s"),
        ({"timeout_s": True}, "True s"),
        ({"reason": " "}, "' ' is no reason"),
        ({"asked_by": ""}, "is no name of who asks"),
        ({"subject": "x" * 100_000}, "is no name of what is to be approved"),
        ({"subject": "publish x\x1b[2J"}, "is no name of what is to be approved"),
        ({"seen": {"share": float("nan")}}, "cannot be shown"),
        ({"seen": {"one": object()}}, "cannot be shown"),
        ({"seen": None}, "it is no mapping"),
        ({"seen": {"nested": nested(100_000)}}, "cannot be shown"),
        ({"seen": {"text": "x" * 1_000_000}}, "can have 1,000,000"),
        ({"run_id": "nowhere-1"}, "no run 'nowhere-1'"),
        ({"timeout_s": 0}, "0 s"),
        ({"timeout_s": -1}, "-1 s"),
        ({"timeout_s": float("nan")}, "nan s"),
        ({"timeout_s": float("inf")}, "inf s"),
    ],
)
def test_a_request_that_nobody_could_decide_is_refused(
    database: Database, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        asked(database, **options)
    assert requests(database) == []


def test_who_waits_is_told_when_it_is_decided_and_can_be_stopped(database: Database) -> None:
    request = asked(database)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait, database, request.approval, Stop())
        decide(database, request.approval, approved=False, by="Ada", reason="no")
        assert waiting.result(timeout=10).status == "denied"
    stop = Stop()
    threading.Timer(0.1, stop.request, ["a test"]).start()
    with pytest.raises(Interrupted, match="a test"):
        wait(database, asked(database, "publish y").approval, stop)


def test_the_journal_tells_every_step_of_every_request_once(database: Database) -> None:
    """Of a request that is passed on while many look at it."""
    request = asked(database, timeout_s=60)
    later(database, 61)
    with ThreadPoolExecutor(6) as pool:
        assert {found.addressee for found in pool.map(lambda _: get(database, request.approval), range(6))} == {"Ben"}
    assert Counter(told(database)) == {"approval.requested": 1, "approval.escalated": 1}
