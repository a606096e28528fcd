"""CrewAI Flows: the deterministic course of a pipeline, its routing, its resumption."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from core.report import RunReport
    from flows.pipeline import DataPipelineFlow

_HOMES = {"DataPipelineFlow": "flows.pipeline", "RunReport": "core.report"}

__all__ = ["DataPipelineFlow", "RunReport"]

# CrewAI takes seconds to import; naming this package must not cost them.
__getattr__ = face(__name__, _HOMES)
