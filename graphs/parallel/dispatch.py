"""What a process holds while it works on a graph's branches: who is at work, for how long, and what came of it."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext, suppress
from typing import Any

from core.errors import AccountingError, WorkError
from core.ledger import Step, check_account
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch
from graphs.call import called, is_coroutine_function
from graphs.clock import Clock
from graphs.failure import ABOUT_THE_RUN, BranchTimeout, failure_of
from graphs.parallel.answer import outcome_of
from graphs.parallel.board import Board
from graphs.parallel.meeting import Decision, decide
from graphs.parallel.options import Options
from graphs.parallel.recorder import Recorder
from graphs.parallel.staff import Staff
from graphs.worker import Attempt, Worker


class Dispatch:
    """Works on the branches of one graph, several at a time.

    A wave of them is sent; each of the graph's nodes attends one. A wave's turn ends when all of it has ended, or
    before that when something else could be done: then those still at work go on, and are attended again with the next.
    `admitted` is entered while a worker is at work: it can let it wait, which is no part of a branch's time.
    """

    def __init__(
        self,
        board: Board,
        recorder: Recorder,
        staff: Staff,
        options: Options,
        stop: Stop,
        clock: Clock,
        width: int,
        admitted: Callable[[str], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        self.board = board
        self.staff = staff
        self.options = options
        self.stop = stop
        self.width = width
        self.revisions = 0
        self.sent_to: dict[str, str] = {}
        self.performance: dict[str, dict[str, float]] = {}
        self._recorder = recorder
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(width)
        self._admitted = admitted or (lambda worker: nullcontext())
        self._desks = {name: asyncio.Semaphore(worker.capacity) for name, worker in staff.workers.items()}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._expiring: dict[str, asyncio.Future[str]] = {}
        self._since: dict[str, float] = {}
        self._shares: dict[str, Share] = {}
        self._turn_over = False
        for revision in recorder.revisions():
            self.revisions += 1
            board.revise(revision, self.revisions)
        self._alarm: asyncio.Task[None] | None = None
        self._left = ExitStack()
        self._left.enter_context(stop.interrupting(self._interrupt))
        self._late: set[asyncio.Task[Any]] = set()
        self._fatal: Exception | None = None

    def start_turn(self) -> None:
        """A new wave is about to be sent. Raises Interrupted if the run is to stop, and what else speaks against it."""
        self.stop.check()
        if self._fatal is not None:
            raise self._fatal
        self._turn_over = False
        self._set_alarm()

    def decision(self, name: str) -> Decision:
        """What an open sync point would do now."""
        waited = self._clock.now() - self._since.get(name, self._clock.now())
        return decide(
            self.board.syncs[name],
            arrived=self.board.arrived[name],
            ended=self.board.ended(name),
            waited_s=waited,
        )

    async def revise(self, keys: Sequence[str]) -> None:
        """Do these branches once more. It is put on record first, so that a resumed graph does the same."""
        self.revisions += 1
        await asyncio.to_thread(self._recorder.revise, self.revisions, list(keys))
        self.board.revise(keys, self.revisions)

    async def tell(self, kind: str, **data: Any) -> None:
        """Write an event to the journal."""
        await asyncio.to_thread(self._recorder.ledger.tell, kind, actor="graph", **data)

    def wait_again(self, name: str) -> None:
        """A sync point's time begins anew."""
        self._since.pop(name, None)

    async def attend(self, keys: Sequence[str], worker: str) -> dict[str, Outcome]:
        """See to branches: start those that nobody is at, and wait until all have ended, or the turn has.

        Returns the outcomes of those that ended. Raises what is about the run as a whole.
        """
        share = Share(self._loop)
        for key in keys:
            # One that failed after it was sent, and before it was attended, waits for the load balancer.
            if key in self.board.branches and key not in self.board.outcomes and key not in self.board.missing:
                self._start(key, worker)
                self._shares[key] = share
                share.left += 1
        if share.left and not self._turn_over:
            await share.ended
        if self._fatal is not None:
            raise self._fatal
        ended = {key: self.board.outcomes.get(key) or self.board.missing.get(key) for key in keys}
        return {key: outcome for key, outcome in ended.items() if outcome}

    async def give_up(self, key: str, why: str) -> None:
        """End the claim of a branch that was sent: what it brings later is refused."""
        task, expiring = self._running.get(key), self._expiring.get(key)
        if task is None:
            return
        if expiring is not None:
            _settle(expiring, why)
            await task
        else:
            # It had not begun yet.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.board.miss(key, Outcome(task=key, status="failed", failure=failure_of(_timeout(key, why))))

    async def close(self) -> None:
        """Ask all to stop who are still at work, and wait for them."""
        self._left.close()
        if self._alarm:
            self._alarm.cancel()
        left = list(self._running.values())
        if left:
            self.stop.request(self.stop.reason or "another branch could not go on")
            await asyncio.gather(*left, return_exceptions=True)
        for task in self._late:
            task.cancel()

    def _start(self, key: str, worker: str) -> None:
        self.board.claim(key)
        if key in self._running:
            return
        self.sent_to[key] = worker
        task = self._running[key] = asyncio.create_task(self._see_to(self.board.branches[key], worker))
        task.add_done_callback(functools.partial(self._ended, key))
        if new := [name for name in self.board.meeting(key) if name not in self._since]:
            self._since.update(dict.fromkeys(new, self._clock.now()))
            self._set_alarm()

    async def _see_to(self, branch: Branch, name: str) -> None:
        key = branch.key
        load = self.staff.load[name]
        load.active += 1
        try:
            async with self._desks[name], self._slots, self._admitted(name):
                self.stop.check()
                step = await self._recorder.begin(key, name)
                outcome = await self._attempted(branch, self.staff.workers[name], step)
                self._expiring.pop(key, None)
                if not await self._recorder.end(step, outcome):
                    raise AccountingError(f"Attempt {step.attempt} at {key} was ended by somebody else.")
        except Exception as error:
            self._fatal = error
            self.end_turn()
            raise
        finally:
            load.active -= 1
            del self._running[key]
        load.seconds += outcome.seconds
        kind = self.performance.setdefault(branch.kind, {"attempts": 0, "done": 0, "seconds": 0.0})
        kind["attempts"] += 1
        kind["seconds"] += outcome.seconds
        if outcome.status == "done":
            load.done += 1
            kind["done"] += 1
            self.board.end(key, outcome)
        else:
            load.failed += 1
            self.board.miss(key, outcome)
        self._look_up(key)

    async def _attempted(self, branch: Branch, worker: Worker, step: Step) -> Outcome:
        """What came of one attempt; a failure is an outcome. Raises what is about the run as a whole."""
        began = self._clock.now()
        told = {"task": branch.key, "agent": worker.name, "attempt": step.attempt}
        try:
            answer = await self._in_time(branch, worker, step)
            outcome = outcome_of(branch.key, answer)
            told["agent"] = outcome.agent or worker.name
            check_account(outcome)
        except ABOUT_THE_RUN:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a branch meets is its outcome, and recorded
            # A stop interrupts the engine, which calls that an error of its own.
            self.stop.check()
            outcome = Outcome(task=branch.key, status="failed", failure=failure_of(error))
        return outcome.model_copy(update={**told, "seconds": self._clock.now() - began})

    async def _in_time(self, branch: Branch, worker: Worker, step: Step) -> object:
        own = Stop()
        expiring: asyncio.Future[str] = self._loop.create_future()
        self._expiring[branch.key] = expiring
        attempt = Attempt(self._recorder.ledger.lease.run_id, step.attempt, own, step.path, self._needed(branch))
        limit = branch.timeout_s or self.options.timeout_s or getattr(worker, "timeout_s", None)
        began = self._clock.now()
        timer = asyncio.create_task(self._time_out(expiring, limit)) if limit else None
        with self.stop.interrupting(lambda: own.request(self.stop.reason)):
            # A thread that is given up is awaited all the same, so that what it brings is refused on record.
            call = called(f"branch-{branch.key}", worker.perform, branch, attempt, late=_unheard)
            work: asyncio.Task[Any] = asyncio.create_task(call)
            work.add_done_callback(lambda _: _settle(expiring, "it ended"))
            threaded = not is_coroutine_function(worker.perform)
            with ExitStack() as cancelling:
                if not threaded:
                    cancelling.enter_context(self.stop.interrupting(functools.partial(self._cancel, work)))
                try:
                    await expiring
                finally:
                    if timer:
                        timer.cancel()
            if work.done():
                if work.cancelled():
                    self.stop.check()
                    raise WorkError(f"The branch {branch.key} cancelled itself.")
                if limit and self._clock.now() - began > limit:
                    # A coroutine that blocks the loop keeps its timer from ringing, too.
                    raise _timeout(branch.key, f"it took longer than {limit:g} s")
                return work.result()
        own.request(expiring.result())
        self._await_late(work, branch.key, step, threaded)
        raise _timeout(branch.key, expiring.result())

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

    def _needed(self, branch: Branch) -> dict[str, Outcome]:
        keys = [key for need in branch.needs for key in self.board.behind(need)]
        return {key: self.board.outcomes[key] for key in keys if key in self.board.outcomes}

    def _look_up(self, key: str) -> None:
        """End the turn if, with one branch less at work, something else could be done."""
        idle = len(self._running) < self.width
        decided = any(
            self.decision(name) != "wait" for name in self.board.meeting(key) if name not in self.board.closed
        )
        if idle and (decided or self.board.has_ready or self.board.missing):
            self.end_turn()

    def _cancel(self, work: asyncio.Task[Any]) -> None:
        """From any thread."""
        self._loop.call_soon_threadsafe(work.cancel)

    def _interrupt(self) -> None:
        """A stop comes from any thread."""
        self._loop.call_soon_threadsafe(self.end_turn)

    def end_turn(self) -> None:
        """Let the graph go on, though some branches are still at work."""
        if self._turn_over:
            return
        self._turn_over = True
        for share in self._shares.values():
            share.end()

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        """What a task raised is kept, and raised to the graph: asyncio need not tell of it as well."""
        if not task.cancelled():
            task.exception()
        # Cancelled before its first step, it took no leave itself.
        if self._running.get(key) is task:
            del self._running[key]
        if share := self._shares.pop(key, None):
            share.left -= 1
            if not share.left:
                share.end()

    def _set_alarm(self) -> None:
        """The next sync point whose time is up ends the turn."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None
        now = self._clock.now()
        dues = [
            self._since[name] + sync.timeout_s - now
            for name, sync in self.board.syncs.items()
            if sync.timeout_s is not None and name in self._since and name not in self.board.closed
        ]
        if dues:
            self._alarm = asyncio.create_task(self._ring(max(0.0, min(dues))))

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self.end_turn()


class Share:
    """Branches that one node attends: how many are still at work, and a future for when none is, or the turn is over.

    One future for all, since what is made for each branch adds up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.left = 0
        self.ended: asyncio.Future[None] = loop.create_future()

    def end(self) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


def _unheard(error: BaseException | None) -> None:
    """The loop has ended: nobody is there to refuse what a thread brings after it."""


def _settle(future: asyncio.Future[str], why: str) -> None:
    if not future.done():
        future.set_result(why)


def _timeout(key: str, why: str) -> BranchTimeout:
    return BranchTimeout(f"The branch {key} was given up: {why}.")
