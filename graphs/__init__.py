"""LangGraph StateGraphs on PostgreSQL: parallel branches, sync points, staged pipelines."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from graphs.adaptive.makers import default_maker
    from graphs.adaptive.workflow import AdaptiveWorkflow
    from graphs.branch import Branch, SyncPoint
    from graphs.checkpoints import Checkpoints
    from graphs.parallel.options import Options
    from graphs.parallel.workflow import ParallelWorkflow
    from graphs.runs import GraphReport, Question, aresume, arun, conduct, resume, run
    from graphs.staged.builder import StagedPipeline
    from graphs.staged.processing import ParallelProcessing
    from graphs.worker import Attempt, FunctionWorker, Result, Worker
    from graphs.workers import default_workers

# LangGraph takes a second to import: naming this package must not cost it.
_HOMES = {
    "AdaptiveWorkflow": "graphs.adaptive.workflow",
    "Attempt": "graphs.worker",
    "Branch": "graphs.branch",
    "Checkpoints": "graphs.checkpoints",
    "FunctionWorker": "graphs.worker",
    "GraphReport": "graphs.runs",
    "Options": "graphs.parallel.options",
    "ParallelProcessing": "graphs.staged.processing",
    "ParallelWorkflow": "graphs.parallel.workflow",
    "Question": "graphs.runs",
    "Result": "graphs.worker",
    "StagedPipeline": "graphs.staged.builder",
    "SyncPoint": "graphs.branch",
    "Worker": "graphs.worker",
    "aresume": "graphs.runs",
    "arun": "graphs.runs",
    "conduct": "graphs.runs",
    "default_maker": "graphs.adaptive.makers",
    "default_workers": "graphs.workers",
    "resume": "graphs.runs",
    "run": "graphs.runs",
}

__all__ = [
    "AdaptiveWorkflow",
    "Attempt",
    "Branch",
    "Checkpoints",
    "FunctionWorker",
    "GraphReport",
    "Options",
    "ParallelProcessing",
    "ParallelWorkflow",
    "Question",
    "Result",
    "StagedPipeline",
    "SyncPoint",
    "Worker",
    "aresume",
    "arun",
    "conduct",
    "default_maker",
    "default_workers",
    "resume",
    "run",
]

__getattr__ = face(__name__, _HOMES)
