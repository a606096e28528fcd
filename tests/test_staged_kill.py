"""Staged pipelines on PostgreSQL: a process that is killed leaves a run that goes on where it was."""

import asyncio
import signal
from pathlib import Path
from typing import Any

import psycopg
import pytest
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from core.errors import RunNotFound, StoreUnavailable
from graphs.checkpoints import Checkpoints
from graphs.staged import Context, PipelineRun, StagedPipeline
from tests import staged_child
from tests.staged_child import STAGES


@pytest.fixture
def url(database_url: str) -> str:
    """A database with the tables of the checkpoints."""

    async def prepare() -> None:
        async with Checkpoints(database_url):
            pass

    asyncio.run(prepare())
    return database_url


def killed(url: str, run_id: str, trace: Path, **where: object) -> None:
    process = staged_child.start(url, run_id, trace, **where)  # type: ignore[arg-type]
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


def begun(trace: Path) -> list[str]:
    return trace.read_text().split() if trace.exists() else []


@pytest.mark.parametrize("stage", STAGES)
def test_a_run_killed_in_a_stage_goes_on_at_that_stage(url: str, tmp_path: Path, stage: str) -> None:
    """Those before it are not begun again."""
    trace, index = tmp_path / "trace", STAGES.index(stage)
    killed(url, "r", trace, kill_in=stage)
    assert begun(trace) == list(STAGES[: index + 1])

    async def looked_at() -> PipelineRun:
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            return await staged_child.pipeline(saver, trace).inspect("r")

    found = asyncio.run(looked_at())
    assert found.status == "running"
    statuses = ["success"] * index + ["running"] + ["pending"] * (2 - index)
    assert [record.status for record in found.stages] == statuses
    result = asyncio.run(staged_child.taken_up(url, "r", trace))
    assert (result.status, result.output) == ("success", {"n": 8})
    assert begun(trace) == [*STAGES[: index + 1], *STAGES[index:]]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_run_killed_at_any_write_of_its_checkpoints_loses_nothing_and_repeats_at_most_the_stage_it_was_in(
    url: str, tmp_path: Path, moment: str
) -> None:
    """Just before or just after each write, one after the other.

    The window: a stage that has returned, but whose writes are not committed, is begun once more. LangGraph
    writes side by side, so that which window it is can differ from time to time. Before the second
    write, LangGraph's first after it took the input in, there is no run yet; it is started, under the same id.
    """
    writes = asyncio.run(staged_child.run(url, "whole", tmp_path / "whole", None, None))
    assert writes >= len(STAGES) + 1
    for number in range(1, writes + 1):
        run_id, trace = f"{moment}-{number}", tmp_path / f"{moment}-{number}"
        killed(url, run_id, trace, kill_at=(number, moment))
        before = begun(trace)
        assert before == list(STAGES[: len(before)])
        try:
            result = asyncio.run(staged_child.taken_up(url, run_id, trace))
        except RunNotFound:
            assert (number <= 2, before) == (True, [])
            asyncio.run(staged_child.run(url, run_id, trace, None, None))
            assert begun(trace) == list(STAGES)
            continue
        assert (result.status, result.output) == ("success", {"n": 8})
        assert [len(record.tries) for record in result.stages] == [1, 1, 1]
        again = begun(trace)[len(before) :]
        assert again in (list(STAGES[len(before) :]), list(STAGES[max(len(before) - 1, 0) :]))


def test_a_run_that_succeeded_has_one_checkpoint_more_than_it_has_stages_and_no_data_in_them(
    url: str, tmp_path: Path
) -> None:
    """One of the input, one of the start, one after each stage; all in a few KiB."""
    asyncio.run(staged_child.run(url, "r", tmp_path / "trace", None, None))
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM checkpoints WHERE thread_id = 'r'").fetchone()
        size = connection.execute("SELECT sum(length(blob)) FROM checkpoint_blobs WHERE thread_id = 'r'").fetchone()
    assert row == (len(STAGES) + 2,)
    assert size is not None
    assert 0 < size[0] < 8192


def test_a_database_that_goes_away_in_mid_run_is_waited_for_or_said_and_the_run_goes_on(url: str) -> None:
    """The saver of `Checkpoints` waits. With one that does not, the stage during which it went is begun again."""
    begun: list[str] = []

    async def stage(value: Any, context: Context) -> Any:
        begun.append(context.stage)
        if begun == ["a", "b"]:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
        return value

    async def scenario() -> None:
        built = StagedPipeline("away").stage("a", stage).stage("b", stage).stage("c", stage)
        async with Checkpoints(url) as checkpoints:
            result = await built.build(checkpointer=checkpoints.saver()).run({"n": 1}, run_id="waited")
        assert (result.status, begun) == ("success", ["a", "b", "c"])
        begun.clear()
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            with pytest.raises(StoreUnavailable, match="Resume the run"):
                await built.build(checkpointer=saver).run({"n": 1}, run_id="said")
        async with Checkpoints(url) as checkpoints:
            result = await built.build(checkpointer=checkpoints.saver()).resume("said")
        assert (result.status, begun) == ("success", ["a", "b", "b", "c"])

    asyncio.run(scenario())


@pytest.mark.parametrize("value", ["a\x00b", 1e22, 1e-320, 2**63 - 1, 0.1, None, {"k\x00": ["\U0001f600"]}])
def test_what_postgres_would_change_in_its_own_json_comes_back_as_it_was(url: str, value: Any) -> None:
    async def same(given: Any, context: Context) -> Any:
        return given

    async def scenario() -> None:
        async with AsyncPostgresSaver.from_conn_string(url) as saver:
            pipeline = StagedPipeline("exact").stage("same", same).build(checkpointer=saver)
            await pipeline.run(value, run_id="r")
            kept = await pipeline.inspect("r")
        assert [kept.input, kept.output] == [value, value]
        assert {type(kept.input), type(kept.output)} == {type(value)}

    asyncio.run(scenario())
