"""What runs taught: shown with its evidence, undone and redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from crews.experience.report import Experience


def experience(pipeline: str | None = None, *, undo: str | None = None, redo: str | None = None) -> Experience:
    """What was learned of a pipeline, or of all: each pattern with the runs that speak for it, and how runs change.

    `undo` is the id of a pattern that no run goes by any more then, whatever speaks for it; `redo` of one that runs go
    by again, as long as it holds. Raises InputError if there is none of this id.
    """
    from crews.experience import Memory
    from crews.experience.report import report

    with database() as store:
        if undo is not None:
            Memory(store).undo(undo)
        if redo is not None:
            Memory(store).redo(redo)
        return report(store, pipeline)
