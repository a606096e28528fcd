"""How long checkpoints are kept: of a run that ended well the last of each thread, of others all, until pruned."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from pydantic import BaseModel

from core import run as runs
from core.errors import InputError
from core.lease import fence
from core.settings import settings
from core.store.database import Connection, Database
from graphs.checkpoints.checkpoints import Checkpoints
from graphs.checkpoints.storage import RunSize, sizes


class Pruned(BaseModel):
    """What was removed. `runs` were looked through; `held` were left alone, as somebody works on them."""

    runs: list[str]
    held: list[str]
    checkpoints: int
    bytes: int


async def keep_latest(url: str, threads: Sequence[str]) -> None:
    """Remove all checkpoints of these threads but the last of each. Call it while holding the lease of their run."""
    async with Checkpoints(url) as checkpoints:
        await checkpoints.saver().aprune(threads, strategy="keep_latest")


def prune(
    database: Database, run_ids: Sequence[str] = (), *, older_than: timedelta | None = None, delete: bool = False
) -> Pruned:
    """Remove checkpoints of runs that nobody works on: all but the last of each thread, or with `delete` all.

    Of the runs named; else of those that were last worked on so long ago, however they ended; else of those that
    ended well. What the ledger has stays: a run without checkpoints can be resumed, its finished work is not done
    again. Raises RunNotFound.
    """
    if older_than is not None and older_than < timedelta(0):
        raise InputError("Runs cannot be younger than now.", remedy="Give a number of days of 0 or more.")
    chosen = _chosen(database, run_ids, older_than)
    before = [size for size in sizes(database) if size.run_id in chosen]
    worth = [size for size in before if delete or size.checkpoints > len(size.threads)]
    held = asyncio.run(_prune(database, worth, "delete" if delete else "keep_latest")) if worth else []
    pruned = [size for size in before if size.run_id not in held]
    left = [size for size in sizes(database) if size.run_id in {of.run_id for of in pruned}]
    return Pruned(
        runs=sorted(str(size.run_id) for size in pruned),
        held=sorted(held),
        checkpoints=sum(size.checkpoints for size in pruned) - sum(size.checkpoints for size in left),
        bytes=sum(size.bytes for size in pruned) - sum(size.bytes for size in left),
    )


def _chosen(database: Database, run_ids: Sequence[str], older_than: timedelta | None) -> set[str]:
    if run_ids:
        return {runs.get(database, run_id).run_id for run_id in run_ids}
    if older_than is None:
        rows = database.query("SELECT run_id FROM runs WHERE status = ANY(%s)", (sorted(runs.FINISHED),))
    else:
        rows = database.query(
            "SELECT run_id FROM runs"
            " WHERE greatest(finished_at, heartbeat_at, created_at) < clock_timestamp() - %s::interval",
            (older_than,),
        )
    return {row["run_id"] for row in rows}


async def _prune(database: Database, found: Sequence[RunSize], strategy: str) -> list[str]:
    """Prune each run that nobody works on; return the others."""
    held = []
    loop = asyncio.get_running_loop()
    async with Checkpoints(database.url) as checkpoints:
        saver = checkpoints.saver()
        for size in found:
            run_id, threads = str(size.run_id), size.threads

            def work(connection: Connection, run_id: str = run_id, threads: list[str] = threads) -> bool:
                # The transaction is idle while the saver, on a connection of its own, does the work.
                connection.execute("SET LOCAL idle_in_transaction_session_timeout = '10min'")
                if not fence(connection, run_id, settings().lease_s):
                    return False
                asyncio.run_coroutine_threadsafe(saver.aprune(threads, strategy=strategy), loop).result()
                return True

            if not await asyncio.to_thread(database.transaction, work):
                held.append(run_id)
    return held
