"""The journal: append-only, in order, and true exactly when what it tells of is."""

from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import journal
from core.journal import Event
from core.store import Database


def written(database: Database, *events: Event) -> None:
    def work(connection: journal.Connection) -> None:
        for event in events:
            journal.write(connection, event)

    database.transaction(work)


def test_events_come_back_in_the_order_in_which_they_were_written(database: Database, run_id: str) -> None:
    told = [Event(run_id=run_id, kind="note.made", actor="me", step=f"s/{n}", data={"n": n}) for n in range(30)]
    written(database, *told[:10])
    for event in told[10:]:
        written(database, event)
    read = journal.events(database, run_id, kind="note")
    assert [event.model_copy(update={"at": None}) for event in read] == told
    times = [event.at for event in read if event.at]
    assert times == sorted(times)
    assert len(times) == len(told)


def test_an_event_written_twice_stands_once_as_it_was_first(database: Database, run_id: str) -> None:
    event = Event(run_id=run_id, kind="note.made", actor="me", data={"n": 1})
    written(database, event)
    event.data["n"] = 2
    written(database, event, event)
    (read,) = journal.events(database, run_id, kind="note")
    assert read.data == {"n": 1}


def test_an_event_of_a_transaction_that_failed_never_was(database: Database, run_id: str) -> None:
    event = Event(run_id=run_id, kind="note.made", actor="me")

    def work(connection: journal.Connection) -> None:
        journal.write(connection, event)
        assert journal.written(connection, event)
        raise KeyError

    with pytest.raises(KeyError):
        database.transaction(work)
    assert journal.events(database, run_id, kind="note") == []
    assert not database.transaction(lambda connection: journal.written(connection, event))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE journal SET data = '{}'",
        "UPDATE journal SET kind = 'other.kind'",
        "UPDATE journal SET at = now()",
        "DELETE FROM journal",
        "DELETE FROM runs",
        "TRUNCATE journal",
        "TRUNCATE runs CASCADE",
    ],
)
def test_what_was_written_can_neither_be_changed_nor_removed(database: Database, run_id: str, change: str) -> None:
    with pytest.raises(psycopg.errors.RaiseException, match="the journal is append-only"):
        database.transaction(lambda connection: connection.execute(change.encode()))


def test_what_happened_outside_of_runs_is_kept_apart(database: Database, run_id: str) -> None:
    written(database, Event(run_id=None, kind="tool.refused", actor="agent"))
    assert [event.kind for event in journal.events(database, None)] == ["tool.refused"]
    assert [event.kind for event in journal.events(database, run_id)] == ["run.created"]


def test_events_are_found_by_how_their_kind_begins(database: Database, run_id: str) -> None:
    kinds = ["step.started", "step.committed", "stage.started", "step_x.y"]
    written(database, *(Event(run_id=run_id, kind=kind, actor="me") for kind in kinds))
    assert [event.kind for event in journal.events(database, run_id, kind="step.")] == kinds[:2]
    assert [event.kind for event in journal.events(database, run_id, kind="step_")] == kinds[3:]
    assert [event.kind for event in journal.events(database, run_id)] == ["run.created", *kinds]
    assert journal.events(database, "another run") == []


def test_an_event_belongs_to_a_run_on_record(database: Database) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        written(database, Event(run_id="nobody's", kind="note.made", actor="me"))


texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
# Beyond these a float comes back as the whole number that its shortest form names.
floats = st.floats(-1e15, 1e15)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, plain, max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_data_comes_back_as_it_was(database: Database, run_id: str, data: dict[str, Any]) -> None:
    event = Event(run_id=run_id, kind="note.made", actor="me", data=data)
    written(database, event)
    assert journal.events(database, run_id)[-1].data == data


@pytest.mark.parametrize(
    ("text", "stored"),
    [("a\0b\0\0", "a\ufffdb\ufffd\ufffd"), ("\ud800!", "?!"), (r"a\u0000", r"a\u0000"), ("\\\\\0", "\\\\\ufffd")],
)
def test_what_postgresql_cannot_store_keeps_no_event_from_being_written(
    database: Database, run_id: str, text: str, stored: str
) -> None:
    """Messages quote data, and data holds anything, a NUL and half a surrogate pair too."""
    written(database, Event(run_id=run_id, kind="note.made", actor="me", data={"message": text, text: [text]}))
    assert journal.events(database, run_id, kind="note")[0].data == {"message": stored, stored: [stored]}
