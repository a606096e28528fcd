"""What runs taught: shown with its evidence, undone and redone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from crews.experience.memory import Known
    from crews.experience.report import Experience


def experience(pipeline: str | None = None) -> Experience:
    """What was learned of a pipeline, or of all: each pattern with the runs that speak for it, and how runs change."""
    from crews.experience.report import report

    with database() as store:
        return report(store, pipeline)


def undo(pattern: str) -> Known:
    """Let no run go by a pattern any more, whatever speaks for it, until `redo`. Raises InputError if there is none."""
    from crews.experience import Memory

    with database() as store:
        return Memory(store).undo(pattern)


def redo(pattern: str) -> Known:
    """Let runs go by a pattern again, as long as it holds. Raises InputError if there is none."""
    from crews.experience import Memory

    with database() as store:
        return Memory(store).redo(pattern)
