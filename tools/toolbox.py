"""All tools, ready for an agent."""

from tools.context import ToolContext
from tools.discovery.tool import DataDiscoveryTool
from tools.orchestration.tool import PipelineOrchestratorTool
from tools.quality.tool import DataQualityTool
from tools.tool import Tool
from tools.transformation.tool import DataTransformationTool


def toolbox(context: ToolContext) -> list[Tool]:
    """One of each tool, within one context."""
    return [
        DataDiscoveryTool(context=context),
        DataQualityTool(context=context),
        DataTransformationTool(context=context),
        PipelineOrchestratorTool(context=context),
    ]
