"""Graphs and their runs: drawn, looked at, forked, pruned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from core.errors import InputError
from crewline.facade.store import database

if TYPE_CHECKING:
    from graphs.checkpoints.retention import Pruned
    from graphs.checkpoints.storage import Storage
    from graphs.fork import Fork
    from graphs.inspection import Inspection, Moment


def draw(name: str) -> str:
    """A graph as Mermaid text. Raises InputError, with the names that there are."""
    from graphs.gallery import draw as drawn

    return drawn(name)


def history(run_id: str) -> list[Moment]:
    """The checkpoints of a run, the newest first; of a pipeline's, those of all its passes. Raises RunNotFound."""
    from graphs.inspection import history as of_run

    with database() as store:
        return of_run(store, run_id)


def inspect(run_id: str) -> Inspection:
    """Where a graph's run stands: its branches, its sync points, and what it asks. Raises RunNotFound."""
    from graphs.inspection import inspect as of_run

    with database() as store:
        return of_run(store, run_id)


def fork(run_id: str, checkpoint: str, *, new_id: str | None = None) -> Fork:
    """Put a run on record that goes on from a checkpoint of another, with what was done by then: `resume` it.

    Raises RunNotFound; InputError for a checkpoint that the run does not have, or cannot go on from.
    """
    from flows.fork import fork as forked

    with database() as store:
        return forked(store, run_id, checkpoint, new_id=new_id)


# A hundred years.
_LONGEST_DAYS = 36_500


def prune(run_ids: Sequence[str] = (), *, older_than_days: float | None = None, delete: bool = False) -> Pruned:
    """Remove checkpoints of runs that nobody works on: all but the last of each thread, or with `delete` all.

    Of the runs named; else of those last worked on so many days ago; else of those that ended well. Raises
    RunNotFound.
    """
    from graphs.checkpoints.retention import prune as pruned

    if older_than_days is not None and not 0 <= older_than_days <= _LONGEST_DAYS:
        raise InputError(f"{older_than_days:g} days are no age.", remedy=f"Give 0 to {_LONGEST_DAYS:,}.")
    age = None if older_than_days is None else timedelta(days=older_than_days)
    with database() as store:
        return pruned(store, run_ids, older_than=age, delete=delete)


def storage() -> Storage:
    """How much room checkpoints take, by run and in all."""
    from graphs.checkpoints.storage import storage as measured

    with database() as store:
        return measured(store)
