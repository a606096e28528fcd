"""What a transformation reads, within the bounds of its context."""

from pathlib import Path

from ibis.expr.types import Table

from core.errors import SourceError
from tools.context import ToolContext
from tools.engine.engine import Engine
from tools.sources.opening import Files, Opened, open_files
from tools.sources.reader import Surroundings, find_files


def opened(engine: Engine, name: str, files: Files, context: ToolContext, scratch: Path) -> Opened:
    """The files, opened. A folder stands for all files of its kind below it. Raises SourceError, Refused."""
    context.admit(name, None)
    pattern = context.path(files.path)
    if "://" not in pattern and Path(pattern).is_dir():
        ending = files.kind or "parquet"
        files = files.model_copy(update={"kind": ending})
        pattern = f"{pattern}/**/*.{ending}"
    parts = find_files(name, pattern, Surroundings(base_dir="/", database_url=""))
    for part in parts:
        # A glob may come upon a link that leads out of the roots.
        context.path(part.path)
    return open_files(engine, name, files, parts, scratch)


def looked_up(engine: Engine, name: str, files: Files, context: ToolContext, scratch: Path) -> Table:
    """The rows of files that others are looked up in. Raises SourceError also for a cell that is not of its type."""
    found = opened(engine, name, files, context, scratch)
    for gone in found.left:
        if told := engine.rows(gone.limit(1)):
            raise SourceError(
                name, f"there is a row that cannot be used: {told[0]['reason']}.", remedy="Clean it before."
            )
    return found.rows
