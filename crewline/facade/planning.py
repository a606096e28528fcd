"""Plans: from a goal in words to a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from graphs.planning.data.proposal import Proposal


def plan(goal: str, sources: str | Path, *, out: str | Path | None = None, reading: int | None = None) -> Proposal:
    """Plan a pipeline for a goal such as "monthly revenue by region", over the data files below the folder `sources`.

    With `out`, the document is written there, unless something that was not planned is there already; paths in it are
    relative to its folder, without `out` to the working directory. `reading` chooses, from 1, where the goal can be
    read in several ways. Raises GoalError, AmbiguousGoal (with the readings), Unsolvable, SourceError, InputError.
    """
    from core.settings import settings
    from graphs.planning.data.proposal import propose, write

    settings().prepare()
    folder = Path(out).absolute().parent if out is not None else Path.cwd()
    with database() as store:
        proposal = propose(goal, str(sources), store, folder=folder, reading=reading)
    if out is not None:
        write(proposal, out)
    return proposal
