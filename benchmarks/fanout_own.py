"""Durable no-op branches, by Crewline or LangGraph alone: `fanout_own.py WHO BRANCHES`, the database in the settings.

WHO is crewline; without a ledger, in plain LangGraph, shares, the same waves and Sends, or waves, the same waves with a
Send for each branch; or langgraph, one superstep of such Sends. Each has done a few branches before, so that what
starts up once is not measured. The last line is what it took.
"""

import asyncio
import json
import os
import resource
import sys
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

import psutil
from langgraph.channels import Topic
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from core import run as runs
from core.lease import claim
from core.ledger import Ledger
from core.settings import settings
from core.stop import Stop
from core.store import Database, open_database
from graphs import Attempt, Branch, FunctionWorker, Options, ParallelWorkflow, Result
from graphs.parallel.options import SENDS, WAVE
from graphs.runs import conduct

warnings.filterwarnings("ignore", category=DeprecationWarning)

WARM = 300

Fanout = Callable[[Database, str, int], Awaitable[None]]


def main() -> None:
    who, branches = sys.argv[1], int(sys.argv[2])
    fanout: Fanout = {"crewline": crewline, "shares": shares, "waves": waves, "langgraph": superstep}[who]
    database = open_database()
    try:
        asyncio.run(_warm(fanout, database))
        thread = f"{who}-{os.getpid()}"
        server = _server_seconds(database)
        began, worked = time.perf_counter(), time.process_time()
        asyncio.run(fanout(database, thread, branches))
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        found = {
            "ms_per_branch": round(1000 * seconds / branches, 4),
            "cpu_ms_per_branch": round(1000 * cpu / branches, 4),
            "server_cpu_ms_per_branch": round(1000 * (_server_seconds(database) - server) / branches, 4),
            "checkpoint_bytes": checkpoint_bytes(database, thread),
            "memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
            "branches": branches,
        }
    finally:
        database.close()
    print(json.dumps(found))


async def _warm(fanout: Fanout, database: Database) -> None:
    for n in range(2):
        await fanout(database, f"warm-{os.getpid()}-{n}", WARM)


def workflow() -> ParallelWorkflow:
    """A graph whose branches do nothing, as many at a time as one wave has."""

    async def nothing(branch: Branch, attempt: Attempt) -> Result:
        return Result({})

    worker = FunctionWorker("worker", frozenset({"nothing"}), nothing, capacity=WAVE)
    return ParallelWorkflow([worker], options=Options(concurrency=WAVE))


def of(branches: int) -> list[Branch]:
    return [Branch(key=f"branch/{n}", kind="nothing") for n in range(branches)]


async def crewline(database: Database, thread: str, branches: int) -> None:
    """As `graphs.run` does it, save that the checkpoints are kept, to be weighed."""
    graph = workflow()
    runs.create_graph(database, thread, graph.name, graph.definition)
    lease = await asyncio.to_thread(claim, database, thread, lease_s=settings().lease_s)
    ledger = Ledger(lease, settings().runs_dir / thread)
    report = await conduct(graph, ledger, thread, of(branches), (), stop=Stop(), keep=True, url=database.url)
    await asyncio.to_thread(lease.release, "done", report=report.model_dump(mode="json"))
    assert report.state["result"]["branches"] == {"done": branches}


class _State(TypedDict, total=False):
    branches: int
    sent: int
    arrivals: Annotated[list[str], Topic]


class _Sent(TypedDict):
    keys: list[str]


async def _perform(sent: _Sent) -> dict[str, Any]:
    return {"arrivals": sent["keys"]}


async def superstep(database: Database, thread: str, branches: int) -> None:
    """One superstep of plain Sends."""

    def arrived(state: _State) -> dict[str, Any]:
        assert len(state["arrivals"]) == branches
        return {}

    graph: StateGraph[Any, None, Any, Any] = StateGraph(_State)
    graph.add_node("perform", _perform, input_schema=_Sent)
    graph.add_node("arrived", arrived)
    sends = [Send("perform", {"keys": [f"branch/{n}"]}) for n in range(branches)]
    graph.add_conditional_edges(START, lambda state: sends, ["perform"])
    graph.add_edge("perform", "arrived")
    graph.add_edge("arrived", END)
    await _invoke(graph, database, thread, {"branches": branches})


async def shares(database: Database, thread: str, branches: int) -> None:
    """Waves as large as Crewline's, whose branches share as many Sends."""
    await waves(database, thread, branches, together=WAVE // SENDS)


async def waves(database: Database, thread: str, branches: int, together: int = 1) -> None:
    """Waves as large as Crewline's, with a Send for so many branches together."""

    def coordinate(state: _State) -> dict[str, Any]:
        return {"sent": min(state["branches"], state.get("sent", 0) + WAVE)}

    def send(state: _State) -> list[Send]:
        first = (state["sent"] - 1) // WAVE * WAVE
        keys = [f"branch/{n}" for n in range(first, state["sent"])]
        return [Send("perform", {"keys": keys[n : n + together]}) for n in range(0, len(keys), together)]

    def meet(state: _State) -> dict[str, Any]:
        return {}

    graph: StateGraph[Any, None, Any, Any] = StateGraph(_State)
    graph.add_node("coordinate", coordinate)
    graph.add_node("perform", _perform, input_schema=_Sent)
    graph.add_node("meet", meet)
    graph.add_edge(START, "coordinate")
    graph.add_conditional_edges("coordinate", send, ["perform"])
    graph.add_edge("perform", "meet")
    graph.add_conditional_edges(
        "meet", lambda state: END if state["sent"] == state["branches"] else "coordinate", [END, "coordinate"]
    )
    await _invoke(graph, database, thread, {"branches": branches})


async def _invoke(graph: StateGraph[Any, None, Any, Any], database: Database, thread: str, given: Any) -> None:
    pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
        database.url,
        connection_class=AsyncConnection[DictRow],
        kwargs={"row_factory": dict_row, "autocommit": True, "prepare_threshold": 0},
        open=False,
    )
    async with pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        limits = {"recursion_limit": 1_000_000, "max_concurrency": WAVE}
        compiled = graph.compile(checkpointer=saver)
        await compiled.ainvoke(given, {"configurable": {"thread_id": thread}, **limits}, durability="sync")


def checkpoint_bytes(database: Database, thread: str) -> int:
    """The bytes of all rows that the saver wrote for a thread, as they lie in the tables."""
    tables = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
    each = " UNION ALL ".join(
        f"SELECT sum(pg_column_size(t.*)) AS bytes FROM {table} t WHERE thread_id = %s" for table in tables
    )
    return int(database.query(f"SELECT sum(bytes) AS bytes FROM ({each}) AS each_table", (thread,) * 3)[0]["bytes"])


def _server_seconds(database: Database) -> float:
    """Processor time of all processes of the server, those that have ended too."""
    postmaster = psutil.Process(database.query("SELECT pg_backend_pid() AS pid")[0]["pid"]).parent()
    assert postmaster is not None
    while True:
        own, children = postmaster.cpu_times(), postmaster.children()
        try:
            times = [own, *(child.cpu_times() for child in children)]
        except psutil.NoSuchProcess:
            continue
        # Once a process has ended, its time is its parent's: read again if that happened meanwhile.
        if postmaster.children() == children:
            return float(sum(t.user + t.system for t in times) + own.children_user + own.children_system)


if __name__ == "__main__":
    main()
