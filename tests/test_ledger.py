"""The ledger: a step is done once, as a whole or not at all, and only if its rows add up."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import crashpoint, journal
from core import run as runs
from core.dataset import DatasetRef
from core.errors import AccountingError, LeaseLost
from core.journal import Event
from core.lease import Lease, claim
from core.ledger import Ledger, recorded
from core.spec.document import parse
from core.store import Database
from core.task import Failure, Outcome, RowCount


class Crash(Exception):
    """The process ends here."""


@pytest.fixture
def lease(database: Database, run_id: str) -> Iterator[Lease]:
    lease = claim(database, run_id, lease_s=60)
    yield lease
    lease.abandon()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def ledger(lease: Lease, tmp_path: Path, told: list[Event]) -> Ledger:
    return Ledger(lease, tmp_path / "run", told.append)


@pytest.fixture
def passed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The crash points, as they are passed."""
    names: list[str] = []
    monkeypatch.setattr(crashpoint, "hook", names.append)
    return names


@pytest.fixture
def crash(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def at(name: str) -> None:
        def hook(reached: str) -> None:
            if reached == name:
                raise Crash(name)

        monkeypatch.setattr(crashpoint, "hook", hook)

    return at


def steps(ledger: Ledger) -> list[tuple[Any, ...]]:
    rows = ledger.lease.database.query("SELECT step_key, status, attempt, token FROM steps ORDER BY step_key")
    return [tuple(row.values()) for row in rows]


def kinds(ledger: Ledger) -> list[str]:
    return [event.kind for event in journal.events(ledger.lease.database, ledger.lease.run_id, kind="step.")]


def failed(key: str, message: str = "no") -> Outcome:
    return Outcome(task=key, status="failed", agent="me", failure=Failure(error="Broken", message=message))


def test_a_step_is_begun_committed_and_returned(ledger: Ledger, told: list[Event]) -> None:
    assert ledger.recorded("a/b/0") is None
    step = ledger.begin("a/b/0", actor="me")
    assert ledger.recorded("a/b/0") is None
    ledger.commit(step, {"rows": 3}, actor="me", told={"speed": 1})
    assert ledger.recorded("a/b/0") == {"rows": 3}
    assert recorded(ledger.lease.database, ledger.lease.run_id, "a/b/0") == {"rows": 3}
    assert steps(ledger) == [("a/b/0", "done", 1, 1)]
    started, committed = journal.events(ledger.lease.database, ledger.lease.run_id, kind="step.")
    assert (started.kind, started.actor, started.step, started.data) == (
        "step.started",
        "me",
        "a/b/0",
        {"attempt": 1, "token": 1},
    )
    assert (committed.kind, committed.step, committed.data) == (
        "step.committed",
        "a/b/0",
        {"attempt": 1, "speed": 1},
    )
    assert [event.event for event in told] == [started.event, committed.event]


def test_a_done_step_cannot_be_begun_again(ledger: Ledger) -> None:
    ledger.commit(ledger.begin("a", actor="me"), {"by": "first"}, actor="me")
    with pytest.raises(AccountingError, match="Step a is done already"):
        ledger.begin("a", actor="me")
    assert ledger.recorded("a") == {"by": "first"}
    assert kinds(ledger) == ["step.started", "step.committed"]


@pytest.mark.parametrize("again", ["commit", "fail"])
def test_a_done_step_cannot_be_ended_again(ledger: Ledger, told: list[Event], again: str) -> None:
    """Its outcome stands, and whoever tries is told what is wrong; the lease is not lost."""
    step = ledger.begin("a", actor="me")
    ledger.commit(step, {"by": "first"}, actor="me")
    with pytest.raises(AccountingError, match="Attempt 1 at step a is not under way"):
        ledger.commit(step, {"by": "second"}, actor="me") if again == "commit" else ledger.end(step, failed("a"))
    assert ledger.recorded("a") == {"by": "first"}
    refused = ["step.refused"] if again == "fail" else []
    assert kinds(ledger) == [event.kind for event in told] == ["step.started", "step.committed", *refused]


def test_a_failed_step_is_on_record_and_can_be_begun_again(ledger: Ledger) -> None:
    first = ledger.begin("a", actor="me")
    ledger.end(first, failed("a"))
    assert ledger.recorded("a") is None
    assert ledger.outcomes(["a"]) == {"a": failed("a")}
    told = journal.events(ledger.lease.database, ledger.lease.run_id, kind="step.failed")
    assert told[0].data["attempt"] == 1
    assert "Broken" in told[0].data.values()

    second = ledger.begin("a", actor="me")
    assert ledger.outcomes(["a"]) == {}
    with pytest.raises(AccountingError, match="Attempt 1 at step a is not under way"):
        ledger.commit(first, {}, actor="me")
    ledger.commit(second, {"by": "second"}, actor="me")
    assert (second.attempt, ledger.recorded("a")) == (2, {"by": "second"})
    assert kinds(ledger) == ["step.started", "step.failed", "step.started", "step.committed"]


def test_a_failed_step_cannot_be_committed(ledger: Ledger) -> None:
    step = ledger.begin("a", actor="me")
    ledger.end(step, failed("a"))
    with pytest.raises(AccountingError, match="not under way"):
        ledger.commit(step, {}, actor="me")
    assert ledger.recorded("a") is None


def test_a_failure_is_recorded_whatever_its_message_quotes(ledger: Ledger) -> None:
    """Engines quote the value that they could not read, and that may be one that PostgreSQL cannot store."""
    ledger.end(ledger.begin("a", actor="me"), failed("a", "cannot convert 'a\0\ud800'"))
    (outcome,) = ledger.outcomes(["a"]).values()
    assert outcome.failure is not None
    assert outcome.failure.message == "cannot convert 'a\ufffd?'"


def test_an_outcome_comes_back_in_the_order_it_was_written(ledger: Ledger) -> None:
    """A reference's columns are in file order."""
    columns = dict.fromkeys(("zz", "b", "aaa", "a", "y"), "string")
    output = DatasetRef(paths=("/f",), rows=0, columns=columns)
    ledger.end(ledger.begin("a", actor="me"), Outcome(task="a", status="done", output=output))
    (outcome,) = ledger.outcomes(["a"]).values()
    assert outcome.output is not None
    assert list(outcome.output.columns) == list(columns)


def test_outcomes_are_those_of_the_keys_that_came_to_something(ledger: Ledger) -> None:
    done = Outcome(task="a", status="done", agent="me")
    ledger.end(ledger.begin("a", actor="me"), done)
    ledger.end(ledger.begin("b", actor="me"), failed("b"))
    ledger.begin("c", actor="me")
    ledger.end(ledger.begin("d", actor="me"), done.model_copy(update={"task": "d"}))
    assert ledger.outcomes(["a", "b", "c", "nothing"]) == {"a": done, "b": failed("b")}
    assert ledger.outcomes([]) == {}


def test_each_attempt_has_an_empty_folder_of_its_own(ledger: Ledger, database: Database, run_id: str) -> None:
    """Across attempts, steps and holders; what an earlier one left is never met again."""
    paths = []
    for key in ("a/0", "a/0", "a/1"):
        step = ledger.begin(key, actor="me")
        assert list(step.path.iterdir()) == []
        (step.path / "part.parquet").write_text("half")
        paths.append(step.path)
    ledger.lease.release("interrupted")
    resumed = Ledger(claim(database, run_id, lease_s=60), ledger.root)
    paths.append(resumed.begin("a/0", actor="me").path)
    resumed.lease.abandon()
    assert len(set(paths)) == len(paths)
    assert all(path.is_relative_to(ledger.root) for path in paths)
    assert [list(path.iterdir()) == [] for path in paths] == [False, False, False, True]


def test_what_another_database_left_in_the_folder_is_not_taken_over(ledger: Ledger) -> None:
    left = ledger.root / "a" / "attempt-1-1"
    left.mkdir(parents=True)
    (left / "part.parquet").write_text("of another")
    step = ledger.begin("a", actor="me")
    assert step.path == left
    assert list(left.iterdir()) == []


def test_the_crash_points_are_passed_in_order(ledger: Ledger, passed: list[str]) -> None:
    ledger.commit(ledger.begin("a", actor="me"), {}, actor="me", effect=lambda: passed.append("effect"))
    ledger.end(ledger.begin("b", actor="me"), failed("b"))
    assert passed == [
        "step.begin.before a",
        "step.begin.after a",
        "effect",
        "step.commit.before a",
        "step.commit.after a",
        "step.begin.before b",
        "step.begin.after b",
    ]


def test_a_crash_before_the_begin_leaves_nothing(ledger: Ledger, crash: Callable[[str], None]) -> None:
    crash("step.begin.before a")
    with pytest.raises(Crash):
        ledger.begin("a", actor="me")
    assert (steps(ledger), kinds(ledger)) == ([], [])


def test_a_crash_after_the_begin_leaves_an_attempt_to_repeat(ledger: Ledger, crash: Callable[[str], None]) -> None:
    crash("step.begin.after a")
    with pytest.raises(Crash):
        ledger.begin("a", actor="me")
    assert (steps(ledger), kinds(ledger)) == ([("a", "running", 1, 1)], ["step.started"])
    crash("")
    ledger.commit(ledger.begin("a", actor="me"), {}, actor="me")
    assert steps(ledger) == [("a", "done", 2, 1)]


def test_a_crash_before_the_commit_records_nothing(
    ledger: Ledger, crash: Callable[[str], None], told: list[Event]
) -> None:
    """The window: all is written, nothing committed. Neither outcome nor event stands, and the step can go on."""
    step = ledger.begin("a", actor="me")
    crash("step.commit.before a")
    with pytest.raises(Crash):
        ledger.commit(step, {"is": "done"}, actor="me")
    assert ledger.recorded("a") is None
    assert steps(ledger) == [("a", "running", 1, 1)]
    assert kinds(ledger) == [event.kind for event in told] == ["step.started"]
    crash("")
    ledger.commit(step, {"is": "done"}, actor="me")
    assert ledger.recorded("a") == {"is": "done"}


def test_a_crash_after_the_commit_changes_nothing(ledger: Ledger, crash: Callable[[str], None]) -> None:
    step = ledger.begin("a", actor="me")
    crash("step.commit.after a")
    with pytest.raises(Crash):
        ledger.commit(step, {"is": "done"}, actor="me")
    assert ledger.recorded("a") == {"is": "done"}
    assert kinds(ledger) == ["step.started", "step.committed"]


def test_an_effect_that_fails_keeps_the_step_from_being_done(ledger: Ledger, told: list[Event]) -> None:
    step = ledger.begin("a", actor="me")

    def effect() -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ledger.commit(step, {"is": "done"}, actor="me", effect=effect)
    assert ledger.recorded("a") is None
    assert kinds(ledger) == [event.kind for event in told] == ["step.started"]


def test_an_effect_happens_only_under_the_lease(ledger: Ledger, database: Database) -> None:
    """Who was taken over has no effect any more; while an effect happens, nobody can take over."""
    step = ledger.begin("a", actor="me")
    database.transaction(lambda connection: connection.execute("UPDATE runs SET token = token + 1"))
    effects: list[int] = []
    with pytest.raises(LeaseLost):
        ledger.commit(step, {}, actor="me", effect=lambda: effects.append(1))
    assert effects == []

    database.transaction(lambda connection: connection.execute("UPDATE runs SET token = token - 1"))
    locked = "SELECT run_id FROM runs FOR UPDATE SKIP LOCKED"
    ledger.commit(step, {}, actor="me", effect=lambda: effects.append(len(database.query(locked))))
    assert effects == [0]
    assert len(database.query(locked)) == 1


def test_what_is_told_is_no_step(ledger: Ledger, told: list[Event]) -> None:
    ledger.tell("decision.made", actor="gate", step="a", route="publish")
    (event,) = journal.events(ledger.lease.database, ledger.lease.run_id, kind="decision.")
    assert (event.actor, event.step, event.data) == ("gate", "a", {"route": "publish"})
    assert [heard.event for heard in told] == [event.event]
    assert steps(ledger) == []


def test_a_changed_spec_is_on_record_from_then_on(ledger: Ledger, database: Database, run_id: str) -> None:
    before = runs.get(database, run_id)
    spec = parse({**before.spec, "description": "new"})
    ledger.change_spec(spec, ["description: '' -> 'new'"])
    after = runs.get(database, run_id)
    assert (after.spec, after.fingerprint) == (spec.content(), spec.fingerprint)
    assert after.fingerprint != before.fingerprint
    (event,) = journal.events(database, run_id, kind="spec.changed")
    assert event.data == {"changes": ["description: '' -> 'new'"]}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"rows": RowCount(rows_in=9, rows_out=5, quarantined=1, merged=2, filtered=2)},
            "9 rows in, but 5 out .* = 10",
        ),
        ({"output": DatasetRef(paths=(), rows=4, columns={})}, "5 rows should be on file as its output, but 4 are"),
        ({"groups": 3, "output": DatasetRef(paths=(), rows=5, columns={})}, "3 rows should be on file .* but 5 are"),
        ({"left": DatasetRef(paths=(), rows=4, columns={})}, "5 rows left, but 4 are on file as having left"),
        ({"leaving": {}}, "2 rows left as filtered, but 0 have a rule to it"),
        (
            {"leaving": {"quarantined:x": 2, "merged:y": 2, "filtered:z": 1}},
            "2 rows left as filtered, but 1 have a rule to it",
        ),
        (
            {"leaving": {"quarantined:x": 1, "merged:y": 2, "filtered:z": 2, "lost:w": 1}},
            "0 rows left as lost, but 1 have a rule to it",
        ),
    ],
)
def test_rows_that_do_not_add_up_are_refused_with_the_numbers(
    ledger: Ledger, change: dict[str, Any], problem: str
) -> None:
    balanced = Outcome(
        task="a",
        status="done",
        rows=RowCount(rows_in=10, rows_out=5, quarantined=1, merged=2, filtered=2),
        output=DatasetRef(paths=(), rows=5, columns={}),
        left=DatasetRef(paths=(), rows=5, columns={}),
        leaving={"quarantined:x": 1, "merged:y": 2, "filtered:z": 1, "filtered:w": 1},
    )
    step = ledger.begin("a", actor="me")
    with pytest.raises(AccountingError, match=f"Task a: {problem}"):
        ledger.end(step, balanced.model_copy(update=change))
    assert ledger.recorded("a") is None
    ledger.end(step, balanced)
    (told,) = journal.events(ledger.lease.database, ledger.lease.run_id, kind="step.committed")
    assert told.data["rows"] == balanced.rows.model_dump()
    assert told.data["leaving"] == balanced.leaving


counts = st.integers(0, 3)


@st.composite
def accounts(draw: st.DrawFn) -> Outcome:
    """Accounts of which about half add up; each of the others is off in one or more places."""
    out, quarantined, merged, filtered = (draw(counts) for _ in range(4))
    left = quarantined + merged + filtered

    def near(right: int) -> int:
        return right if draw(st.integers(0, 7)) else draw(counts)

    def on_file(right: int) -> DatasetRef | None:
        return DatasetRef(paths=(), rows=near(right), columns={}) if draw(st.booleans()) else None

    groups = draw(st.none() | counts)
    return Outcome(
        task="any",
        status="done",
        rows=RowCount(
            rows_in=near(out + left), rows_out=out, quarantined=quarantined, merged=merged, filtered=filtered
        ),
        groups=groups,
        output=on_file(out if groups is None else groups),
        left=on_file(left),
        leaving={"filtered:x": filtered, "quarantined:y": near(quarantined), "merged:z": near(merged)},
    )


@given(accounts())
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_task_is_committed_exactly_if_its_rows_add_up(ledger: Ledger, outcome: Outcome) -> None:
    rows = outcome.rows
    left = rows.quarantined + rows.merged + rows.filtered
    kept = rows.rows_out if outcome.groups is None else outcome.groups
    adds_up = (
        rows.rows_in == rows.rows_out + left
        and (outcome.output is None or outcome.output.rows == kept)
        and (outcome.left is None or outcome.left.rows == left)
        and (outcome.leaving["quarantined:y"], outcome.leaving["merged:z"]) == (rows.quarantined, rows.merged)
    )
    key = f"step/{len(steps(ledger))}"
    step = ledger.begin(key, actor="me")
    if adds_up:
        ledger.end(step, outcome)
        assert ledger.recorded(key) == outcome.model_dump(mode="json")
    else:
        with pytest.raises(AccountingError):
            ledger.end(step, outcome)
        assert ledger.recorded(key) is None


def test_of_two_attempts_that_end_together_the_one_under_way_counts(ledger: Ledger, told: list[Event]) -> None:
    """The other was given up, and came late; what it brings is refused, on record."""
    late, current = ledger.begin("a b", actor="worker"), ledger.begin("a b", actor="worker")
    ended = [(s, Outcome(task="a b", status="done", result={"z": s.attempt, "a": "\0"})) for s in (late, current)]
    assert ledger.end_all(ended) == [late]
    recorded = ledger.recorded("a b")
    assert recorded is not None
    assert list(recorded["result"].items()) == [("z", 2), ("a", "\ufffd")]
    assert [event.kind for event in told[2:]] == ["step.refused", "step.committed"]
