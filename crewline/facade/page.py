"""The page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from crewline.page.page import Page


def report(run_id: str, out: str | Path | None = None) -> Page:
    """Write all that is on record of a run as one self-contained HTML page: `out`, or `RUN.html` here.

    A file that stands there is replaced. It works in every state that a run can be in. Raises RunNotFound; InputError
    where the file cannot be written.
    """
    from crewline.page.page import write_page

    with database() as store:
        return write_page(store, run_id, out)
