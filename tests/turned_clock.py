"""A clock that a test turns by hand, or lets run out: from one awaited moment to the next."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.clock import HandClock

T = TypeVar("T")

# Turns of the event loop within which everything that does not wait for a clock, a thread or a server has been done.
SETTLED = 200


class TurnedClock(HandClock):
    """`slept` has each wait that somebody asked for, in seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.slept: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await super().sleep(seconds)

    async def run_out(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns, with the clock turned to the next awaited moment whenever nothing else goes on.

        While it waits for the clock it must not also wait for threads or servers, for this would not see them end.
        """
        task, deadline = asyncio.ensure_future(work), time.monotonic() + 20
        while not task.done():
            for _ in range(SETTLED):
                await asyncio.sleep(0)
            awaited = [at for at, _, woken in self._sleepers if not woken.done()]
            if awaited and not task.done():
                self.advance(min(awaited) - self.now())
            assert time.monotonic() < deadline, "the work waits in vain, and not for the clock"
        return task.result()
