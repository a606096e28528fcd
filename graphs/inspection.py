"""Looking at graphs at work: where a run stands, what it asks, and the checkpoints that it left."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import StateSnapshot
from pydantic import BaseModel

from core import run as runs
from core.ledger import recorded
from core.run import Run
from core.store.database import Database
from graphs.assembly.order import GRAPH, Order
from graphs.assembly.pipeline import Assembled
from graphs.checkpoints import Checkpoints
from graphs.checkpoints.storage import threads_of
from graphs.gallery import named, restored
from graphs.runs import Question


class Moment(BaseModel):
    """A checkpoint: where a graph was at a time.

    `next` counts the nodes that come after it, none if the graph had ended; `branches` those that had ended by then,
    by how. `checkpoint` is what `crewline fork --at` takes.
    """

    checkpoint: str
    thread: str
    step: int
    at: datetime
    next: dict[str, int]
    branches: dict[str, int]


class Inspection(BaseModel):
    """Where a graph's run stands. `branches` counts by status, by the ledger; `sync` and `questions` are the graph's.

    A branch is done, failed, blocked by a failure, running (or was, when the run was left), or open: not begun.
    """

    run_id: str
    graph: str
    status: str
    error: str | None
    branches: dict[str, int]
    sync: dict[str, dict[str, Any]]
    questions: list[Question]
    result: dict[str, Any] | None


def history(database: Database, run_id: str) -> list[Moment]:
    """The checkpoints of a run, the newest first; a pipeline's of all its passes. Raises RunNotFound, InputError."""
    run = runs.get(database, run_id)
    threads = threads_of(database, run_id)
    moments = asyncio.run(_history(database.url, _to_look_at(database, run), threads)) if threads else []
    return sorted(moments, key=lambda moment: (moment.at, moment.step), reverse=True)


def inspect(database: Database, run_id: str) -> Inspection:
    """Where a graph's run stands. Raises RunNotFound, InputError."""
    run = runs.get(database, run_id)
    there = bool(threads_of(database, run_id))
    snapshot = asyncio.run(_last(database.url, _to_look_at(database, run), run_id)) if there else None
    values: dict[str, Any] = snapshot.values if snapshot else {}
    return Inspection(
        run_id=run_id,
        graph=run.pipeline,
        status=run.status,
        error=run.error,
        branches=_branches(database, run, values.get("completed_branches", {}).get("blocked", 0)),
        sync=values.get("sync", {}),
        questions=[Question(id=i.id, about=i.value) for i in (snapshot.interrupts if snapshot else ())],
        result=values.get("result"),
    )


def ended_at(database: Database, run: Run, thread: str, checkpoint: str) -> bool:
    """Whether nothing came after this checkpoint of a run."""
    return not asyncio.run(_last(database.url, _to_look_at(database, run), thread, checkpoint)).next


def _branches(database: Database, run: Run, blocked: int) -> dict[str, int]:
    own = f"{run.pipeline}/"
    rows = database.query(
        "SELECT status, count(*) AS n FROM steps WHERE run_id = %s AND NOT starts_with(step_key, %s) GROUP BY status",
        (run.run_id, own),
    )
    counts = {row["status"]: int(row["n"]) for row in rows} | {"blocked": blocked}
    queue = recorded(database, run.run_id, f"{own}queue") or {"task_queue": []}
    revised = database.query(
        "SELECT coalesce(sum(json_array_length(outcome -> 'again')), 0) AS n FROM steps"
        " WHERE run_id = %s AND starts_with(step_key, %s) AND status = 'done'",
        (run.run_id, f"{own}revision/"),
    )
    asked = len(queue["task_queue"]) + int(revised[0]["n"])
    counts["open"] = max(0, asked - sum(counts.values()))
    return {status: n for status, n in counts.items() if n}


class _Drawn(Protocol):
    def graph(self, checkpointer: BaseCheckpointSaver[str] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]: ...


def _to_look_at(database: Database, run: Run) -> _Drawn:
    """The workflow of a run, with workers of whom the names are known."""
    definition = run.spec
    if run.kind == "graph" and run.pipeline == GRAPH:
        return Assembled(Order.model_validate(definition))
    if run.kind == "pipeline":
        # Its tasks are branches; their workers are the agents that they were given to.
        agents = sorted(set((recorded(database, run.run_id, "assignment") or {}).values()))
        definition = {"graph": "parallel", "workers": {a: [a] for a in agents}, "options": {}, "review": ()}
    return restored(definition, named(definition["workers"]))


async def _history(url: str, workflow: _Drawn, threads: Sequence[str]) -> list[Moment]:
    async with Checkpoints(url) as checkpoints:
        graph = workflow.graph(checkpoints.saver())
        return [
            _moment(thread, snapshot)
            for thread in threads
            async for snapshot in graph.aget_state_history({"configurable": {"thread_id": thread}})
        ]


async def _last(url: str, workflow: _Drawn, thread: str, checkpoint: str | None = None) -> StateSnapshot:
    at = {"checkpoint_id": checkpoint} if checkpoint else {}
    async with Checkpoints(url) as checkpoints:
        return await workflow.graph(checkpoints.saver()).aget_state({"configurable": {"thread_id": thread, **at}})


def _moment(thread: str, snapshot: StateSnapshot) -> Moment:
    assert snapshot.created_at is not None, "what is on record was made at some time"
    return Moment(
        checkpoint=snapshot.config["configurable"]["checkpoint_id"],
        thread=thread,
        step=(snapshot.metadata or {}).get("step", -1),
        at=datetime.fromisoformat(snapshot.created_at),
        next=dict(Counter(snapshot.next)),
        branches=snapshot.values.get("completed_branches", {}),
    )
