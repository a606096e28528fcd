"""ParallelWorkflow: order, width, failures, timeouts, revisions, and who performs what; on a real PostgreSQL."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import journal
from core import run as runs
from core.errors import InputError, Interrupted, LeaseLost, RunFinished, RunHeld, StoreUnavailable
from core.lease import claim
from core.stop import Stop
from core.store import Database
from core.task import Outcome, RowCount
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
from graphs.parallel.merge import merge, weight
from graphs.parallel.mode import mode_of
from graphs.parallel.staff import Staff
from graphs.worker import Answer
from tests.clock import HandClock
from tests.deadline import until

Function = Callable[[Branch, Attempt], Answer | Awaitable[Answer]]


def worker(function: Function, *, name: str = "worker", kinds: str = "work", capacity: int = 8) -> FunctionWorker:
    return FunctionWorker(name, frozenset(kinds.split()), function, capacity)


def branch(key: str, *needs: str, kind: str = "work", **more: Any) -> Branch:
    return Branch(key=key, kind=kind, needs=needs, **more)


def flow_of(function: Function, **options: Any) -> ParallelWorkflow:
    return ParallelWorkflow([worker(function)], options=Options(**{"concurrency": 4, "attempts": 1, **options}))


def statuses(report: GraphReport) -> dict[str, str]:
    return {key: outcome.status for key, outcome in report.outcomes.items()}


def told(database: Database, report: GraphReport, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in journal.events(database, report.run_id, kind=kind)]


@st.composite
def dags(draw: st.DrawFn) -> list[Branch]:
    """Branches that need some of those before them, in any order."""
    n = draw(st.integers(1, 12))
    branches = [
        branch(f"t{i}", *(f"t{j}" for j in draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else branch("t0")
        for i in range(n)
    ]
    return draw(st.permutations(branches))


@given(branches=dags(), failing=st.sets(st.integers(0, 11)), width=st.integers(1, 4), threaded=st.booleans())
@hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_each_branch_runs_once_after_its_needs_and_only_if_they_were_done(
    database: Database, branches: list[Branch], failing: set[int], width: int, threaded: bool
) -> None:
    """A failure blocks what builds on it, at any distance, and nothing else; no more than the width run at a time."""
    lock = threading.Lock()
    finished: list[str] = []
    running = most = 0
    fails = {f"t{i}" for i in failing}

    def perform(of: Branch, attempt: Attempt) -> Result:
        nonlocal running, most
        with lock:
            assert set(of.needs) <= set(finished) - fails
            assert {key: o.status for key, o in attempt.needed.items()} == dict.fromkeys(of.needs, "done")
            running += 1
            most = max(most, running)
        try:
            if of.key in fails:
                raise InputError("planted")
            return Result({"of": of.key})
        finally:
            with lock:
                running -= 1
                finished.append(of.key)

    async def perform_async(of: Branch, attempt: Attempt) -> Result:
        await asyncio.sleep(0)
        return perform(of, attempt)

    function: Function = perform if threaded else perform_async
    report = run(flow_of(function, concurrency=width), branches, database=database)
    assert report.outcomes.keys() == {b.key for b in branches}
    assert len(finished) == len(set(finished))
    assert most <= width
    for of in branches:
        needs_done = all(report.outcomes[key].status == "done" for key in of.needs)
        expected = "blocked" if not needs_done else "failed" if of.key in fails else "done"
        assert report.outcomes[of.key].status == expected
        if expected == "blocked":
            assert "needs t" in report.outcomes[of.key].notes[0]
    everything = set(statuses(report).values()) == {"done"}
    nothing = "done" not in statuses(report).values()
    assert report.status == ("done" if everything else "failed" if nothing else "partial")
    assert sum(report.state["completed_branches"].values()) == len(branches)


def test_branches_of_high_priority_go_first(database: Database) -> None:
    """Among those that could start."""
    order: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        order.append(of.key)
        return Result({})

    branches = [
        branch("a", priority="low"),
        branch("b"),
        branch("c", priority="high"),
        branch("d", "a", priority="high"),
    ]
    run(flow_of(perform, concurrency=1), branches, database=database)
    assert order == ["c", "b", "a", "d"]


def test_what_is_ready_does_not_wait_for_a_slow_branch_of_the_same_wave(database: Database) -> None:
    """A wave is no barrier: the chain behind the quick branch ends while the slow one is still at work."""
    chain_done = threading.Event()

    def perform(of: Branch, attempt: Attempt) -> Result:
        if of.key == "slow":
            assert chain_done.wait(20)
        if of.key == "third":
            chain_done.set()
        return Result({})

    branches = [branch("slow"), branch("first"), branch("second", "first"), branch("third", "second")]
    report = run(flow_of(perform, concurrency=2), branches, database=database)
    assert report.status == "done"


def test_an_error_that_is_not_about_a_branch_ends_the_whole_once_the_others_have_ended(database: Database) -> None:
    """The others are asked to stop, and are not left behind."""
    began, ended = threading.Event(), threading.Event()

    def perform(of: Branch, attempt: Attempt) -> Result:
        if of.key == "a":
            began.wait(10)
            raise StoreUnavailable("away")
        began.set()
        with pytest.raises(Interrupted):
            attempt.stop.wait(10)
        ended.set()
        return Result({})

    with pytest.raises(StoreUnavailable, match="away"):
        run(flow_of(perform, concurrency=2), [branch("a"), branch("b"), branch("c")], database=database)
    assert ended.is_set()


def test_a_stop_keeps_further_branches_from_starting_and_the_run_can_be_resumed(database: Database) -> None:
    stop = Stop()
    performed: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        performed.append(of.key)
        if len(performed) == 1:
            stop.request("a test")
        return Result({})

    workflow = flow_of(perform, concurrency=1)
    with pytest.raises(Interrupted, match="a test"):
        run(workflow, [branch("a"), branch("b")], run_id="stopped", database=database, stop=stop)
    assert performed == ["a"]
    report = resume(workflow, "stopped", database=database)
    assert (report.status, performed) == ("done", ["a", "b"])
    with pytest.raises(RunFinished):
        resume(workflow, "stopped", database=database)


def test_a_run_that_somebody_works_on_is_not_resumed(database: Database) -> None:
    def perform(of: Branch, attempt: Attempt) -> Result:
        with pytest.raises(RunHeld):
            resume(flow_of(perform), attempt.run_id, database=database)
        return Result({})

    assert run(flow_of(perform), [branch("a")], database=database).status == "done"


def test_a_holder_whose_run_was_taken_over_commits_nothing_more(database: Database) -> None:
    def perform(of: Branch, attempt: Attempt) -> Result:
        database.once("UPDATE runs SET token = token + 1 WHERE run_id = %s", (attempt.run_id,))
        return Result({})

    with pytest.raises(LeaseLost):
        run(flow_of(perform), [branch("a")], run_id="taken", database=database)
    assert (
        database.query("SELECT status FROM steps WHERE run_id = 'taken' AND step_key = 'a'")[0]["status"] == "running"
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Result({"x": {1, 2}}), "InvalidResult: What the worker of a returned is no plain JSON"),
        (Result({"x": float("nan")}), "InvalidResult: What the worker of a returned is no plain JSON"),
        (Result({"x": "y" * 1_000_001}), "InvalidResult: What the worker of a returned takes 1,000"),
        (Result({"x": 1}, quality=1.5), "InvalidResult: The worker of a returned a quality of 1.5"),
        (None, "InvalidResult: The worker of a returned NoneType"),
        ({"x": 1}, "InvalidResult: The worker of a returned dict"),
        (Outcome(task="a", status="done", rows=RowCount(rows_in=3, rows_out=1)), "AccountingError: Task a: 3 rows in"),
    ],
)
@pytest.mark.parametrize("threaded", [True, False])
def test_garbage_is_the_failure_of_its_branch_alone(
    database: Database, answer: Any, error: str, threaded: bool
) -> None:
    """Whatever a worker returns: the others are done, and the record says what was wrong."""

    def perform(of: Branch, attempt: Attempt) -> Any:
        return answer if of.key == "a" else Result({})

    async def perform_async(of: Branch, attempt: Attempt) -> Any:
        return perform(of, attempt)

    report = run(flow_of(perform if threaded else perform_async), [branch("a"), branch("b")], database=database)
    failure = report.outcomes["a"].failure
    assert failure is not None
    assert f"{failure.error}: {failure.message}".startswith(error)
    assert statuses(report) == {"a": "failed", "b": "done"}


def test_a_branch_that_failed_for_now_is_tried_again_by_another_worker(database: Database) -> None:
    """Up to so many attempts; one that failed for good is not."""
    tried: list[tuple[str, str]] = []

    def by(name: str) -> Function:
        async def perform(of: Branch, attempt: Attempt) -> Result:
            tried.append((of.key, name))
            if of.key == "flaky" and attempt.number == 1:
                raise ConnectionError("for now")
            if of.key == "broken":
                raise InputError("for good")
            if of.key == "hopeless":
                raise ConnectionError("always")
            return Result({"by": name})

        return perform

    workflow = ParallelWorkflow(
        [worker(by("one"), name="one"), worker(by("two"), name="two")], options=Options(concurrency=1, attempts=3)
    )
    report = run(workflow, [branch(k, priority="high") for k in ("flaky", "broken", "hopeless")], database=database)
    assert statuses(report) == {"flaky": "done", "broken": "failed", "hopeless": "failed"}
    assert [name for key, name in tried if key == "flaky"] == ["one", "two"]
    assert [key for key, _ in tried].count("broken") == 1
    assert [name for key, name in tried if key == "hopeless"] == ["one", "two", "one"]
    assert report.outcomes["flaky"].attempt == 2
    assert report.state["load_balancing"]["two"]["done"] == 1


def test_a_branch_that_takes_too_long_is_given_up_and_its_late_result_is_refused(database: Database) -> None:
    """A thread cannot be stopped; what it brings when its claim has ended stays out, on record."""
    clock = HandClock()
    release, late = threading.Event(), threading.Event()

    def hang(of: Branch, attempt: Attempt) -> Result:
        if attempt.number == 1:
            release.wait(20)
            late.set()
            return Result({"from": "the late"})
        return Result({"from": "the second"})

    async def turn(of: Branch, attempt: Attempt) -> Result:
        if of.key == "turn":
            # The other has begun once it is on record.
            while not database.query("SELECT 1 FROM steps WHERE step_key = 'slow'"):
                await asyncio.sleep(0.01)
            clock.advance(6)
        else:
            release.set()
            while not database.query("SELECT 1 FROM journal WHERE kind = 'step.refused'"):
                await asyncio.sleep(0.01)
        return Result({})

    workflow = ParallelWorkflow(
        [worker(hang), worker(turn, name="turner", kinds="turn")], options=Options(concurrency=4), clock=clock
    )
    branches = [branch("slow", timeout_s=5), branch("turn", kind="turn"), branch("end", "slow", kind="turn")]
    report = run(workflow, branches, database=database)
    assert report.status == "done"
    assert report.outcomes["slow"].result == {"from": "the second"}
    assert late.is_set()
    assert [e["message"] for e in told(database, report, "step.failed")] == [
        "The branch slow was given up: it took longer than 5 s."
    ]
    assert len(told(database, report, "step.refused")) == 1


def test_the_primary_takes_what_has_high_priority_and_the_others_the_rest(database: Database) -> None:
    """By load, for their capacity."""
    done: dict[str, list[str]] = {"primary": [], "large": [], "small": []}

    def by(name: str) -> Function:
        async def perform(of: Branch, attempt: Attempt) -> Result:
            done[name].append(of.key)
            return Result({})

        return perform

    workers = [worker(by(name), name=name, capacity=c) for name, c in (("primary", 1), ("large", 3), ("small", 1))]
    branches = [branch(f"b{i}", priority="high" if i < 2 else "medium") for i in range(10)]
    run(ParallelWorkflow(workers, options=Options(concurrency=5)), branches, database=database)
    assert done["primary"] == ["b0", "b1"]
    assert (len(done["large"]), len(done["small"])) == (6, 2)


def test_a_result_of_too_little_worth_is_revised_a_bounded_number_of_times(database: Database) -> None:
    """What was good enough is not done again; of each branch the best revision counts."""
    performed: list[str] = []

    def improving(to: float) -> Function:
        async def perform(of: Branch, attempt: Attempt) -> Result:
            performed.append(of.key)
            base, _, revision = of.key.partition("@")
            return Result({base: 1}, quality=1.0 if base == "good" else min(to, 0.2 + 0.3 * int(revision or 0)))

        return perform

    branches = [branch("good"), branch("bad")]
    report = run(flow_of(improving(1.0), revisions=3, quality=0.85), branches, database=database)
    assert report.status == "done"
    assert performed == ["good", "bad", "bad@1", "bad@2"]
    assert report.state["validation"]["quality"] > 0.85
    performed.clear()
    report = run(flow_of(improving(0.3), revisions=2, quality=0.9), branches, database=database)
    assert (report.status, len(performed)) == ("failed", 4)
    assert "2 revisions are spent" in report.state["validation"]["reason"]


@pytest.mark.parametrize(
    ("branches", "syncs", "words"),
    [
        ([branch("a", "b"), branch("b", "a")], [], "wait for one another: a -> b -> a|b -> a -> b"),
        ([branch("a", "a")], [], "wait for one another: a -> a"),
        ([branch("a", "x")], [], "The branch a needs x, which nobody runs"),
        ([branch("a"), branch("a")], [], "two of the branch a"),
        ([branch("a", kind="other")], [], "No worker performs branches of the kind other, as a is; there are: work"),
        ([branch("a")], [("s", ("x",))], "sync point s waits for x, which nobody runs"),
        ([branch("a", "s")], [("s", ("a",))], "wait for one another"),
        ([branch("a")], [("a", ("a",))], "a branch and a sync point of the same name"),
    ],
)
def test_what_could_never_be_done_is_refused_before_it_begins(
    database: Database, branches: list[Branch], syncs: list[tuple[str, tuple[str, ...]]], words: str
) -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        raise AssertionError("nothing is performed")

    points = [SyncPoint(name=name, branches=keys) for name, keys in syncs]
    with pytest.raises(InputError, match=words):
        run(flow_of(perform), branches, points, database=database)
    assert not database.query("SELECT 1 FROM runs")


def test_a_workflow_without_workers_or_with_two_of_a_name_is_refused() -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({})

    with pytest.raises(InputError, match="needs a worker"):
        ParallelWorkflow([])
    with pytest.raises(InputError, match="two workers worker"):
        ParallelWorkflow([worker(perform), worker(perform)])
    with pytest.raises(InputError, match="Nothing is reviewed at lunch"):
        ParallelWorkflow([worker(perform)], review=["lunch"])  # type: ignore[list-item]
    with pytest.raises(InputError, match="capacity of 0"):
        Staff([worker(perform, capacity=0)])


def test_an_attempt_has_a_folder_of_its_own(database: Database) -> None:
    """Made when it is asked for; what a failed attempt wrote is not in the way of the next."""
    paths: list[Path] = []

    def perform(of: Branch, attempt: Attempt) -> Result:
        assert not list(attempt.path.iterdir())
        (attempt.path / "file").write_text(of.key)
        paths.append(attempt.path)
        if attempt.number == 1:
            raise ConnectionError("for now")
        return Result({"path": str(attempt.path)})

    report = run(flow_of(perform, attempts=2), [branch("a")], database=database)
    assert report.outcomes["a"].result == {"path": str(paths[1])}
    assert paths[0] != paths[1]


def test_the_state_is_plain_json_and_does_not_grow_with_the_branches(database: Database) -> None:
    """Beside the task queue, which is written once: counts and sums."""

    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({"n": 1})

    sizes = []
    for n in (30, 300):
        report = run(flow_of(perform, concurrency=64), [branch(f"b{i}") for i in range(n)], database=database)
        report.state.pop("merged")
        sizes.append(len(json.dumps(report.state, allow_nan=False)))
        assert report.state["completed_branches"] == {"done": n}
    assert sizes[1] < 1.3 * sizes[0]


outcomes = st.builds(
    lambda n, quality, seconds: Outcome(task="t", status="done", result={"x": n}, quality=quality, seconds=seconds),
    n=st.floats(-1e6, 1e6),
    quality=st.none() | st.floats(0, 1),
    seconds=st.floats(0, 1e5),
)


@given(found=st.lists(outcomes, min_size=1, max_size=30))
def test_a_merge_lies_among_what_was_found_and_says_whom_it_is_from(found: list[Outcome]) -> None:
    merged = merge({f"b{i}": outcome for i, outcome in enumerate(found)})
    values = [outcome.result["x"] for outcome in found if outcome.result]
    estimate = merged.estimates["x"]
    assert min(values) - 1e-6 <= estimate.mean <= max(values) + 1e-6
    if estimate.low is not None and estimate.high is not None:
        assert estimate.low <= estimate.mean <= estimate.high
    shares = merged.attribution["x"]
    assert len(shares) == min(20, len(found))
    assert sum(shares.values()) <= 1 + 1e-4
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


@pytest.mark.parametrize(("quality", "seconds", "expected"), [(1.0, 0, 1.0), (1.0, 60, 0.85), (0.0, 0, 0.3)])
def test_good_and_quick_branches_weigh_more(quality: float, seconds: float, expected: float) -> None:
    """0.7 quality + 0.3 / (1 + seconds / 60)."""
    assert weight(Outcome(task="t", status="done", quality=quality, seconds=seconds)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "kinds", "dependent", "free", "name"),
    [
        (20, 4, 0, 0.8, "parallel"),
        (20, 4, 0, 0.7, "adaptive"),
        (20, 4, 13, 0.7, "sequential"),
        (20, 4, 12, 0.7, "adaptive"),
        (20, 2, 0, 1.0, "adaptive"),
        (1, 1, 0, 1.0, "adaptive"),
    ],
)
def test_the_mode_follows_from_what_the_branches_are_like_and_the_free_processor(
    n: int, kinds: int, dependent: int, free: float, name: str
) -> None:
    branches = [branch(f"b{i}", *(["x"] if i < dependent else []), kind=f"k{i % kinds}") for i in range(n)]
    mode = mode_of(branches, free)
    assert mode.name == name
    assert mode.width <= {"parallel": 5, "adaptive": 3, "sequential": 1}[name]


def test_a_thread_that_ignores_its_end_does_not_keep_others_from_working(database: Database) -> None:
    """It is abandoned with its claim; its place is free."""
    clock, release = HandClock(), threading.Event()

    def hang(of: Branch, attempt: Attempt) -> Result:
        release.wait(20)
        return Result({})

    async def turn(of: Branch, attempt: Attempt) -> Result:
        while not database.query("SELECT 1 FROM steps WHERE step_key = 'slow'"):
            await asyncio.sleep(0.01)
        clock.advance(6)
        return Result({})

    workers = [worker(hang), worker(turn, name="turner", kinds="turn")]
    workflow = ParallelWorkflow(workers, options=Options(concurrency=2, attempts=1), clock=clock)
    branches = [branch("slow", timeout_s=5), branch("turn", kind="turn"), branch("next", "turn", kind="turn")]
    report = run(workflow, branches, database=database)
    assert statuses(report) == {"slow": "failed", "turn": "done", "next": "done"}
    release.set()
    until(lambda: not [t for t in threading.enumerate() if t.name == "branch-slow"])


def test_a_graph_that_was_left_before_its_first_checkpoint_begins_again(database: Database) -> None:
    """Its run is on record, and nothing else: the branches are to be given once more."""

    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({})

    runs.create_graph(database, "early", "parallel", {})
    claim(database, "early", lease_s=60).abandon()
    database.once("UPDATE runs SET holder = NULL WHERE run_id = 'early'")
    workflow = flow_of(perform)
    with pytest.raises(InputError, match="has nothing to do"):
        resume(workflow, "early", database=database)
    assert run(workflow, [branch("a")], run_id="early", database=database).status == "done"


def left_at(nth: int, database: Database) -> tuple[ParallelWorkflow, list[str]]:
    """A run of five branches in a row, left when the nth was performed; and what was performed."""
    performed: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        performed.append(of.key)
        if len(performed) == nth:
            raise StoreUnavailable("away")
        return Result({"n": 1})

    workflow = flow_of(perform, concurrency=1)
    branches = [branch(f"b{i}", *([f"b{i - 1}"] if i else [])) for i in range(5)]
    with pytest.raises(StoreUnavailable):
        run(workflow, branches, run_id="left", database=database)
    return workflow, performed


def test_where_the_checkpoints_are_gone_the_ledger_says_what_is_done(database: Database) -> None:
    """They may be lost, pruned, or of another time: no branch is lost by that, and none is done twice."""
    workflow, performed = left_at(3, database)
    for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        database.once(f"DELETE FROM {table}")
    database.once("UPDATE runs SET holder = NULL")
    report = resume(workflow, "left", database=database)
    assert report.status == "done"
    assert performed == ["b0", "b1", "b2", "b2", "b3", "b4"]


def test_where_a_checkpoint_is_behind_the_ledger_finished_work_is_not_done_again(database: Database) -> None:
    """A crash between the two leaves them apart: the oldest checkpoint stands for the worst of it."""
    workflow, performed = left_at(4, database)
    rows = database.query("SELECT checkpoint_id FROM checkpoints ORDER BY checkpoint_id")
    kept = rows[2]["checkpoint_id"]
    database.once("DELETE FROM checkpoints WHERE checkpoint_id > %s", (kept,))
    database.once("DELETE FROM checkpoint_writes WHERE checkpoint_id >= %s", (kept,))
    database.once("UPDATE runs SET holder = NULL")
    report = resume(workflow, "left", database=database)
    assert report.status == "done"
    assert performed == ["b0", "b1", "b2", "b3", "b3", "b4"]


def test_a_stop_cancels_a_coroutine_that_does_not_ask_for_it(database: Database) -> None:
    """Nobody waits for ever for who waits for ever."""
    stop = Stop()

    async def perform(of: Branch, attempt: Attempt) -> Result:
        stop.request("a test")
        await asyncio.Event().wait()
        return Result({})

    with pytest.raises(Interrupted, match="a test"):
        run(flow_of(perform), [branch("a")], database=database, stop=stop)


def test_a_coroutine_that_cancels_itself_has_failed(database: Database) -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        raise asyncio.CancelledError

    report = run(flow_of(perform), [branch("a"), branch("b", "a")], database=database)
    assert statuses(report) == {"a": "failed", "b": "blocked"}
    assert "cancelled itself" in report.outcomes["a"].failure.message  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "key",
    [
        "/outside",
        "../x",
        "..",
        "a/../b",
        "a//b",
        "a b",
        "a\0b",
        "a\\b",
        ".hidden",
        "x/attempt-1-1",
        "parallel/queue",
        "ü" * 150,
    ],
)
def test_a_key_that_could_lead_out_of_its_folder_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        branch(key)


@pytest.mark.parametrize("payload", [{"x": object()}, {"x": float("nan")}, {"x": {1}}])
def test_a_payload_that_is_no_plain_json_is_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no plain JSON"):
        branch("a", payload=payload)


@pytest.mark.parametrize("name", ["__start__", "x|y", "", "task_analyzer", "a:b"])
def test_a_worker_whose_name_cannot_be_a_nodes_is_refused(name: str) -> None:
    async def perform(of: Branch, attempt: Attempt) -> Result:
        return Result({})

    with pytest.raises(InputError, match="is no name of a worker"):
        ParallelWorkflow([worker(perform, name=name)])


@pytest.mark.parametrize("error", [SystemExit(3), GeneratorExit()])
@pytest.mark.parametrize("threaded", [True, False])
def test_a_worker_that_would_end_the_process_ends_its_branch(
    database: Database, error: BaseException, threaded: bool
) -> None:
    def perform(of: Branch, attempt: Attempt) -> Result:
        raise error

    async def perform_async(of: Branch, attempt: Attempt) -> Result:
        raise error

    report = run(flow_of(perform if threaded else perform_async), [branch("a")], database=database)
    assert report.outcomes["a"].status == "failed"


def test_a_coroutine_that_blocked_beyond_its_time_is_late(database: Database) -> None:
    """It keeps the clock from ringing, but not from being read."""
    clock = HandClock()

    async def perform(of: Branch, attempt: Attempt) -> Result:
        clock._now += 6  # Time passes while nothing else can happen.
        return Result({})

    workflow = ParallelWorkflow([worker(perform)], options=Options(attempts=1, timeout_s=5), clock=clock)
    report = run(workflow, [branch("a")], database=database)
    assert "took longer than 5 s" in report.outcomes["a"].failure.message  # type: ignore[union-attr]


async def stubborn(of: Branch, attempt: Attempt) -> Result:
    """Does not end when it is cancelled."""
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()


def test_a_coroutine_that_shrugs_its_cancellation_off_holds_nobody_up(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its branch has failed; the run ends without it, and says so."""
    monkeypatch.setattr("graphs.loop.GRACE_S", 0.1)
    workflow = ParallelWorkflow([worker(stubborn)], options=Options(attempts=1, timeout_s=0.1))
    report = run(workflow, [branch("a")], database=database)
    assert "took longer than 0.1 s" in report.outcomes["a"].failure.message  # type: ignore[union-attr]
    assert "does not end although it was cancelled" in caplog.text


def test_a_coroutine_that_shrugs_off_a_stop_is_not_waited_for(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though it has all the time in the world."""
    monkeypatch.setattr("graphs.loop.GRACE_S", 0.1)
    stop = Stop()

    async def perform(of: Branch, attempt: Attempt) -> Result:
        stop.request("a test")
        return await stubborn(of, attempt)

    with pytest.raises(Interrupted, match="a test"):
        run(flow_of(perform), [branch("a")], database=database, stop=stop)
