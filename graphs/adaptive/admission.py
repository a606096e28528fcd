"""Admission: agents wait for resources before they begin, in the order in which they came."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from core.stop import Stop
from crews.dynamic import AgentSpec, ResourcePool
from crews.dynamic.pool import LOOK_S, Allocation
from graphs.call import waited
from graphs.clock import Clock


class Admission:
    """Lets agents of one graph work while what they take of the machine is theirs.

    Who waits holds no thread, so that those at work can go on. What is allocated is released however the block ends,
    also when it is cancelled.
    """

    def __init__(self, pool: ResourcePool, specs: Mapping[str, AgentSpec], stop: Stop, clock: Clock) -> None:
        self._pool = pool
        self._specs = specs
        self._stop = stop
        self._clock = clock
        # Locks of asyncio are fair: nobody overtakes.
        self._queue = asyncio.Lock()

    @asynccontextmanager
    async def __call__(self, agent: str) -> AsyncIterator[None]:
        allocation = await self._allocated(self._specs[agent])
        try:
            yield
        finally:
            await asyncio.shield(asyncio.to_thread(self._pool.release, allocation))

    async def _allocated(self, spec: AgentSpec) -> Allocation:
        since = self._clock.now()
        async with self._queue:
            while (allocation := await self._tried(spec)) is None:
                await waited(LOOK_S, self._clock, self._stop)
        if (seconds := self._clock.now() - since) >= LOOK_S:
            await asyncio.to_thread(self._pool.tell_wait, spec.id, spec.resources, seconds)
        return allocation

    async def _tried(self, spec: AgentSpec) -> Allocation | None:
        attempt = asyncio.ensure_future(asyncio.to_thread(self._pool.try_allocate, spec.id, spec.resources))
        try:
            return await asyncio.shield(attempt)
        except asyncio.CancelledError:
            # Nobody waits for it any more: what it still gets is given back.
            attempt.add_done_callback(self._give_back)
            raise

    def _give_back(self, attempt: "asyncio.Future[Allocation | None]") -> None:
        if not attempt.cancelled() and not attempt.exception() and (allocation := attempt.result()):
            asyncio.get_running_loop().run_in_executor(None, self._pool.release, allocation)
