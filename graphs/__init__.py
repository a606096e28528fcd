"""How tasks are run: in which order, how many at a time; and the graphs that run other work."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphs.staged.builder import StagedPipeline
    from graphs.staged.processing import ParallelProcessing
    from graphs.workflow import ThreadWorkflow, Workflow

__all__ = ["ParallelProcessing", "StagedPipeline", "ThreadWorkflow", "Workflow"]

_HOME = {
    "ParallelProcessing": "graphs.staged.processing",
    "StagedPipeline": "graphs.staged.builder",
    "ThreadWorkflow": "graphs.workflow",
    "Workflow": "graphs.workflow",
}


def __getattr__(name: str) -> Any:
    # LangGraph takes half a second to import; naming this package must not cost it.
    if name not in _HOME:
        raise AttributeError(f"module 'graphs' has no attribute '{name}'")
    return getattr(import_module(_HOME[name]), name)
