"""LangGraph StateGraphs on PostgreSQL: parallel branches, sync points, staged pipelines."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from graphs.adaptive.makers import default_maker
    from graphs.adaptive.workflow import AdaptiveWorkflow
    from graphs.assembly.order import AssemblyReport, Order
    from graphs.assembly.run import resume_assembly, run_assembly
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
    "AssemblyReport": "graphs.assembly.order",
    "Attempt": "graphs.worker",
    "Branch": "graphs.branch",
    "Checkpoints": "graphs.checkpoints",
    "FunctionWorker": "graphs.worker",
    "GraphReport": "graphs.runs",
    "Options": "graphs.parallel.options",
    "Order": "graphs.assembly.order",
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
    "resume_assembly": "graphs.assembly.run",
    "run": "graphs.runs",
    "run_assembly": "graphs.assembly.run",
}

__all__ = [
    "AdaptiveWorkflow",
    "AssemblyReport",
    "Attempt",
    "Branch",
    "Checkpoints",
    "FunctionWorker",
    "GraphReport",
    "Options",
    "Order",
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
    "resume_assembly",
    "run",
    "run_assembly",
]

__getattr__ = face(__name__, _HOMES)
