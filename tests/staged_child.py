"""A staged pipeline in a process of its own, on checkpoints in PostgreSQL, so that it can be killed for real."""

import asyncio
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

from graphs.staged import Context, Pipeline, PipelineRun, StagedPipeline
from tests.child import forked

STAGES = ("read", "clean", "write")


class KillingSaver(AsyncPostgresSaver):
    """Kills the process just before or just after its n-th write; counts them in `writes`."""

    kill_at: tuple[int, str] | None = None
    writes = 0
    _written = 0

    async def _passing(self, write: Any) -> Any:
        # Another write may begin while this one is under way.
        self.writes = number = self.writes + 1
        if self.kill_at == (number, "before"):
            await self._killed(number - 1)
        result = await write
        self._written += 1
        if self.kill_at == (number, "after"):
            await self._killed(number)
        return result

    async def _killed(self, written: int) -> None:
        """So many writes have ended by then."""
        while self._written < written:
            await asyncio.sleep(0)
        os.kill(os.getpid(), signal.SIGKILL)

    async def aput(self, *arguments: Any, **keywords: Any) -> Any:
        return await self._passing(super().aput(*arguments, **keywords))

    async def aput_writes(self, *arguments: Any, **keywords: Any) -> Any:
        return await self._passing(super().aput_writes(*arguments, **keywords))


def pipeline(saver: AsyncPostgresSaver, trace: Path, kill_in: str | None = None) -> Pipeline:
    """Three stages, each of which notes in `trace` that it begins; the one `kill_in` kills the process in its midst."""

    def work(value: Any, context: Context) -> Any:
        with trace.open("a") as file:
            file.write(f"{context.stage}\n")
        if context.stage == kill_in:
            os.kill(os.getpid(), signal.SIGKILL)
        return {"n": value["n"] * 2}

    built = StagedPipeline("killed")
    for stage in STAGES:
        built = built.stage(stage, work)
    return built.build(checkpointer=saver)


async def taken_up(url: str, run_id: str, trace: Path) -> PipelineRun:
    """Resume the run in this process."""
    async with AsyncPostgresSaver.from_conn_string(url) as saver:
        return await pipeline(saver, trace).resume(run_id)


async def run(url: str, run_id: str, trace: Path, kill_in: str | None, kill_at: tuple[int, str] | None) -> int:
    """Run it in this process; the number of writes that it took."""
    async with KillingSaver.from_conn_string(url) as saver:
        assert isinstance(saver, KillingSaver)
        saver.kill_at = kill_at
        result = await pipeline(saver, trace, kill_in).run({"n": 1}, run_id=run_id)
        assert result.output == {"n": 8}
        return saver.writes


def start(
    url: str, run_id: str, trace: Path, *, kill_in: str | None = None, kill_at: tuple[int, str] | None = None
) -> BaseProcess:
    """Run it in a process of its own."""
    return forked(_work, url, run_id, trace, kill_in, kill_at)


def _work(url: str, run_id: str, trace: Path, kill_in: str | None, kill_at: tuple[int, str] | None) -> None:
    asyncio.run(run(url, run_id, trace, kill_in, kill_at))
