"""The thread workflow: order, priority, width, blocked tasks, and what ends it."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Interrupted, StoreUnavailable
from core.stop import Stop
from core.task import Failure, Outcome, Stage, Task
from graphs import ThreadWorkflow


def task(name: str, *needs: str, priority: str = "medium") -> Task:
    return Task(stage=Stage.INGESTION, dataset=name, inputs=tuple(f"ingestion/{n}/0" for n in needs), priority=priority)  # type: ignore[arg-type]


def done(of: Task) -> Outcome:
    return Outcome(task=of.key, status="done")


@st.composite
def graphs(draw: st.DrawFn) -> list[Task]:
    """Tasks that need some of those before them, in any order."""
    n = draw(st.integers(1, 12))
    tasks = [
        task(f"t{i}", *(f"t{j}" for j in draw(st.sets(st.integers(0, i - 1), max_size=3)))) if i else task("t0")
        for i in range(n)
    ]
    return draw(st.permutations(tasks))


@given(tasks=graphs(), failing=st.sets(st.integers(0, 11)), width=st.integers(1, 4))
def test_each_task_runs_once_after_its_needs_and_only_if_they_were_done(
    tasks: list[Task], failing: set[int], width: int
) -> None:
    """A failure blocks what builds on it, at any distance, and nothing else; no more than the width run at a time."""
    lock = threading.Lock()
    finished: list[str] = []
    running = most = 0
    fails = {f"ingestion/t{i}/0" for i in failing}

    def perform(of: Task) -> Outcome:
        nonlocal running, most
        with lock:
            assert of.needs <= set(finished) - fails
            running += 1
            most = max(most, running)
        outcome = done(of)
        if of.key in fails:
            failure = Failure(error="E", message="m")
            outcome = Outcome(task=of.key, status="failed", failure=failure)
        with lock:
            running -= 1
            finished.append(of.key)
        return outcome

    outcomes = ThreadWorkflow(width).run(tasks, perform, Stop())
    assert outcomes.keys() == {t.key for t in tasks}
    assert len(finished) == len(set(finished))
    assert most <= width
    for of in tasks:
        needs_done = all(outcomes[key].status == "done" for key in of.needs)
        expected = "blocked" if not needs_done else "failed" if of.key in fails else "done"
        assert outcomes[of.key].status == expected
        if expected == "blocked":
            assert "needs ingestion/" in outcomes[of.key].notes[0]


def test_tasks_of_high_priority_go_first() -> None:
    """Among those that could start."""
    order: list[str] = []

    def perform(of: Task) -> Outcome:
        order.append(of.dataset)
        return done(of)

    tasks = [task("a", priority="low"), task("b"), task("c", priority="high"), task("d", "a", priority="high")]
    ThreadWorkflow(1).run(tasks, perform, Stop())
    assert order == ["c", "b", "a", "d"]


def test_an_error_that_is_not_about_a_task_ends_the_whole_once_the_others_have_ended() -> None:
    """The others are asked to stop, and are not left behind."""
    stop, began, ended = Stop(), threading.Event(), threading.Event()

    def perform(of: Task) -> Outcome:
        if of.dataset == "a":
            began.wait(10)
            raise StoreUnavailable("away")
        began.set()
        with pytest.raises(Interrupted):
            stop.wait(10)
        ended.set()
        return done(of)

    with pytest.raises(StoreUnavailable, match="away"):
        ThreadWorkflow(2).run([task("a"), task("b"), task("c")], perform, stop)
    assert ended.is_set()


def test_a_stop_keeps_further_tasks_from_starting() -> None:
    """Those under way end; the run is interrupted."""
    stop = Stop()
    performed: list[str] = []

    def perform(of: Task) -> Outcome:
        performed.append(of.dataset)
        stop.request("a test")
        return done(of)

    with pytest.raises(Interrupted, match="a test"):
        ThreadWorkflow(1).run([task("a"), task("b")], perform, stop)
    assert performed == ["a"]


def test_tasks_that_wait_for_one_another_are_a_defect_and_do_not_hang() -> None:
    with pytest.raises(AssertionError, match="wait for one another"):
        ThreadWorkflow(1).run([task("a", "b"), task("b", "a"), task("c")], done, Stop())
