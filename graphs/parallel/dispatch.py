"""What a process holds while it works on a graph's branches: who is at work, for how long, and what came of it."""

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, nullcontext
from typing import Any

from core.errors import AccountingError
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch
from graphs.clock import Clock
from graphs.failure import failure_of
from graphs.parallel.attempts import Attempts, given_up
from graphs.parallel.board import Board
from graphs.parallel.meeting import Decision, decide
from graphs.parallel.options import Options
from graphs.parallel.recorder import Recorder
from graphs.parallel.staff import Staff


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
        revisions: int,
        admitted: Callable[[str], AbstractAsyncContextManager[Any]] | None = None,
    ) -> None:
        self.board = board
        self.staff = staff
        self.options = options
        self.stop = stop
        self.width = width
        self.revisions = revisions
        self.sent_to: dict[str, str] = {}
        self.performance: dict[str, dict[str, float]] = {}
        self._recorder = recorder
        self._attempts = Attempts(recorder, options, stop, clock)
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._slots = asyncio.Semaphore(width)
        self._admitted = admitted or (lambda worker: nullcontext())
        self._desks = {name: asyncio.Semaphore(worker.capacity) for name, worker in staff.workers.items()}
        self._running: dict[str, asyncio.Task[None]] = {}
        self._since: dict[str, float] = {}
        self._shares: dict[str, Share] = {}
        self._turn_over = False
        self._alarm: asyncio.Task[None] | None = None
        self._left = ExitStack()
        self._left.enter_context(stop.interrupting(self._interrupt))
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
        task = self._running.get(key)
        if task is None:
            return
        if self._attempts.give_up(key, why):
            await task
        else:
            # It had not begun yet.
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.board.miss(key, Outcome(task=key, status="failed", failure=failure_of(given_up(key, why))))

    async def close(self) -> None:
        """Ask all to stop who are still at work, and wait for them."""
        self._left.close()
        if self._alarm:
            self._alarm.cancel()
        left = list(self._running.values())
        if left:
            self.stop.request(self.stop.reason or "another branch could not go on")
            await asyncio.gather(*left, return_exceptions=True)
        self._attempts.close()

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
                outcome = await self._attempts.made(branch, self.staff.workers[name], step, self._needed(branch))
                if not await self._recorder.end(step, outcome):
                    raise AccountingError(f"Attempt {step.attempt} at {key} was ended by somebody else.")
        except Exception as error:
            self._fatal = error
            self.end_turn()
            raise
        finally:
            load.active -= 1
            self._attempts.ended(key)
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
