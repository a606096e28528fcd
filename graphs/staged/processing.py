"""Spreading independent branches over agents, by how busy each is."""

import asyncio
import functools
import logging
import secrets
from collections import deque
from collections.abc import Sequence
from typing import Any

from core.errors import InputError, StateError
from core.settings import settings
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch, check_branches
from graphs.call import called, within
from graphs.clock import Clock, SystemClock
from graphs.failure import ABOUT_THE_RUN, failure_of
from graphs.staged.name import check_name
from graphs.staged.plain import plain
from graphs.worker import Attempt, Result, Worker

_log = logging.getLogger(__name__)

_PRIORITY = {"high": 0, "medium": 1, "low": 2}

# For each kind the rank and index of its branches, in the order in which they are to begin.
_Queues = dict[str, deque[tuple[int, int]]]


class ParallelProcessing:
    """Agents that share work: each branch goes to the least loaded of those that perform its kind.

    An agent's load is the share of its capacity that is busy, in all calls of `run` together, which must be of one
    event loop; of two with the same load, the one named first gets the branch. Nothing is kept: what a crash must not
    lose belongs into a workflow with checkpoints.
    """

    def __init__(self, agents: Sequence[Worker], *, clock: Clock | None = None) -> None:
        """Raises InputError for no agents, two of a name, and a capacity below 1."""
        if not agents:
            raise InputError("There are no agents to process anything.", remedy="Give at least one.")
        names = [agent.name for agent in agents]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise InputError(f"There are two agents {', '.join(twice)}.", remedy="Give each a name of its own.")
        for agent in agents:
            if agent.capacity < 1:
                raise InputError(f"Agent {agent.name} has a capacity of {agent.capacity}.", remedy="Give at least 1.")
        self._agents = tuple(agents)
        self._clock = clock or SystemClock()
        self._active = dict.fromkeys(names, 0)
        self._freed: set[asyncio.Event] = set()

    @property
    def active(self) -> dict[str, int]:
        """How many branches each agent works on now."""
        return dict(self._active)

    async def run(self, branches: Sequence[Branch], *, run_id: str = "", stop: Stop | None = None) -> list[Outcome]:
        """The outcome of each branch, in their order. Those of high priority are begun first.

        A failure is an outcome, as is a branch that took longer than its `timeout_s`. What is about the run as a whole
        (Interrupted, LeaseLost, StoreUnavailable), as when `stop` is requested, is raised, once the others are given
        up. Raises InputError for a kind that no agent performs, two branches of a key, and branches with needs.
        """
        self._check(branches)
        stop, run_id = stop or Stop(), run_id or f"parallel-{secrets.token_hex(6)}"
        check_name(run_id, "run")
        waiting = self._queues(branches)
        outcomes: dict[int, Outcome] = {}
        under_way: set[asyncio.Task[None]] = set()
        freed, loop = asyncio.Event(), asyncio.get_running_loop()

        async def process(index: int, agent: Worker) -> None:
            outcomes[index] = await self._outcome(branches[index], agent, run_id, stop)

        def wake() -> None:
            loop.call_soon_threadsafe(freed.set)

        self._freed.add(freed)
        try:
            with stop.interrupting(wake):
                while len(outcomes) < len(branches):
                    freed.clear()
                    stop.check()
                    while assignment := self._assign(waiting):
                        task = asyncio.create_task(process(*assignment))
                        # Not within the task, for one that is cancelled before it starts never runs.
                        task.add_done_callback(functools.partial(self._release, assignment[1]))
                        under_way.add(task)
                    await freed.wait()
                    for task in [task for task in under_way if task.done()]:
                        under_way.remove(task)
                        task.result()
        finally:
            self._freed.remove(freed)
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)
        return [outcomes[index] for index in range(len(branches))]

    def _check(self, branches: Sequence[Branch]) -> None:
        check_branches(branches, [])
        performed = frozenset[str]().union(*(agent.kinds for agent in self._agents))
        for branch in branches:
            if branch.needs:
                raise InputError(
                    f"The branch {branch.key} needs {', '.join(branch.needs)}.",
                    remedy="Run branches that build on one another by a ParallelWorkflow.",
                )
            if branch.kind not in performed:
                raise InputError(
                    f"No agent performs the branch {branch.key} of kind {branch.kind}.",
                    remedy=f"The agents perform {', '.join(sorted(performed))}.",
                )

    def _queues(self, branches: Sequence[Branch]) -> _Queues:
        queues: _Queues = {}
        for rank, index in sorted((_PRIORITY[branch.priority], index) for index, branch in enumerate(branches)):
            queues.setdefault(branches[index].kind, deque()).append((rank, index))
        return queues

    def _assign(self, waiting: _Queues) -> tuple[int, Worker] | None:
        """Take the next branch that an agent is free for, and the least loaded of these agents; None if there is none.

        A kind whose agents are all busy does not hold up the others.
        """
        for kind, queue in sorted(((kind, queue) for kind, queue in waiting.items() if queue), key=lambda of: of[1][0]):
            free = [agent for agent in self._agents if kind in agent.kinds and self._load(agent) < 1]
            if free:
                agent = min(free, key=self._load)
                self._active[agent.name] += 1
                return queue.popleft()[1], agent
        return None

    def _load(self, agent: Worker) -> float:
        return self._active[agent.name] / agent.capacity

    def _release(self, agent: Worker, _: asyncio.Task[None]) -> None:
        self._active[agent.name] -= 1
        for event in self._freed:
            event.set()

    async def _outcome(self, branch: Branch, agent: Worker, run_id: str, stop: Stop) -> Outcome:
        start = self._clock.now()
        name, own = f"Branch {branch.key}", Stop()
        folder = settings().runs_dir / run_id / "branches" / secrets.token_hex(8)
        attempt = Attempt(run_id=run_id, number=1, stop=own, folder=folder)

        def late(error: BaseException | None) -> None:
            seconds = self._clock.now() - start
            _log.warning(
                "%s was given up and ended %.1f s after it began (%r); its result is lost", name, seconds, error
            )

        try:
            answer = await within(
                called(name, agent.perform, branch, attempt, late=late),
                branch.timeout_s,
                name=name,
                clock=self._clock,
                stop=stop,
                late=late,
            )
            outcome = _outcome(branch, answer)
        except ABOUT_THE_RUN:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a branch meets is its outcome
            outcome = Outcome(task=branch.key, status="failed", failure=failure_of(error))
        finally:
            own.request("this branch has ended")
        return outcome.model_copy(
            update={"agent": agent.name, "attempt": attempt.number, "seconds": self._clock.now() - start}
        )


def _outcome(branch: Branch, answer: Any) -> Outcome:
    whose = f"What branch {branch.key} returned"
    if isinstance(answer, Outcome):
        return answer.model_copy(update={"task": branch.key, "result": plain(answer.result, whose)})
    if isinstance(answer, Result):
        values = plain(dict(answer.values), whose)
        return Outcome(task=branch.key, status="done", result=values, quality=answer.quality, notes=list(answer.notes))
    raise StateError(whose, f"is a {type(answer).__name__}, neither a Result nor an Outcome")
