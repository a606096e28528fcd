"""Stages that run one after the other, and branches spread over agents."""

from graphs.staged.builder import StagedPipeline
from graphs.staged.circuit import Circuits
from graphs.staged.metrics import MetricsCollector, OpenTelemetryMetrics, StageEvent
from graphs.staged.pipeline import Pipeline
from graphs.staged.processing import ParallelProcessing
from graphs.staged.record import PipelineRun, StageRecord, Try
from graphs.staged.stage import Context

__all__ = [
    "Circuits",
    "Context",
    "MetricsCollector",
    "OpenTelemetryMetrics",
    "ParallelProcessing",
    "Pipeline",
    "PipelineRun",
    "StageEvent",
    "StageRecord",
    "StagedPipeline",
    "Try",
]
