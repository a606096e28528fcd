"""Attempts at branches: each within its time, and what came of it."""

import asyncio
import functools
from contextlib import ExitStack, suppress
from typing import Any

from core.errors import WorkError
from core.ledger import Step, check_account
from core.stop import Stop
from core.task import Outcome
from graphs import loop
from graphs.branch import Branch
from graphs.call import called, is_coroutine_function
from graphs.clock import Clock
from graphs.failure import ABOUT_THE_RUN, BranchTimeout, failure_of
from graphs.parallel.answer import outcome_of
from graphs.parallel.options import Options
from graphs.parallel.recorder import Recorder
from graphs.worker import Attempt, Worker


class Attempts:
    """The attempts of one graph that are under way, and those that were given up and have not ended yet."""

    def __init__(self, recorder: Recorder, options: Options, stop: Stop, clock: Clock) -> None:
        self._recorder = recorder
        self._options = options
        self._stop = stop
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._expiring: dict[str, asyncio.Future[str]] = {}
        self._late: set[asyncio.Task[Any]] = set()

    async def made(self, branch: Branch, worker: Worker, step: Step, needed: dict[str, Outcome]) -> Outcome:
        """What came of one attempt; a failure is an outcome. Raises what is about the run as a whole."""
        began = self._clock.now()
        told = {"task": branch.key, "agent": worker.name, "attempt": step.attempt}
        try:
            answer = await self._in_time(branch, worker, step, needed)
            outcome = outcome_of(branch.key, answer)
            told["agent"] = outcome.agent or worker.name
            check_account(outcome)
        except ABOUT_THE_RUN:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a branch meets is its outcome, and recorded
            # A stop interrupts the engine, which calls that an error of its own.
            self._stop.check()
            outcome = Outcome(task=branch.key, status="failed", failure=failure_of(error))
        return outcome.model_copy(update={**told, "seconds": self._clock.now() - began})

    def give_up(self, key: str, why: str) -> bool:
        """End the time of the attempt at a branch, if there is one."""
        if key not in self._expiring:
            return False
        _settle(self._expiring[key], why)
        return True

    def ended(self, key: str) -> None:
        """The attempt at a branch is on record."""
        self._expiring.pop(key, None)

    def close(self) -> None:
        """Wait no longer for what was given up."""
        for task in self._late:
            task.cancel()

    async def _in_time(self, branch: Branch, worker: Worker, step: Step, needed: dict[str, Outcome]) -> object:
        own = Stop()
        expiring: asyncio.Future[str] = self._loop.create_future()
        self._expiring[branch.key] = expiring
        attempt = Attempt(self._recorder.ledger.lease.run_id, step.attempt, own, step.path, needed)
        limit = branch.timeout_s or self._options.timeout_s or getattr(worker, "timeout_s", None)
        began = self._clock.now()
        timer = asyncio.create_task(self._time_out(expiring, limit)) if limit else None
        with self._stop.interrupting(lambda: own.request(self._stop.reason)):
            # A thread that is given up is awaited all the same, so that what it brings is refused on record.
            call = called(f"branch-{branch.key}", worker.perform, branch, attempt, late=_unheard)
            work: asyncio.Task[Any] = asyncio.create_task(call)
            work.add_done_callback(lambda _: _settle(expiring, "it ended"))
            threaded = not is_coroutine_function(worker.perform)
            with ExitStack() as cancelling:
                if not threaded:
                    cancelling.enter_context(self._stop.interrupting(functools.partial(self._cancel, work, expiring)))
                try:
                    await expiring
                finally:
                    if timer:
                        timer.cancel()
            if work.done():
                if work.cancelled():
                    self._stop.check()
                    raise WorkError(f"The branch {branch.key} cancelled itself.")
                if limit and self._clock.now() - began > limit:
                    # A coroutine that blocks the loop keeps its timer from ringing, too.
                    raise given_up(branch.key, f"it took longer than {limit:g} s")
                return work.result()
        own.request(expiring.result())
        self._await_late(work, branch.key, step, threaded)
        if not threaded:
            self._stop.check()
        raise given_up(branch.key, expiring.result())

    async def _time_out(self, expiring: asyncio.Future[str], limit: float) -> None:
        await self._clock.sleep(limit)
        _settle(expiring, f"it took longer than {limit:g} s")

    def _await_late(self, work: asyncio.Task[Any], key: str, step: Step, threaded: bool) -> None:
        """A coroutine is cancelled; a thread cannot be, and what it brings goes to the ledger, which refuses it."""

        async def refuse() -> None:
            with suppress(Exception, asyncio.CancelledError):
                outcome = outcome_of(key, await work).model_copy(update={"attempt": step.attempt})
                await self._recorder.end(step, outcome)

        if not threaded:
            work.cancel()
        late = asyncio.create_task(refuse())
        self._late.add(late)
        late.add_done_callback(self._late.discard)

    def _cancel(self, work: asyncio.Task[Any], expiring: asyncio.Future[str]) -> None:
        """From any thread. A coroutine that shrugs it off is waited for no longer than the loop would."""
        self._loop.call_soon_threadsafe(work.cancel)
        self._loop.call_soon_threadsafe(self._loop.call_later, loop.GRACE_S, _settle, expiring, "it did not stop")


def given_up(key: str, why: str) -> BranchTimeout:
    return BranchTimeout(f"The branch {key} was given up: {why}.")


def _unheard(error: BaseException | None) -> None:
    """The loop has ended: nobody is there to refuse what a thread brings after it."""


def _settle(future: asyncio.Future[str], why: str) -> None:
    if not future.done():
        future.set_result(why)
