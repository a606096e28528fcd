"""All tools, ready for an agent."""

from tools.context import ToolContext
from tools.discovery.tool import DataDiscoveryTool
from tools.tool import Tool


def toolbox(context: ToolContext) -> list[Tool]:
    """One of each tool, within one context."""
    return [DataDiscoveryTool(context=context)]
