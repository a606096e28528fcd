"""What an agent can do to data: discover it, read it, judge it, repair it, change it, publish it."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from tools.context import ToolContext
    from tools.discovery.tool import DataDiscoveryTool
    from tools.orchestration.tool import PipelineOrchestratorTool
    from tools.quality.tool import DataQualityTool
    from tools.tool import Tool
    from tools.transformation.tool import DataTransformationTool

__all__ = [
    "DataDiscoveryTool",
    "DataQualityTool",
    "DataTransformationTool",
    "PipelineOrchestratorTool",
    "Tool",
    "ToolContext",
]

_HOMES = {
    "DataDiscoveryTool": "tools.discovery.tool",
    "DataQualityTool": "tools.quality.tool",
    "DataTransformationTool": "tools.transformation.tool",
    "PipelineOrchestratorTool": "tools.orchestration.tool",
    "Tool": "tools.tool",
    "ToolContext": "tools.context",
}

# CrewAI and the engine take seconds to import; naming this package must not cost them.
__getattr__ = face(__name__, _HOMES)
