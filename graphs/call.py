"""Calling what may block or hang, so that nobody has to wait for it longer than agreed."""

import asyncio
import contextvars
import functools
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from core.errors import TimedOut, WorkError
from core.stop import Stop
from graphs.clock import Clock

_log = logging.getLogger(__name__)

# Gets the error with which an abandoned call ended at last, or None if it returned; what it returned is gone.
Late = Callable[[BaseException | None], None]


async def called(name: str, function: Callable[..., Any], *arguments: Any, late: Late) -> Any:
    """What the function returns: a coroutine function's on this loop, a plain one's on a thread of its own.

    The thread is called `name`. Nothing can end a thread: when this call is cancelled, it is left to itself, and `late`
    is told once it ends.
    """
    plainly = not is_coroutine_function(function)
    task = asyncio.current_task()
    try:
        result = await _on_thread(name, function, arguments, late) if plainly else function(*arguments)
        return await result if inspect.isawaitable(result) else result
    except (GeneratorExit, SystemExit) as error:
        if _running_task() is not task:
            # Nobody calls any more: this is what is left of a loop that has ended.
            raise
        # These would end more than the call.
        raise WorkError(f"{name} ended by {type(error).__name__}.") from error


def _running_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def within(
    work: Awaitable[Any], seconds: float | None, *, name: str, clock: Clock, stop: Stop, late: Late
) -> Any:
    """What the work returns, if it does so within `seconds` of the clock and before `stop` is requested.

    Otherwise it is cancelled, and TimedOut or Interrupted raised without waiting for it. `late` is told of work that
    shrugs the cancellation off, once it ends.
    """
    loop = asyncio.get_running_loop()
    stopped = loop.create_future()
    task = asyncio.ensure_future(work)
    timer = stopped if seconds is None else asyncio.ensure_future(clock.sleep(seconds))
    try:
        with stop.interrupting(functools.partial(_cancel, loop, stopped)):
            await asyncio.wait({task, timer, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()
        if not task.done():
            task.cancel()
            task.add_done_callback(functools.partial(_tell, late))
    if task.done():
        if task.cancelled():
            raise WorkError(f"{name} cancelled itself.")
        return task.result()
    stop.check()
    raise TimedOut(name, seconds or 0)


async def waited(seconds: float, clock: Clock, stop: Stop) -> None:
    """Wait by the clock; raise Interrupted as soon as `stop` is requested."""
    loop = asyncio.get_running_loop()
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        with stop.interrupting(functools.partial(_cancel, loop, timer)):
            await asyncio.wait({timer})
    finally:
        timer.cancel()
    stop.check()


async def _on_thread(name: str, function: Callable[..., Any], arguments: tuple[Any, ...], late: Late) -> Any:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[tuple[Any, BaseException | None]] = loop.create_future()
    variables = contextvars.copy_context()

    def work() -> None:
        result, error = None, None
        try:
            result = variables.run(function, *arguments)
        except BaseException as raised:  # noqa: BLE001 - handed to who waits for this thread
            error = raised
        try:
            loop.call_soon_threadsafe(ended.set_result, (result, error))
        except RuntimeError:
            _log.warning("%s ended after the event loop was closed; what it returned is lost", name)

    # Daemons: one that hangs must not keep the process from ending.
    threading.Thread(target=work, name=name, daemon=True).start()
    try:
        result, error = await asyncio.shield(ended)
    except asyncio.CancelledError:
        ended.add_done_callback(functools.partial(_discard, late))
        raise
    if isinstance(error, Exception):
        raise error
    if error is not None:
        raise WorkError(f"{name} ended its thread by {type(error).__name__}.") from error
    return result


def _discard(late: Late, ended: "asyncio.Future[tuple[Any, BaseException | None]]") -> None:
    result, error = ended.result()
    if inspect.iscoroutine(result):
        result.close()
    late(error)


def _cancel(loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any]) -> None:
    loop.call_soon_threadsafe(future.cancel)


def _tell(late: Late, task: asyncio.Future[Any]) -> None:
    if not task.cancelled():
        late(task.exception())


def is_coroutine_function(function: Callable[..., Any]) -> bool:
    """Whether calling it makes a coroutine: true of partial ones, and of objects that are called like one, too."""
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
