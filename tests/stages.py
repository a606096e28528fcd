"""Stages for tests, and a way to run what is asynchronous."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from graphs.staged import Context

T = TypeVar("T")


Scripted = Callable[[Any, Context], Awaitable[Any]]


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def scripted(*script: object) -> Scripted:
    """A stage that does at each try what the script says: raise an error, hang, or return a value."""
    left = list(script)

    async def stage(value: Any, context: Context) -> Any:
        step = left.pop(0)
        if step == "hang":
            await asyncio.Event().wait()
        if isinstance(step, Exception):
            raise step
        return step

    return stage


async def add(value: Any, context: Context) -> Any:
    return {"n": value["n"] + 1}
