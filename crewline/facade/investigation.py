"""Why a run did not go straight to its target, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from flows.investigation.investigation import Investigation


def investigate(run_id: str, *, apply: bool = False) -> Investigation:
    """Explain why a run failed, waits, or was sent to be enhanced or retried, step by step, and propose a change.

    With `apply`, the change is written into the run's document. Rules do it; a language model chooses the steps where
    one is configured. Raises RunNotFound; InputError for a run that is being worked on, a graph's, or with nothing to
    apply; SpecChanged where the document has changed since.
    """
    from core.llm import configured
    from core.settings import settings
    from flows.investigation.investigation import investigate as look_into

    llm = configured()
    with database() as store:
        return look_into(store, run_id, settings(), llm=llm, apply=apply)
