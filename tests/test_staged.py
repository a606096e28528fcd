"""Staged pipelines: the policies of their stages, with the time under the test's control."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from core.errors import InputError, StateError
from core.stop import Stop
from graphs.branch import Branch
from graphs.staged import Context, PipelineRun, StagedPipeline
from graphs.staged.trying import FIRST_WAIT_S, JITTER_S, LONGEST_WAIT_S
from graphs.worker import Attempt, FunctionWorker, Result
from tests.stages import add, run, scripted
from tests.turned_clock import TurnedClock


def test_each_stage_gets_what_the_one_before_returned_and_the_run_returns_what_the_last_did() -> None:
    counting = StagedPipeline("count").stage("first", add)
    pipeline = counting.stage("second", lambda value, context: {"n": value["n"] * 10}).build()
    result = run(pipeline.run({"n": 1}))
    assert (result.status, result.output) == ("success", {"n": 20})
    assert [(record.stage, record.status, record.output) for record in result.stages] == [
        ("first", "success", {"n": 2}),
        ("second", "success", {"n": 20}),
    ]


def test_a_stage_knows_the_run_its_input_the_outputs_and_the_tries_before_it() -> None:
    seen: list[Context] = []

    async def look(value: Any, context: Context) -> Any:
        seen.append(context)
        return value

    clock = TurnedClock()
    pipeline = (
        StagedPipeline("looking")
        .stage("first", scripted(ValueError("once"), {"n": 2}))
        .stage("second", look)
        .build(clock=clock)
    )
    run(clock.run_out(pipeline.run({"n": 1}, run_id="r")))
    (context,) = seen
    assert (context.pipeline, context.run_id, context.stage, context.number) == ("looking", "r", "second", 1)
    assert (context.input, context.outputs) == ({"n": 1}, {"first": {"n": 2}})
    assert [(entry.stage, entry.number, bool(entry.failure)) for entry in context.history] == [
        ("first", 1, True),
        ("first", 2, False),
    ]
    assert [entry.failure.message for entry in context.errors if entry.failure] == ["once"]


FAILURES = st.sampled_from(["ValueError", "KeyError", "OSError", "RuntimeError", "hang"])


def errors(names: list[str]) -> list[object]:
    made = {"ValueError": ValueError("v"), "KeyError": KeyError("k"), "OSError": OSError("o")}
    return [made.get(name, "hang" if name == "hang" else RuntimeError("r")) for name in names]


@settings(max_examples=60)
@given(
    failures=st.lists(FAILURES, max_size=6),
    retries=st.one_of(st.none(), st.integers(0, 4)),
    policy=st.sampled_from(["stop", "skip", "retry"]),
)
def test_a_stage_is_tried_as_often_as_its_policy_says_and_its_failure_means_what_that_says(
    failures: list[str], retries: int | None, policy: Any
) -> None:
    """The law of the three policies, whatever the errors, and whether tries fail or hang."""
    clock = TurnedClock()
    pipeline = (
        StagedPipeline("law")
        .stage("before", add)
        .stage("tried", scripted(*errors(failures), {"n": 100}), retries=retries, timeout_s=7, on_failure=policy)
        .stage("after", add)
        .build(clock=clock)
    )
    result = run(clock.run_out(pipeline.run({"n": 1})))
    allowed = 1 + (retries if retries is not None else 3 if policy == "retry" else 0)
    tried = result.stage("tried")
    succeeds = len(failures) < allowed
    assert len(tried.tries) == min(allowed, len(failures) + 1)
    assert [entry.number for entry in tried.tries] == list(range(1, len(tried.tries) + 1))
    names = ["TimedOut" if name == "hang" else name for name in failures][:allowed]
    assert [entry.failure.error for entry in result.errors if entry.failure] == names
    assert tried.seconds == pytest.approx(7 * names.count("TimedOut"))
    assert tried.status == ("success" if succeeds else "failed")
    assert tried.skipped == (policy == "skip" and not succeeds)
    if succeeds:
        assert (result.status, result.output) == ("success", {"n": 101})
    elif policy == "skip":
        assert (result.status, result.output) == ("success", {"n": 3})
    else:
        assert (result.status, result.output, result.stage("after").status) == ("failed", {"n": 2}, "pending")


@settings(max_examples=20)
@given(retries=st.integers(1, 12))
def test_the_waits_between_tries_double_up_to_the_longest_with_some_chance_added(retries: int) -> None:
    clock = TurnedClock()
    failing = scripted(*[ValueError("no")] * (retries + 1))
    pipeline = StagedPipeline("waits").stage("failing", failing, retries=retries, timeout_s=1e6).build(clock=clock)
    assert run(clock.run_out(pipeline.run())).status == "failed"
    waits = [seconds for seconds in clock.slept if seconds != 1e6]
    assert len(waits) == retries
    for index, wait in enumerate(waits):
        least = min(FIRST_WAIT_S * 2**index, LONGEST_WAIT_S)
        assert least <= wait <= least + JITTER_S
    assert len(set(waits)) == len(waits)


@pytest.mark.parametrize("error", [InputError("wrong"), StateError("It", "is wrong")])
def test_what_would_fail_again_the_same_way_is_not_tried_again(error: Exception) -> None:
    result = run(StagedPipeline("vain").stage("failing", scripted(error)).build().run())
    assert (result.status, len(result.errors)) == ("failed", 1)


def test_a_blocking_stage_that_takes_too_long_is_given_up_and_what_it_returns_at_last_is_discarded_and_noted() -> None:
    """Its thread is told to stop, and left to itself; the stage after sees the note in the history."""
    release, told = threading.Event(), threading.Event()
    clock = TurnedClock()

    def block(value: Any, context: Context) -> Any:
        with context.stop.interrupting(told.set):
            assert release.wait(10)
        return {"n": 1000}

    async def wait_for_late(value: Any, context: Context) -> Any:
        release.set()
        while not live_late():
            await asyncio.sleep(0.001)
        return value

    async def scenario() -> PipelineRun:
        task = asyncio.create_task(pipeline.run({"n": 1}))
        while not clock.slept:
            await asyncio.sleep(0)
        clock.advance(5)
        return await task

    heard: list[Any] = []

    class Collector:
        def record(self, event: Any) -> None:
            heard.append((event.kind, event.stage, event.status, event.error))

    def live_late() -> bool:
        return ("late", "blocking", "success", None) in heard

    pipeline = (
        StagedPipeline("late")
        .stage("blocking", block, timeout_s=5, on_failure="skip")
        .stage("after", wait_for_late)
        .metrics(Collector())
        .build(clock=clock)
    )
    result = run(scenario())
    assert (result.status, result.output) == ("success", {"n": 1})
    assert told.is_set()
    assert [(entry.late, entry.failure and entry.failure.error) for entry in result.stage("blocking").tries] == [
        (False, "TimedOut"),
        (True, None),
    ]
    assert ("tried", "blocking", "failed", "TimedOut") in heard


def test_a_coroutine_that_shrugs_its_cancellation_off_does_not_hold_up_the_run() -> None:
    clock, release = TurnedClock(), asyncio.Event()

    async def stubborn(value: Any, context: Context) -> Any:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await release.wait()
        return {"n": 1000}

    async def after(value: Any, context: Context) -> Any:
        release.set()
        for _ in range(10):
            await asyncio.sleep(0)
        return value

    pipeline = (
        StagedPipeline("stubborn")
        .stage("stubborn", stubborn, timeout_s=1, on_failure="skip")
        .stage("after", after)
        .build(clock=clock)
    )
    result = run(clock.run_out(pipeline.run({"n": 1})))
    assert (result.status, result.output) == ("success", {"n": 1})
    assert [entry.late for entry in result.stage("stubborn").tries] == [False, True]


def test_a_stage_that_raises_what_is_no_ordinary_error_fails_and_ends_nothing_else() -> None:
    def leave(value: Any, context: Context) -> Any:
        raise SystemExit(3)

    async def cancel(value: Any, context: Context) -> Any:
        raise asyncio.CancelledError

    def stop(value: Any, context: Context) -> Any:
        raise StopIteration

    pipeline = StagedPipeline("odd")
    for function in (leave, cancel, stop):
        pipeline = pipeline.stage(function.__name__, function, on_failure="skip")
    result = run(pipeline.build().run({"n": 1}))
    assert (result.status, result.output) == ("success", {"n": 1})
    names = [entry.failure.error for entry in result.errors if entry.failure]
    assert names == ["WorkError", "WorkError", "RuntimeError"]


def test_middleware_goes_around_each_try_the_first_one_outermost() -> None:
    order: list[str] = []

    def noting(name: str) -> Any:
        async def note(value: Any, context: Context, proceed: Any) -> Any:
            order.append(f"{name} before {context.stage} {context.number}")
            result = await proceed({"n": value["n"] + 1})
            order.append(f"{name} after {context.stage}")
            return result

        return note

    clock = TurnedClock()
    pipeline = (
        StagedPipeline("around")
        .stage("first", scripted(ValueError("no"), {"n": 1}))
        .stage("second", add)
        .middleware(noting("all"))
        .middleware(noting("one"), "second")
        .build(clock=clock)
    )
    assert run(clock.run_out(pipeline.run({"n": 0}))).output == {"n": 4}
    assert order == [
        "all before first 1",
        "all before first 2",
        "all after first",
        "all before second 1",
        "one before second 1",
        "one after second",
        "all after second",
    ]


def test_middleware_can_answer_in_place_of_a_stage_or_refuse_it() -> None:
    async def answer(value: Any, context: Context, proceed: Any) -> Any:
        return {"cached": True}

    async def refuse(value: Any, context: Context, proceed: Any) -> Any:
        raise PermissionError("not today")

    built = StagedPipeline("instead").stage("never", scripted(), on_failure="stop")
    assert run(built.middleware(answer).build().run()).output == {"cached": True}
    (entry,) = run(built.middleware(refuse).build().run()).errors
    assert entry.failure is not None
    assert entry.failure.error == "PermissionError"


def test_a_wait_before_the_next_try_ends_when_the_run_is_cancelled() -> None:
    stop, clock = Stop(), TurnedClock()
    pipeline = StagedPipeline("waiting").stage("failing", scripted(ValueError("no")), timeout_s=1e6).build(clock=clock)

    async def scenario() -> PipelineRun:
        task = asyncio.create_task(pipeline.run(stop=stop))
        while len(clock.slept) < 2:
            await asyncio.sleep(0)
        stop.request("a test")
        return await task

    assert run(scenario()).stage("failing").status == "cancelled"


def test_agents_can_be_stages_each_with_a_folder_of_its_own() -> None:
    attempts: list[Attempt] = []

    def perform(branch: Branch, attempt: Attempt) -> Result:
        attempts.append(attempt)
        return Result({"n": branch.payload["n"] + 1})

    async def perform_later(branch: Branch, attempt: Attempt) -> Result:
        return perform(branch, attempt)

    one = FunctionWorker("one", frozenset({"count"}), perform)
    other = FunctionWorker("other", frozenset({"second", "more"}), perform_later)
    result = run(StagedPipeline("agents").stage("first", one).stage("second", other).build().run({"n": 1}))
    assert result.output == {"n": 3}
    assert len({attempt.folder for attempt in attempts}) == 2


def test_an_agent_that_gives_no_answer_or_gets_no_object_fails_its_stage() -> None:
    agent = FunctionWorker("a", frozenset({"k"}), lambda branch, attempt: None)  # type: ignore[arg-type,return-value]
    for value, error in (({"n": 1}, "StateError"), ([1], "InputError")):
        (entry,) = run(StagedPipeline("none").stage("first", agent).build().run(value)).errors
        assert entry.failure is not None
        assert entry.failure.error == error


def test_it_draws_itself() -> None:
    drawn = StagedPipeline("drawn").stage("read", add).stage("write out", add).build().mermaid()
    assert "__start__ --> read;" in drawn
    assert "read -.-> write" in drawn


def built(**options: Any) -> StagedPipeline:
    return StagedPipeline("p").stage("a", add, **options)


async def passing(value: Any, context: Context, proceed: Any) -> Any:
    return await proceed(value)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda: StagedPipeline("p").build(), "no stages"),
        (lambda: StagedPipeline(""), "no name"),
        (lambda: built().stage("a", add), "two stages a"),
        (lambda: built().stage("status", add), "called status"),
        (lambda: built().stage("a:b", add), "no name"),
        (lambda: built().stage("__end__", add), "no name"),
        (lambda: built().stage(None, add), "no name"),  # type: ignore[arg-type]
        (lambda: built().stage("b", 3), "neither an agent nor callable"),  # type: ignore[arg-type]
        (lambda: built().stage("b", FunctionWorker("w", frozenset({"x", "y"}), add)), "performs x, y"),  # type: ignore[arg-type]
        (lambda: built(on_failure="ignore"), "Choose of stop, skip, retry"),
        (lambda: built(retries=-1), "retries is -1"),
        (lambda: built(retries=1.5), "retries is 1.5"),
        (lambda: built(retries=True), "retries is True"),
        (lambda: built(timeout_s=0), "timeout_s is 0"),
        (lambda: built(timeout_s=-5), "timeout_s is -5"),
        (lambda: built(timeout_s=float("nan")), "timeout_s is nan"),
        (lambda: built(timeout_s="1"), "timeout_s is '1'"),
        (lambda: built().middleware(print), "no coroutine function"),  # type: ignore[arg-type]
        (lambda: built().middleware(passing, "z").build(), "which p has not"),
        (lambda: built().metrics(object()), "collects no metrics"),  # type: ignore[arg-type]
        (lambda: built().circuit(failures=0), "failures is 0"),
        (lambda: built().circuit(reset_s=-1), "reset_s is -1"),
        (lambda: run(built().build().run(run_id="../x")), "no name for a run"),
        (lambda: run(built().build().resume("r")), "keeps no runs"),
    ],
)
def test_wrong_input_is_refused_with_the_way_out(wrong: Callable[[], object], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        wrong()
    assert caught.value.remedy


def test_a_builder_is_not_changed_by_what_is_built_on_it() -> None:
    start = built()
    assert len(run(start.stage("b", add).build().run({"n": 1})).stages) == 2
    assert len(run(start.build().run({"n": 1})).stages) == 1


def test_what_a_stage_does_to_its_input_the_next_try_and_the_record_do_not_see() -> None:
    async def spoil(value: Any, context: Context) -> Any:
        seen.append((dict(value), dict(context.input), dict(context.outputs["first"])))
        value["n"] = context.input["n"] = context.outputs["first"]["n"] = -1
        if context.number == 1:
            raise ValueError("no")
        return value

    clock, seen = TurnedClock(), list[Any]()
    pipeline = StagedPipeline("spoil").stage("first", add).stage("second", spoil).build(clock=clock)
    result = run(clock.run_out(pipeline.run({"n": 1})))
    assert seen == [({"n": 2}, {"n": 1}, {"n": 2})] * 2
    assert (result.input, result.stage("first").output, result.output) == ({"n": 1}, {"n": 2}, {"n": -1})


def test_many_runs_of_one_pipeline_at_a_time_do_not_see_one_another() -> None:
    pipeline = (
        StagedPipeline("many").stage("first", add).stage("second", lambda value, context: {"n": value["n"] + 1})
    ).build(checkpointer=InMemorySaver())

    async def scenario() -> list[PipelineRun]:
        return await asyncio.gather(*(pipeline.run({"n": n}, run_id=f"r{n}") for n in range(30)))

    results = run(scenario())
    assert [(result.run_id, result.output) for result in results] == [(f"r{n}", {"n": n + 2}) for n in range(30)]
