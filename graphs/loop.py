"""The event loop of a caller that has none: it ends with its work, whoever does not want to."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)

# How long somebody may take to end who was cancelled.
GRACE_S = 5.0


def concluded(work: Coroutine[Any, Any, T]) -> T:
    """What the work returns, on a loop of its own, as with `asyncio.run`.

    That waits for tasks which the work leaves behind, if need be for ever; here one that shrugs its cancellation off
    for longer than `GRACE_S` is left to itself, with a warning, and never goes on.
    """
    return asyncio.run(_concluded(work))


async def _concluded(work: Coroutine[Any, Any, T]) -> T:
    try:
        return await work
    finally:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        try:
            await asyncio.sleep(0)
            if left := {task for task in left if not task.done()}:
                await asyncio.wait(left, timeout=GRACE_S)
        finally:
            for task in left:
                if not task.done():
                    _log.warning("%s does not end although it was cancelled, and is left to itself", task.get_name())
                    # Who is not registered is not waited for.
                    asyncio._unregister_task(task)
