"""Clearance: what the catalog knows of files is enforced where files are read, not only where they are found."""

from collections.abc import Callable
from pathlib import Path

from core.classification import Classification
from core.store.database import Database
from tools.context import ToolContext

_CLASSIFIED = """
SELECT d.location, d.classification FROM catalog_datasets d WHERE d.location = %(place)s
UNION
SELECT d.location, d.classification FROM catalog_pieces p JOIN catalog_datasets d ON d.location = p.location
WHERE p.part = %(place)s
"""


def allowed(context: ToolContext, database: Callable[[], Database]) -> Callable[[str], str]:
    """The question whether a path may be read: it is within the roots, and so is its classification the clearance.

    The answer is the path, resolved; or Refused is raised. A file that is in no catalog, or that nobody has
    classified, counts as internal. `database` is asked for when there is something to look up.
    """

    def ask(text: str) -> str:
        place = context.path(text)
        known = database().query(_CLASSIFIED, {"place": place})
        for row in known:
            context.admit(row["location"], list(Classification)[row["classification"]])
        if not known and not _holds_files(place):
            context.admit(text, None)
        return place

    return ask


def _holds_files(place: str) -> bool:
    """Whether a path stands for files, of which each is asked for by itself."""
    return any(letter in place for letter in "*?[") or Path(place).is_dir()
