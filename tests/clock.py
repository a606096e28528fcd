"""A clock whose hands the test turns."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Turns of the event loop within which everything that does not wait for a clock, a thread or a server has been done.
SETTLED = 200


class TurnedClock:
    """Stands still until it is turned. `slept` has each wait that somebody asked for, in seconds."""

    def __init__(self) -> None:
        self._now = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        due = asyncio.get_running_loop().create_future()
        self._waiting.append((self._now + seconds, due))
        try:
            await due
        finally:
            self._waiting = [(at, future) for at, future in self._waiting if future is not due]

    def turn(self, seconds: float) -> None:
        """Move on, and wake whose time has come."""
        self._now += seconds
        for at, due in list(self._waiting):
            if at <= self._now and not due.done():
                due.set_result(None)

    async def run_out(self, work: Coroutine[Any, Any, T]) -> T:
        """What the work returns, with the clock turned to the next awaited moment whenever nothing else goes on.

        While it waits for the clock it must not also wait for threads or servers, for this would not see them end.
        """
        task, deadline = asyncio.ensure_future(work), time.monotonic() + 20
        while not task.done():
            for _ in range(SETTLED):
                await asyncio.sleep(0)
            if self._waiting and not task.done():
                self.turn(min(at for at, _ in self._waiting) - self._now)
            assert time.monotonic() < deadline, "the work waits in vain, and not for the clock"
        return task.result()
