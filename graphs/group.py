"""Many small calls as few large ones: what a database does for one, it does for many at little more cost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Group(Generic[T, R]):
    """Calls of one coroutine, those made while it works gathered into its next call; it answers each, in order."""

    def __init__(self, work: Callable[[Sequence[T]], Awaitable[Sequence[R]]]) -> None:
        self._work = work
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._worker: asyncio.Task[None] | None = None

    def add(self, item: T) -> asyncio.Future[R]:
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._worker is None:
            self._worker = asyncio.create_task(self._drain())
        return future

    async def _drain(self) -> None:
        # Whoever is about to ask gets the chance to.
        await asyncio.sleep(0)
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                answers = await self._work([item for item, _ in group])
            except Exception as error:  # noqa: BLE001 - raised to each of those who asked
                for _, future in group:
                    if not future.done():
                        future.set_exception(error)
                        # Who asked may be gone; that it was raised to nobody is then no news.
                        future.exception()
            else:
                for (_, future), answer in zip(group, answers, strict=True):
                    if not future.done():
                        future.set_result(answer)
        self._worker = None
