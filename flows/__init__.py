"""CrewAI Flows: the deterministic course of a pipeline, its routing, its resumption."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.report import RunReport
    from flows.pipeline import DataPipelineFlow

__all__ = ["DataPipelineFlow", "RunReport"]


def __getattr__(name: str) -> Any:
    # CrewAI takes seconds to import; naming this package must not cost them.
    if name == "DataPipelineFlow":
        from flows.pipeline import DataPipelineFlow

        return DataPipelineFlow
    if name == "RunReport":
        from core.report import RunReport

        return RunReport
    raise AttributeError(f"module 'flows' has no attribute '{name}'")
