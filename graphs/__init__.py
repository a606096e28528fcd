"""LangGraph StateGraphs on PostgreSQL: parallel branches, sync points, staged pipelines."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphs.branch import Branch, SyncPoint
    from graphs.checkpoints import Checkpoints
    from graphs.parallel.options import Options
    from graphs.parallel.workflow import ParallelWorkflow
    from graphs.runs import GraphReport, Question, aresume, arun, conduct, resume, run
    from graphs.worker import Attempt, FunctionWorker, Result, Worker

# LangGraph takes a second to import: naming this package must not cost it.
_HOMES = {
    "Attempt": "graphs.worker",
    "Branch": "graphs.branch",
    "Checkpoints": "graphs.checkpoints",
    "FunctionWorker": "graphs.worker",
    "GraphReport": "graphs.runs",
    "Options": "graphs.parallel.options",
    "ParallelWorkflow": "graphs.parallel.workflow",
    "Question": "graphs.runs",
    "Result": "graphs.worker",
    "SyncPoint": "graphs.branch",
    "Worker": "graphs.worker",
    "aresume": "graphs.runs",
    "arun": "graphs.runs",
    "conduct": "graphs.runs",
    "resume": "graphs.runs",
    "run": "graphs.runs",
}

__all__ = [
    "Attempt",
    "Branch",
    "Checkpoints",
    "FunctionWorker",
    "GraphReport",
    "Options",
    "ParallelWorkflow",
    "Question",
    "Result",
    "SyncPoint",
    "Worker",
    "aresume",
    "arun",
    "conduct",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'graphs' has no attribute '{name}'")
