"""DataDiscoveryTool: discover, for agents."""

from typing import Any

from pydantic import BaseModel

from tools.discovery.discovery import discover
from tools.discovery.request import DiscoveryRequest
from tools.tool import Tool


class DataDiscoveryTool(Tool):
    """Finds datasets below the context's roots; see `discover`."""

    name: str = "data_discovery"
    description: str = (
        "Find datasets by words: files and lake tables, warehouse tables, streams, APIs. Returns them ranked, with "
        "schema, size, freshness, measured quality, owner and classification where known, which of them can be joined "
        "and by which columns, and which sources could not be read. Widen source_types, domains or quality_threshold "
        "when left_out says that they leave out what you look for."
    )
    args_schema: type[BaseModel] = DiscoveryRequest

    def act(self, request: Any) -> BaseModel:
        return discover(request, self.context, self.database())
