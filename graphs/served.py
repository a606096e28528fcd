"""The graphs as LangGraph's own servers run them: `langgraph.json` names the functions here.

Such a server starts threads and keeps their checkpoints; each thread gets a run of Crewline's of the same id, with its
lease, ledger and journal, for as long as the server works on it.
"""

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from langchain_core.callbacks import AsyncCallbackHandler
from langgraph.graph.state import CompiledStateGraph

from core import run as runs
from core.errors import InputError, Interrupted
from core.lease import Lease, claim
from core.ledger import Ledger
from core.settings import settings
from core.stop import Stop
from core.store import Database, open_database
from graphs.parallel.workflow import Opener, ParallelWorkflow
from graphs.runs import GraphReport

Graph = CompiledStateGraph[Any, Any, Any, Any]

# A thread's length is not known before it is started.
_MOST_BRANCHES = 100_000

_opening = threading.Lock()


async def parallel() -> Graph:
    """ParallelWorkflow with Crewline's workers, below the working directory."""
    return await asyncio.to_thread(_parallel)


async def adaptive() -> Graph:
    """AdaptiveWorkflow with Crewline's agents, below the working directory."""
    return await asyncio.to_thread(_adaptive)


def serve(make: Callable[[Opener], ParallelWorkflow], database: Database) -> Graph:
    """The graph of a workflow, to be run natively: whoever runs it gives the checkpointer, and the id of the thread.

    `make` makes the workflow, with the opener that it is given. A thread is one run: one that has ended well takes no
    more input.
    """
    threads = _Threads(make, database)
    config = threads.workflow.config("", _MOST_BRANCHES)
    del config["configurable"]
    return threads.workflow.graph().with_config({**config, "callbacks": [threads]})


class _Threads(AsyncCallbackHandler):
    """The runs of threads: opened when a node first asks for one, let go of when LangGraph is through with it."""

    # What goes wrong here must not pass as a success.
    raise_error = True

    def __init__(self, make: Callable[[Opener], ParallelWorkflow], database: Database) -> None:
        self.workflow = make(self._open)
        self._database = database
        self._leases: dict[str, tuple[Lease, float]] = {}
        self._started: dict[UUID, str] = {}

    async def on_chain_start(
        self,
        serialized: dict[str, Any],
        inputs: dict[str, Any],
        *,
        run_id: UUID,
        parent_run_id: UUID | None = None,
        metadata: dict[str, Any] | None = None,
        **options: Any,
    ) -> None:
        if parent_run_id is None and metadata and "thread_id" in metadata:
            thread_id = str(metadata["thread_id"])
            if thread_id in self._started.values():
                raise InputError(f"Thread {thread_id} is being worked on already.", remedy="Wait for its end.")
            self._started[run_id] = thread_id

    async def on_chain_end(self, outputs: Any, *, run_id: UUID, **options: Any) -> None:
        if thread_id := self._started.pop(run_id, None):
            await self._close(thread_id, lambda lease, began: _end(lease, outputs, began))

    async def on_chain_error(self, error: BaseException, *, run_id: UUID, **options: Any) -> None:
        if thread_id := self._started.pop(run_id, None):
            cancelled = isinstance(error, asyncio.CancelledError)
            told = Interrupted("Stopped: cancelled.") if cancelled else error
            await self._close(thread_id, lambda lease, began: lease.give_up(told))

    async def _open(self, thread_id: str) -> tuple[Ledger, Stop]:
        lease = await asyncio.to_thread(self._claimed, thread_id)
        self._leases[thread_id] = lease, time.monotonic()
        return Ledger(lease, settings().runs_dir / thread_id), Stop()

    def _claimed(self, thread_id: str) -> Lease:
        runs.create_graph(self._database, thread_id, self.workflow.name, self.workflow.definition)
        if runs.get(self._database, thread_id).status in runs.FINISHED:
            raise InputError(f"All of thread {thread_id} is done.", remedy="Start another thread.")
        return claim(self._database, thread_id, lease_s=settings().lease_s)

    async def _close(self, thread_id: str, end: Callable[[Lease, float], None]) -> None:
        await self.workflow.release(thread_id)
        if thread_id in self._leases:
            await asyncio.to_thread(end, *self._leases.pop(thread_id))


def _end(lease: Lease, outputs: dict[str, Any], began: float) -> None:
    """Put on record what a thread came to; one that has no result yet waits for a person."""
    result = outputs.get("result")
    report = GraphReport(
        run_id=lease.run_id,
        status=result["status"] if result else "waiting",
        state={key: value for key, value in outputs.items() if key not in ("task_queue", "messages")},
        seconds=round(time.monotonic() - began, 3),
    )
    lease.release(report.run_status, report=report.model_dump(mode="json"))


@functools.cache
def _database() -> Database:
    return open_database()


def _parallel() -> Graph:
    from graphs.workers import default_workers
    from tools.context import ToolContext

    with _opening:
        workers = default_workers(_database(), ToolContext(agent="graph"))
    return serve(lambda opener: ParallelWorkflow(workers, opener=opener), _database())


def _adaptive() -> Graph:
    from crews.dynamic import TemplateSpecifier, record_of
    from graphs.adaptive.makers import default_maker
    from graphs.adaptive.workflow import AdaptiveWorkflow
    from tools.context import ToolContext

    with _opening:
        database = _database()
    specifier = TemplateSpecifier(record=record_of(database))
    make = default_maker(database, ToolContext(agent="graph"))
    return serve(lambda opener: AdaptiveWorkflow(specifier, make, opener=opener), database)
