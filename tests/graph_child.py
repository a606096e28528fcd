"""A graph's run in a process of its own, so that it can be killed for real."""

import os
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from typing import Any

from tests.child import forked

RUN = "fan"
LAYER = 4


def start(environment: dict[str, str], branches: int, *, kill_after: tuple[int, float] | None = None) -> BaseProcess:
    """Start a process that runs, or resumes, the graph `RUN` of so many branches.

    It is killed with SIGKILL so many seconds after it has begun so many of them, as `kill_after` says.
    """
    return forked(_work, environment, branches, kill_after)


def queue(branches: int) -> "tuple[list[Any], list[Any]]":
    """Four of five branches are free, in two sync points; the fifth needs some of them, or the points."""
    from graphs import Branch, SyncPoint

    free = branches * LAYER // (LAYER + 1)
    keys = [f"b{i}" for i in range(free)]
    points = [SyncPoint(name=name, branches=tuple(keys[i::2]), quorum=1.0) for i, name in enumerate(("even", "odd"))]
    needing = [
        Branch(
            key=f"n{i}", kind="work", needs=("even", "odd") if i % 10 == 0 else tuple(keys[i * LAYER : (i + 1) * LAYER])
        )
        for i in range(branches - free)
    ]
    return [*(Branch(key=key, kind="work") for key in keys), *needing], points


def workflow(begun: Callable[[], None] = lambda: None) -> Any:
    """The graph; `begun` is called at each branch."""
    from graphs import FunctionWorker, Options, ParallelWorkflow, Result

    async def perform(branch: Any, attempt: Any) -> Any:
        begun()
        found = sum((o.result or {})["n"] for o in attempt.needed.values())
        return Result({"n": int(branch.key[1:]) + found})

    return ParallelWorkflow(
        [FunctionWorker("worker", frozenset({"work"}), perform, 64)], options=Options(concurrency=16)
    )


def expected(branches: int) -> dict[str, int]:
    """What each branch must have found in the end."""
    asked, points = queue(branches)
    behind = {point.name: point.branches for point in points}
    found: dict[str, int] = {}
    for branch in asked:
        keys = [key for need in branch.needs for key in behind.get(need, (need,))]
        found[branch.key] = int(branch.key[1:]) + sum(found[key] for key in keys)
    return found


def _work(environment: dict[str, str], branches: int, kill_after: tuple[int, float] | None) -> None:
    os.environ.update(environment)
    from core import run as runs
    from core.errors import RunNotFound
    from core.settings import settings
    from core.store import open_database
    from graphs import resume, run

    settings.cache_clear()
    database = open_database()
    run_id = os.environ.get("GRAPH_RUN", RUN)
    begun = threading.Semaphore(0)
    if kill_after is not None:
        threading.Thread(target=_kill, args=(begun, *kill_after), daemon=True).start()
    try:
        found = runs.get(database, run_id)
    except RunNotFound:
        found = None
    recorded = found and database.query("SELECT 1 FROM steps WHERE run_id = %s LIMIT 1", (run_id,))
    if recorded:
        resume(workflow(begun.release), run_id, database=database)
    else:
        run(workflow(begun.release), *queue(branches), run_id=run_id, database=database)


def _kill(begun: threading.Semaphore, branches: int, seconds: float) -> None:
    for _ in range(branches):
        begun.acquire()
    time.sleep(seconds)
    os.kill(os.getpid(), signal.SIGKILL)
