"""Staged pipelines: what is kept of a run, and how it goes on from there."""

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langgraph.checkpoint.memory import InMemorySaver

from core.errors import InputError, LeaseLost, RunNotFound, SpecChanged, StateError
from core.stop import Stop
from graphs.staged import Context, PipelineRun, StagedPipeline
from tests.stages import add, run, scripted


def circular() -> list[Any]:
    loop: list[Any] = []
    loop.append(loop)
    return loop


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth - 1):
        value = [value]
    return value


UNKEPT: list[Any] = [
    object(),
    {1, 2},
    {"a": (1, 2)},
    {1: "a"},
    {"a": float("nan")},
    {"a": 2**64},
    "\ud800",
    b"a",
    circular(),
    nested(101),
    nested(100_000),
    "x" * 2**21,
]


@pytest.mark.parametrize("value", UNKEPT, ids=lambda value: type(value).__name__)
def test_what_a_checkpoint_would_not_give_back_is_refused_by_the_name_of_the_stage(value: Any) -> None:
    async def give(_: Any, context: Context) -> Any:
        return value

    pipeline = StagedPipeline("kept").stage("giving", give).build(checkpointer=InMemorySaver())
    result = run(pipeline.run())
    (entry,) = result.errors
    assert entry.failure is not None
    assert (result.status, entry.failure.error) == ("failed", "StateError")
    assert entry.failure.message.startswith("What stage giving returned ")
    with pytest.raises(StateError, match="The input of kept"):
        run(pipeline.run(value))


texts = st.text(st.characters(exclude_categories=["Cs"]))


numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)


json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(value=json_values)
def test_plain_json_passes_unchanged(value: Any) -> None:
    pipeline = StagedPipeline("plain").stage("same", scripted(value)).build(checkpointer=InMemorySaver())
    result = run(pipeline.run(value, run_id="r"))
    assert (result.input, result.output) == (value, value)
    assert run(pipeline.inspect("r")) == result


def test_what_is_nested_as_deep_as_may_be_passes_and_leaves_the_run_as_json() -> None:
    pipeline = StagedPipeline("deep").stage("same", scripted(nested(100))).build(checkpointer=InMemorySaver())
    result = run(pipeline.run(nested(100)))
    assert result.output == result.input == nested(100)
    assert PipelineRun.model_validate_json(result.model_dump_json()) == result


def test_an_error_whose_text_cannot_be_kept_or_is_endless_is_kept_as_far_as_can_be() -> None:
    for text, kept in (("no file \udcff", "no file \\udcff"), ("x" * 10_000, "x" * 2000), ("", "ValueError")):
        pipeline = StagedPipeline("text").stage("failing", scripted(ValueError(text)), on_failure="stop")
        (entry,) = run(pipeline.build(checkpointer=InMemorySaver()).run()).errors
        assert entry.failure is not None
        assert entry.failure.message == kept


def test_an_error_that_fails_to_say_what_it_is_is_on_record_all_the_same() -> None:
    class Speechless(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no text")

    pipeline = StagedPipeline("mute").stage("failing", scripted(Speechless()), on_failure="stop").build()
    (entry,) = run(pipeline.run()).errors
    assert entry.failure is not None
    assert (entry.failure.error, entry.failure.message) == ("Speechless", "Speechless")


def test_a_run_whose_task_is_cancelled_stays_where_it_was_and_can_be_resumed() -> None:
    async def scenario() -> None:
        began = asyncio.Event()

        async def hang(value: Any, context: Context) -> Any:
            if not began.is_set():
                began.set()
                await asyncio.Event().wait()
            return value

        pipeline = StagedPipeline("task").stage("first", add).stage("second", hang).build(checkpointer=InMemorySaver())
        task = asyncio.create_task(pipeline.run({"n": 1}, run_id="r"))
        await began.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await pipeline.inspect("r")).status == "running"
        assert (await pipeline.resume("r")).output == {"n": 2}

    run(scenario())


def test_a_run_that_is_cancelled_gives_its_stage_up_at_once_and_can_be_resumed() -> None:
    stop = Stop()

    async def cancel(value: Any, context: Context) -> Any:
        if not stop.requested:
            threading.Thread(target=stop.request, args=("a test",)).start()
            await asyncio.Event().wait()
        return value

    async def scenario() -> None:
        pipeline = (StagedPipeline("cancelled").stage("first", add).stage("second", cancel).stage("third", add)).build(
            checkpointer=InMemorySaver()
        )
        result = await pipeline.run({"n": 1}, run_id="r", stop=stop)
        assert [record.status for record in result.stages] == ["success", "cancelled", "pending"]
        assert result.status == "cancelled"
        assert await pipeline.inspect("r") == result
        again = await pipeline.resume("r")
        assert (again.status, again.output) == ("success", {"n": 3})
        assert len(again.stage("first").tries) == 1

    run(scenario())


def test_a_run_that_failed_is_resumed_at_the_stage_that_failed_with_all_its_tries_anew() -> None:
    """Whichever stage it was, the first, one between, or the last; tries are counted on, and nothing is done twice."""

    async def scenario(failing: str) -> None:
        done: list[str] = []

        def work(name: str) -> Any:
            script = [ValueError("no"), ValueError("no")] if name == failing else []

            async def stage(value: Any, context: Context) -> Any:
                if script:
                    raise script.pop()
                done.append(name)
                return {"n": value["n"] + 1}

            return stage

        built = StagedPipeline("again")
        for name in "abc":
            built = built.stage(name, work(name), on_failure="stop")
        saver = InMemorySaver()
        pipeline = built.build(checkpointer=saver)
        assert (await pipeline.run({"n": 1}, run_id="r")).status == "failed"
        assert (await built.build(checkpointer=saver).resume("r")).status == "failed"
        result = await pipeline.resume("r")
        assert (result.status, result.output, done) == ("success", {"n": 4}, ["a", "b", "c"])
        assert [entry.number for entry in result.stage(failing).tries] == [1, 2, 3]
        assert await pipeline.resume("r") == result

    for name in "abc":
        run(scenario(name))


def test_what_is_about_the_run_as_a_whole_ends_it_and_it_goes_on_where_it_was() -> None:
    async def scenario() -> None:
        stage = scripted(LeaseLost("r"), {"n": 5})
        pipeline = StagedPipeline("lost").stage("first", add).stage("second", stage).build(checkpointer=InMemorySaver())
        with pytest.raises(LeaseLost):
            await pipeline.run({"n": 1}, run_id="r")
        found = await pipeline.inspect("r")
        assert [record.status for record in found.stages] == ["success", "running"]
        assert (await pipeline.resume("r")).output == {"n": 5}

    run(scenario())


def test_a_run_that_there_is_not_or_of_other_stages_is_not_resumed_nor_one_begun_twice() -> None:
    async def scenario() -> None:
        saver = InMemorySaver()
        built = StagedPipeline("p").stage("a", add)
        pipeline = built.build(checkpointer=saver)
        with pytest.raises(RunNotFound):
            await pipeline.resume("r")
        await pipeline.run({"n": 1}, run_id="r")
        with pytest.raises(InputError, match="a run r already"):
            await pipeline.run({"n": 1}, run_id="r")
        with pytest.raises(SpecChanged, match="stages was"):
            await built.stage("b", add).build(checkpointer=saver).resume("r")

    run(scenario())


def test_the_graph_runs_without_its_pipeline_as_in_studio_and_tells_its_schema() -> None:
    seen: list[str] = []

    async def look(value: Any, context: Context) -> Any:
        seen.append(context.run_id)
        return value

    graph = StagedPipeline("bare").stage("first", add).stage("second", look).build(checkpointer=InMemorySaver()).graph
    values = run(graph.ainvoke({"definition": {"input": {"n": 1}}}, {"configurable": {"thread_id": "t"}}))
    assert (values["status"], values["second:record"]["output"], seen) == ("success", {"n": 2}, ["t"])
    assert "definition" in graph.get_input_jsonschema()["properties"]


ENDS = st.sampled_from(["fails", "crashes", "is cancelled"])


@settings(max_examples=50)
@given(ends=st.tuples(st.lists(ENDS, max_size=3), st.lists(ENDS, max_size=3), st.lists(ENDS, max_size=3)))
def test_however_often_a_run_is_broken_off_each_stage_succeeds_once_and_the_result_is_the_same(
    ends: tuple[list[str], list[str], list[str]],
) -> None:
    """Each stage is broken off some times, in any way, before it succeeds. Each time the pipeline is built anew.

    What it tried in a process that died is not on record: the window is the stage that the process was in.
    """
    succeeded: list[str] = []
    left = {name: list(script) for name, script in zip("abc", ends, strict=True)}
    holder = {"stop": Stop()}

    async def stage(value: Any, context: Context) -> Any:
        match left[context.stage].pop(0) if left[context.stage] else "succeeds":
            case "fails":
                raise ValueError("no")
            case "crashes":
                raise LeaseLost("r")
            case "is cancelled":
                holder["stop"].request("a test")
                await asyncio.Event().wait()
        succeeded.append(context.stage)
        return {"n": value["n"] * 2}

    async def scenario() -> PipelineRun:
        saver, result = InMemorySaver(), None
        for visit in range(1 + sum(map(len, ends))):
            built = StagedPipeline("broken")
            for name in "abc":
                built = built.stage(name, stage, on_failure="stop")
            pipeline, holder["stop"] = built.build(checkpointer=saver), Stop()
            try:
                if visit == 0:
                    result = await pipeline.run({"n": 1}, run_id="r", stop=holder["stop"])
                else:
                    result = await pipeline.resume("r", stop=holder["stop"])
            except LeaseLost:
                result = await pipeline.inspect("r")
                assert result.status == "running"
            assert await pipeline.inspect("r") == result
        assert result is not None
        return result

    result = run(scenario())
    assert (result.status, result.output, succeeded) == ("success", {"n": 8}, ["a", "b", "c"])
    for record, script in zip(result.stages, ends, strict=True):
        names = {"fails": "ValueError", "is cancelled": "Interrupted"}
        kept = [names[end] for end in script if end in names]
        assert [entry.failure.error for entry in record.tries if entry.failure] == kept
        assert [entry.number for entry in record.tries] == list(range(1, len(kept) + 2))
