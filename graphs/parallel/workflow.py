"""ParallelWorkflow: branches performed in parallel, in waves, with sync points, on LangGraph (systems G1)."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Send

from core.errors import InputError
from core.ledger import Ledger
from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch, SyncPoint, check_branches
from graphs.clock import Clock, SystemClock
from graphs.parallel import nodes
from graphs.parallel.binding import Binding
from graphs.parallel.board import Board
from graphs.parallel.dispatch import Dispatch
from graphs.parallel.mode import free_cpu, mode_of
from graphs.parallel.options import WAVE, Options
from graphs.parallel.recorder import Recorder
from graphs.parallel.staff import Staff
from graphs.parallel.state import VERSION, Input, ParallelState, Sent
from graphs.worker import Worker

Review = Literal["sync", "validation"]

# Opens a thread that LangGraph started, and nobody bound: what it works on, and what asks it to stop.
Opener = Callable[[str], Awaitable[tuple[Ledger, Stop]]]


class ParallelWorkflow:
    """A graph that performs branches by its workers.

    `graph()` is the LangGraph graph, for those who know what to do with one; `graphs.run` gives it a run of its own,
    with a lease, a ledger and checkpoints. `review` names where it waits for a person: before a sync point is passed,
    before the result is accepted. `opener` gives a ledger to threads that were not bound to one: see `graphs.served`.
    """

    name = "parallel"
    _state: type[ParallelState] = ParallelState
    _sent: type[Sent] = Sent

    def __init__(
        self,
        workers: Sequence[Worker],
        *,
        options: Options | None = None,
        clock: Clock | None = None,
        review: Sequence[Review] = (),
        opener: Opener | None = None,
    ) -> None:
        """Raises InputError for two workers of one name, or none."""
        Staff(workers)
        self._set_up(workers, options, clock, review, opener)

    def _set_up(
        self,
        workers: Sequence[Worker],
        options: Options | None,
        clock: Clock | None,
        review: Sequence[Review],
        opener: Opener | None,
    ) -> None:
        self.workers = list(workers)
        self.options = options or Options()
        self.review = frozenset(review)
        if unknown := self.review - {"sync", "validation"}:
            raise InputError(f"Nothing is reviewed at {', '.join(sorted(unknown))}.", remedy="Say sync or validation.")
        self._clock = clock or SystemClock()
        self._bound: dict[str, Binding] = {}
        self._opener = opener
        self._opening: dict[str, asyncio.Lock] = {}

    def bind(
        self,
        thread_id: str,
        ledger: Ledger,
        stop: Stop,
        branches: Sequence[Branch] = (),
        syncs: Sequence[SyncPoint] = (),
    ) -> None:
        """Let the graph of a thread work on this ledger. Without branches, those of its input are on record there."""
        self._bound[thread_id] = Binding(ledger, stop, list(branches), list(syncs))

    def check(self, branches: Sequence[Branch], syncs: Sequence[SyncPoint] = ()) -> None:
        """Raise InputError for what could never be done: see `check_branches`; and for kinds that nobody performs."""
        check_branches(branches, syncs)
        self._check_kinds(branches)

    @property
    def definition(self) -> dict[str, Any]:
        """What makes this workflow what it is, as it is put on record with a run."""
        return {
            "graph": self.name,
            "workers": {worker.name: sorted(worker.kinds) for worker in self.workers},
            "options": self.options.model_dump(exclude_defaults=True),
            "review": sorted(self.review),
        }

    def queued(self, ledger: Ledger) -> bool:
        """Whether the task queue of a run is on record."""
        return ledger.recorded(f"{self.name}/queue") is not None

    async def release(self, thread_id: str) -> dict[str, Outcome]:
        """Let go of a thread: ask all to stop who are at work for it, wait for them, and return what came of each."""
        binding = self._bound.pop(thread_id, None)
        self._opening.pop(thread_id, None)
        if binding is None or binding.dispatch is None:
            return {}
        await binding.dispatch.close()
        return binding.dispatch.board.outcomes

    def graph(self, checkpointer: BaseCheckpointSaver[str] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
        """The graph, compiled. Run it with `durability="sync"`, as a coroutine."""
        graph: StateGraph[Any, None, Any, Any] = StateGraph(self._state, input_schema=Input)
        graph.add_node("task_analyzer", self._analyze)
        graph.add_node("parallel_coordinator", self._coordinate)
        workers = self._worker_nodes()
        for name, attend in workers.items():
            graph.add_node(name, attend, input_schema=self._sent)
            graph.add_edge(name, "sync_point_manager")
        graph.add_node("sync_point_manager", self._meet)
        graph.add_node("load_balancer", self._balance)
        graph.add_node("branch_merger", self._merge)
        graph.add_node("quality_validator", self._validate)
        graph.add_node("final_integrator", self._integrate)
        graph.add_edge(START, "task_analyzer")
        graph.add_edge("task_analyzer", "parallel_coordinator")
        graph.add_conditional_edges("parallel_coordinator", self._sends, [*workers, "sync_point_manager"])
        graph.add_conditional_edges(
            "sync_point_manager", self._after_meeting, ["load_balancer", "branch_merger", "parallel_coordinator"]
        )
        graph.add_edge("load_balancer", "parallel_coordinator")
        graph.add_edge("branch_merger", "quality_validator")
        graph.add_conditional_edges("quality_validator", nodes.after_validation, ["load_balancer", "final_integrator"])
        graph.add_edge("final_integrator", END)
        return graph.compile(checkpointer=checkpointer, name=self.name)

    def config(self, thread_id: str, branches: int) -> RunnableConfig:
        """The configuration for a thread of so many branches: LangGraph's own limits are about other graphs."""
        return {
            "configurable": {"thread_id": thread_id},
            "max_concurrency": WAVE,
            # Each branch can end a wave, and be tried several times; the options bound that.
            "recursion_limit": 1_000 + 8 * branches * (self.options.attempts + self.options.revisions + 1),
        }

    async def _analyze(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        binding = await self._binding(config)
        if binding.dispatch is not None:
            raise InputError(
                f"Run {binding.ledger.lease.run_id} is being worked on already.", remedy="Wait for its end."
            )
        if not binding.branches:
            binding.branches, binding.syncs = nodes.queued(state, self._questions())
            await asyncio.to_thread(self._keep, binding)
        mode = mode_of(binding.branches, free_cpu())
        width = self.options.concurrency or mode.width
        binding.dispatch = await self._open(binding, width, again=True)
        binding.dispatch.staff.check(binding.branches)
        await binding.dispatch.tell(
            "graph.analyzed", **mode.model_dump(), branches=len(binding.branches), concurrency=width
        )
        return {
            "version": VERSION,
            "workflow_id": binding.ledger.lease.run_id,
            "mode": {**mode.model_dump(), "concurrency": width},
            "branch_dependencies": {
                "needs": sum(len(branch.needs) for branch in binding.branches),
                "sync_points": len(binding.syncs),
            },
            **nodes.summed_up(binding.dispatch, state),
        }

    async def _coordinate(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return nodes.next_wave(await self._dispatch(config, state), state)

    def _worker_nodes(self) -> dict[str, Callable[..., Any]]:
        """The nodes that branches are sent to: one for each worker."""
        return {worker.name: functools.partial(self._attend, worker.name) for worker in self.workers}

    def _sends(self, state: ParallelState) -> list[Send] | str:
        """Each share of the wave to its worker's node; with nobody to send, the sync points may have a say."""
        return [Send(of["worker"], {"keys": of["keys"]}) for of in state["active_branches"]] or "sync_point_manager"

    def _keep(self, binding: Binding) -> None:
        """Put the task queue on record; or take it from there, if it was before. Raises InputError for another one."""
        given = binding.branches
        run_id = binding.ledger.lease.run_id
        if self.queued(binding.ledger):
            binding.recall(self.name)
            known = {branch.key: branch for branch in binding.branches}
            if others := [branch.key for branch in given if known.get(branch.key) != branch]:
                raise InputError(
                    f"Run {run_id} was started with other branches than {', '.join(others[:5])}.",
                    remedy="Leave out the branches to go on with it, or start another run.",
                )
        elif not given:
            raise InputError(
                f"Run {run_id} was given nothing to do.",
                remedy="Give it a task_queue of branches, or a question that one of its workers researches.",
            )
        else:
            self._completed(binding)
            binding.record(self.name)

    def _completed(self, binding: Binding) -> None:
        """What a workflow adds to its task queue before that is put on record."""

    def _check_kinds(self, branches: Sequence[Branch]) -> None:
        """Raise InputError for a kind that nobody performs."""
        Staff(self.workers).check(branches)

    def _staff(self, binding: Binding) -> Staff:
        return Staff(self.workers)

    def _admission(self, binding: Binding) -> Callable[[str], AbstractAsyncContextManager[Any]] | None:
        """What a worker has to go through before it begins, see Dispatch; None for nothing."""
        return None

    async def _attend(self, worker: str, sent: Sent, config: RunnableConfig) -> dict[str, Any]:
        outcomes = await (await self._dispatch(config)).attend(sent["keys"], worker)
        return {"arrivals": [[key, outcome.status] for key, outcome in outcomes.items()]} if outcomes else {}

    async def _meet(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return await nodes.meet(await self._dispatch(config, state), state, ask="sync" in self.review)

    async def _after_meeting(self, state: ParallelState, config: RunnableConfig) -> str:
        return nodes.after_meeting(await self._dispatch(config, state))

    async def _balance(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return await nodes.balance(await self._dispatch(config, state), state)

    async def _merge(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return nodes.merged(await self._dispatch(config, state))

    async def _validate(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return await nodes.validated(await self._dispatch(config, state), ask="validation" in self.review)

    async def _integrate(self, state: ParallelState, config: RunnableConfig) -> dict[str, Any]:
        return nodes.integrated(await self._dispatch(config, state), state)

    def _questions(self) -> list[str]:
        """The kinds of branches that a question is turned into."""
        return sorted({kind for worker in self.workers for kind in worker.kinds} & nodes.QUESTIONS)

    async def _dispatch(self, config: RunnableConfig, state: ParallelState | None = None) -> Dispatch:
        """What works on the thread. A node that has the state gives it: the sync points that were passed stay so."""
        binding = await self._binding(config)
        # The nodes of a wave come together, and one of them opens for all.
        async with binding.opening:
            dispatch = binding.dispatch or await self._take_up(binding)
        if state is not None:
            nodes.pass_again(dispatch.board, state)
        return dispatch

    async def _take_up(self, binding: Binding) -> Dispatch:
        """Go on in the middle: where the branches stand, the ledger says."""
        if not binding.branches:
            await asyncio.to_thread(binding.recall, self.name)
        width = self.options.concurrency or mode_of(binding.branches, free_cpu()).width
        binding.dispatch = await self._open(binding, width, again=False)
        return binding.dispatch

    async def _open(self, binding: Binding, width: int, *, again: bool) -> Dispatch:
        """With `again`, what failed is tried again; else what has failed for good has."""
        keys = [branch.key for branch in binding.branches]
        revised = [f"{key}@{n}" for key in keys for n in range(1, self.options.revisions + 1)]
        known = await asyncio.to_thread(binding.ledger.outcomes, keys + revised)
        done = {key: outcome for key, outcome in known.items() if outcome.status == "done"}
        failed = {} if again else {key: outcome for key, outcome in known.items() if key not in done}
        board = Board(binding.branches, binding.syncs, done, failed, self.options.attempts)
        recorder = Recorder(binding.ledger, self.name)
        revisions = await asyncio.to_thread(recorder.revisions)
        for number, revision in enumerate(revisions, start=1):
            board.revise(revision, number)
        staff = self._staff(binding)
        admitted = self._admission(binding)
        return Dispatch(
            board, recorder, staff, self.options, binding.stop, self._clock, width, len(revisions), admitted
        )

    async def _binding(self, config: RunnableConfig) -> Binding:
        thread_id = str(config["configurable"]["thread_id"])
        # The nodes of a wave come together here too.
        async with self._opening.setdefault(thread_id, asyncio.Lock()):
            if thread_id not in self._bound:
                if self._opener is None:
                    raise InputError(
                        f"The thread {thread_id} has no ledger to work on.",
                        remedy="Start it with graphs.run, or give the workflow an opener.",
                    )
                self.bind(thread_id, *await self._opener(thread_id))
            return self._bound[thread_id]
