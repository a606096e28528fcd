"""Workers for what graphs ask most: discovery, transformation and checks of data, research, and analysis."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from core.store import Database
    from graphs.worker import Worker
    from tools.context import ToolContext

__all__ = ["default_workers"]


def default_workers(database: "Database", context: "ToolContext") -> "list[Worker]":
    """A worker for each kind that Crewline has one for, within the bounds of the context.

    `primary_analysis` and `secondary_analysis` both perform `analysis`: the graph gives the first what has high
    priority, so that it need not wait for the rest.
    """
    # The engine takes a second to import, which nobody needs who only looks at this package.
    from graphs.workers.analysis import AnalysisWorker
    from graphs.workers.data import DataWorker
    from graphs.workers.research import ResearchWorker

    return [
        DataWorker(database, context),
        ResearchWorker(database, context),
        AnalysisWorker("primary_analysis", database, context),
        AnalysisWorker("secondary_analysis", database, context),
    ]
