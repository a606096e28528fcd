"""Forks of runs: another run that goes on from a checkpoint, with what was done by then."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel

from core import run as runs
from core.errors import InputError
from core.fork import fork_run
from core.run import Run
from core.store.database import Connection, Database
from graphs.checkpoints import Checkpoints
from graphs.checkpoints.storage import threads_of
from graphs.inspection import ended_at


class Fork(BaseModel):
    """A run that begins where another one was: `steps` of that were done by then, and are not done again."""

    run_id: str
    of: str
    checkpoint: str
    at: datetime
    steps: int


@dataclass(frozen=True)
class Place:
    """A checkpoint of a run: the thread that it is of, and when it was saved."""

    run: Run
    thread: str
    checkpoint: str
    at: datetime


def fork(database: Database, run_id: str, checkpoint: str, *, new_id: str | None = None) -> Fork:
    """Put a run on record that goes on from a checkpoint of a graph's run. `resume` it.

    Raises RunNotFound; InputError for a checkpoint that the run does not have, or after which nothing comes.
    """
    place = locate(database, runs.get(database, run_id), checkpoint)
    if ended_at(database, place.run, place.thread, checkpoint):
        raise InputError(
            f"The graph of run {run_id} had ended at checkpoint {checkpoint}.",
            remedy=f"Fork at one before it; see: crewline graph history {run_id}",
        )
    return fork_at(database, place, new_id)


def locate(database: Database, run: Run, checkpoint: str) -> Place:
    """Where a checkpoint of a run is. Raises InputError if it has none of this id."""
    threads = threads_of(database, run.run_id)
    # Without threads there may be no table either.
    rows = threads and database.query(
        "SELECT thread_id, checkpoint ->> 'ts' AS at FROM checkpoints"
        " WHERE checkpoint_id = %s AND checkpoint_ns = '' AND thread_id = ANY(%s)",
        (checkpoint, threads),
    )
    if not rows:
        raise InputError(
            f"Run {run.run_id} has no checkpoint {checkpoint}.",
            remedy=f"See those that it has with: crewline graph history {run.run_id}",
        )
    return Place(run, rows[0]["thread_id"], checkpoint, datetime.fromisoformat(rows[0]["at"]))


def fork_at(
    database: Database, place: Place, new_id: str | None, also: Callable[[Connection, str], None] | None = None
) -> Fork:
    """Put a run on record that goes on from there. `also` is done with its id, in the transaction that records it."""
    run, checkpoint = place.run, place.checkpoint
    chosen = new_id or runs.new_id(run.pipeline)
    runs.check_id(chosen)
    thread = chosen + place.thread.removeprefix(run.run_id)
    # Before the run is on record: should this be the last thing that is done, nothing leads here.
    asyncio.run(_copy(database.url, place, thread))
    told: dict[str, Any] = {"checkpoint": checkpoint, "thread": place.thread, "at": place.at.isoformat()}
    steps = fork_run(database, run, chosen, at=place.at, told=told, also=(lambda c: also(c, chosen)) if also else None)
    return Fork(run_id=chosen, of=run.run_id, checkpoint=checkpoint, at=place.at, steps=steps)


async def _copy(url: str, place: Place, thread: str) -> None:
    """Make a checkpoint the first of another thread. Raises InputError if that has others."""
    async with Checkpoints(url) as checkpoints:
        saver = checkpoints.saver()
        there = await saver.aget_tuple({"configurable": {"thread_id": thread}})
        if there is not None and there.checkpoint["id"] != place.checkpoint:
            raise InputError(f"There is a thread {thread} already.", remedy="Give the fork another id.")
        found = await saver.aget_tuple({"configurable": {"thread_id": place.thread, "checkpoint_id": place.checkpoint}})
        assert found is not None, "its thread was looked up"
        # What single nodes wrote beyond it is left behind: a node that had ended is found on record, others begin anew.
        await saver.aput(
            {"configurable": {"thread_id": thread, "checkpoint_ns": ""}},
            found.checkpoint,
            {**found.metadata, "source": "fork"},
            found.checkpoint["channel_versions"],
        )
