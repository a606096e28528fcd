"""Sync points: complete, partial, recovered, failed; what they decide, and who answers for them."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import journal
from core.errors import InputError
from core.store import Database
from graphs import (
    Attempt,
    Branch,
    FunctionWorker,
    GraphReport,
    Options,
    ParallelWorkflow,
    Result,
    SyncPoint,
    resume,
    run,
)
from graphs.parallel.meeting import decide
from tests.clock import HandClock

KEYS = ("a", "b", "c", "d")


def branches(*, then: str = "then") -> list[Branch]:
    return [*(Branch(key=key, kind="work") for key in KEYS), Branch(key=then, kind="work", needs=("all",))]


def point(**more: Any) -> SyncPoint:
    return SyncPoint(name="all", branches=KEYS, **more)


def workflow(
    function: Callable[[Branch, Attempt], Any], clock: HandClock | None = None, **options: Any
) -> ParallelWorkflow:
    workers = [FunctionWorker("worker", frozenset({"work"}), function)]
    return ParallelWorkflow(workers, options=Options(**{"concurrency": 8, **options}), clock=clock)


def told(database: Database, report: GraphReport, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in journal.events(database, report.run_id, kind=kind)]


async def recorded(database: Database, *keys: str, done: bool = True) -> None:
    """Wait until these are done, or at least begun."""
    sql = "SELECT count(*) AS n FROM steps WHERE step_key = ANY(%s)" + (" AND status = 'done'" if done else "")
    while (await asyncio.to_thread(database.query, sql, (list(keys),)))[0]["n"] < len(keys):
        await asyncio.sleep(0.01)


@given(
    n=st.integers(1, 40),
    data=st.data(),
    quorum=st.floats(0.01, 1),
    timeout=st.none() | st.floats(0.1, 100),
    waited=st.floats(0, 200),
)
def test_a_decision_is_borne_out_by_the_counts(
    n: int, data: st.DataObject, quorum: float, timeout: float | None, waited: float
) -> None:
    """No point is complete without all, none partial without its quorum; nobody waits for those who cannot come."""
    ended = data.draw(st.integers(0, n))
    arrived = data.draw(st.integers(0, ended))
    sync = SyncPoint(name="s", branches=tuple(f"b{i}" for i in range(n)), quorum=quorum, timeout_s=timeout)
    decision = decide(sync, arrived=arrived, ended=ended, waited_s=waited)
    up = timeout is not None and waited >= timeout
    assert (decision == "complete") == (arrived == n)
    if decision == "partial":
        assert n > arrived >= quorum * n
        assert up or ended == n
    if decision == "wait":
        assert ended < n
        assert not up
    if decision == "recover":
        assert up
        assert ended < n
        assert arrived < quorum * n
    if decision == "failed":
        assert ended == n
        assert arrived < quorum * n


@pytest.mark.parametrize(
    ("arrived", "ended", "waited", "decision"),
    [
        (4, 4, 0, "complete"),
        (3, 3, 29.9, "wait"),
        (3, 3, 30, "partial"),
        (2, 2, 29.9, "wait"),
        (2, 2, 30, "recover"),
        (3, 4, 0, "partial"),
        (2, 4, 0, "failed"),
    ],
)
def test_three_of_four_are_a_quorum(arrived: int, ended: int, waited: float, decision: str) -> None:
    """At 75%, the default."""
    assert decide(point(timeout_s=30), arrived=arrived, ended=ended, waited_s=waited) == decision


def test_when_all_have_arrived_the_point_is_complete(database: Database) -> None:
    needed: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        if of.key == "then":
            needed.extend(attempt.needed)
        return Result({})

    report = run(workflow(perform), branches(), [point(timeout_s=30)], database=database)
    assert report.status == "done"
    assert needed == list(KEYS)
    assert report.state["sync"] == {"all": {"arrived": 4, "branches": 4, "status": "complete"}}
    assert told(database, report, "sync.") == [{"sync": "all", "arrived": 4, "branches": 4}]


def test_at_its_time_a_point_with_a_quorum_goes_on_without_the_rest(database: Database) -> None:
    """Marked partial; the claim of who is late has ended, and what it brings is refused."""
    clock, release = HandClock(), threading.Event()

    def hang(of: Branch, attempt: Attempt) -> Result:
        release.wait(20)
        return Result({"late": True})

    async def perform(of: Branch, attempt: Attempt) -> Result:
        if of.key == "c":
            await recorded(database, "a", "b")
            await recorded(database, "d", done=False)
            asyncio.get_running_loop().call_later(0.05, clock.advance, 31)
        if of.key == "then":
            assert sorted(k for k, o in attempt.needed.items() if o.status == "done") == ["a", "b", "c"]
            release.set()
            while not database.query("SELECT 1 FROM journal WHERE kind = 'step.refused'"):
                await asyncio.sleep(0.01)
        return Result({})

    workers = [
        FunctionWorker("worker", frozenset({"work"}), perform),
        FunctionWorker("hanging", frozenset({"hang"}), hang),
    ]
    given = [b.model_copy(update={"kind": "hang"}) if b.key == "d" else b for b in branches()]
    report = run(
        ParallelWorkflow(workers, options=Options(concurrency=8), clock=clock),
        given,
        [point(timeout_s=30)],
        database=database,
    )
    assert report.status == "partial"
    assert report.state["sync"]["all"] == {"arrived": 3, "branches": 4, "status": "partial"}
    assert {key: o.status for key, o in report.outcomes.items() if o.status != "done"} == {"d": "failed"}
    assert "goes on without it" in report.outcomes["d"].failure.message  # type: ignore[union-attr]
    assert told(database, report, "step.refused")


def test_at_its_time_a_point_without_a_quorum_has_what_is_missing_sent_once_more(database: Database) -> None:
    """By the load balancer; the second attempts arrive, and the point is complete."""
    clock = HandClock()
    attempts: dict[str, int] = dict.fromkeys((*KEYS, "then"), 0)

    async def perform(of: Branch, attempt: Attempt) -> Result:
        attempts[of.key] += 1
        if of.key in ("b", "c", "d") and attempt.number == 1:
            if of.key == "d":
                await recorded(database, "a")
                await recorded(database, "b", "c", "d", done=False)
                asyncio.get_running_loop().call_later(0.05, clock.advance, 31)
            await asyncio.Event().wait()
        return Result({})

    report = run(workflow(perform, clock), branches(), [point(timeout_s=30)], database=database)
    assert report.status == "done"
    assert attempts == {"a": 1, "b": 2, "c": 2, "d": 2, "then": 1}
    assert report.state["sync"]["all"]["status"] == "complete"
    assert [e["again"] for e in told(database, report, "branches.missing")] == [["b", "c", "d"]]


def test_a_point_that_too_few_can_reach_has_failed_and_blocks_what_needs_it(database: Database) -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        if of.key in ("c", "d"):
            raise InputError("planted")
        return Result({})

    report = run(workflow(perform), branches(), [point()], database=database)
    assert report.state["sync"]["all"] == {"arrived": 2, "branches": 4, "status": "failed"}
    assert report.outcomes["then"].status == "blocked"
    assert report.outcomes["then"].notes == ["needs c, d"]
    assert report.status == "partial"


def test_a_person_is_asked_before_a_point_is_passed_and_again_before_the_result_is_accepted(database: Database) -> None:
    """The run waits, without a holder; each answer takes it on from where it was, and nothing is done twice."""
    performed: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        performed.append(of.key)
        return Result({}, quality=0.9)

    workers = [FunctionWorker("worker", frozenset({"work"}), perform)]
    reviewed = ParallelWorkflow(workers, options=Options(concurrency=8), review=["sync", "validation"])
    report = run(reviewed, branches(), [point()], run_id="asks", database=database)
    assert report.status == "waiting"
    assert report.questions[0].about["sync_points"] == {"all": "complete"}
    assert database.query("SELECT status, holder FROM runs")[0] == {"status": "waiting", "holder": None}
    assert sorted(performed) == list(KEYS)

    with pytest.raises(InputError, match=r"waits for an answer to \w+"):
        resume(reviewed, "asks", database=database)
    with pytest.raises(InputError, match="does not ask nobody"):
        resume(reviewed, "asks", {"nobody": "proceed"}, database=database)
    with pytest.raises(InputError, match=r"'maybe' is no answer to \w+. Answer with one of: proceed, stop"):
        resume(reviewed, "asks", {report.questions[0].id: "maybe"}, database=database)

    report = resume(reviewed, "asks", {report.questions[0].id: "proceed"}, database=database)
    assert (report.status, report.questions[0].about["about"]) == ("waiting", "validation")
    assert performed[4:] == ["then"]
    report = resume(reviewed, "asks", {report.questions[0].id: "proceed"}, database=database)
    assert report.status == "done"
    assert len(performed) == 5


@pytest.mark.parametrize(("answer", "status"), [("approve", "done"), ("stop", "failed")])
def test_a_person_can_overrule_the_validation(database: Database, answer: str, status: str) -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({}, quality=0.1 if answer == "approve" else 1.0)

    workers = [FunctionWorker("worker", frozenset({"work"}), perform)]
    reviewed = ParallelWorkflow(workers, options=Options(revisions=0), review=["validation"])
    report = run(reviewed, [Branch(key="a", kind="work")], database=database)
    report = resume(reviewed, report.run_id, {report.questions[0].id: answer}, database=database)
    assert report.status == status
    assert report.state["validation"]["reason"] == f"a person said {answer}"


def test_a_person_can_stop_a_point(database: Database) -> None:
    """What needs it is blocked."""

    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({})

    workers = [FunctionWorker("worker", frozenset({"work"}), perform)]
    reviewed = ParallelWorkflow(workers, options=Options(concurrency=8), review=["sync"])
    report = run(reviewed, branches(), [point()], database=database)
    report = resume(reviewed, report.run_id, {report.questions[0].id: "stop"}, database=database)
    assert report.outcomes["then"].status == "blocked"
    assert report.status == "partial"


async def failing(of: Branch, attempt: Attempt) -> Result:
    if of.key == "d":
        raise ValueError("planted")
    return Result({}, quality=0.9)


def test_what_failed_before_a_person_was_asked_has_failed_after_the_answer(database: Database) -> None:
    """A process that takes the graph up to answer knows of it, and tries nothing again that failed for good."""
    workers = [FunctionWorker("worker", frozenset({"work"}), failing)]
    reviewed = ParallelWorkflow(workers, options=Options(concurrency=8), review=["validation"])
    asked = run(reviewed, [Branch(key=key, kind="work") for key in KEYS], database=database)
    report = resume(reviewed, asked.run_id, {asked.questions[0].id: "approve"}, database=database)
    assert report.status == "partial"
    assert report.outcomes["d"].failure.message == "planted"  # type: ignore[union-attr]
    assert report.state["result"]["branches"] == {"done": 3, "failed": 1}
    steps = database.query("SELECT attempt FROM steps WHERE step_key = 'd'")
    assert steps[0]["attempt"] == 1


def test_a_partial_point_is_passed_by_one_answer(database: Database) -> None:
    """Without the branch that failed, which is not tried again for it."""
    workers = [FunctionWorker("worker", frozenset({"work"}), failing)]
    reviewed = ParallelWorkflow(workers, options=Options(concurrency=8), review=["sync", "validation"])
    asked = run(reviewed, branches(), [point()], database=database)
    asked = resume(reviewed, asked.run_id, {asked.questions[0].id: "stop"}, database=database)
    report = resume(reviewed, asked.run_id, {asked.questions[0].id: "proceed"}, database=database)
    assert report.outcomes["then"].status == "blocked"
    assert report.outcomes["d"].attempt == 1
    assert report.status == "partial"
    asked = run(reviewed, branches(), [point()], database=database)
    asked = resume(reviewed, asked.run_id, {asked.questions[0].id: "proceed"}, database=database)
    report = resume(reviewed, asked.run_id, {asked.questions[0].id: "proceed"}, database=database)
    assert report.outcomes["then"].status == "done"


def test_what_failed_in_a_partial_run_is_tried_again_when_it_is_resumed(database: Database) -> None:
    """And nothing else is."""
    tried: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        tried.append(of.key)
        if of.key == "d" and len(tried) <= len(KEYS):
            raise ValueError("planted")
        return Result({})

    report = run(workflow(perform), [Branch(key=key, kind="work") for key in KEYS], database=database)
    assert report.status == "partial"
    report = resume(workflow(perform), report.run_id, database=database)
    assert report.status == "done"
    assert tried[len(KEYS) :] == ["d"]
