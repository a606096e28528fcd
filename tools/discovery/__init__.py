"""Discovery: what data there is, how good and fresh it is, and what joins with what."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from tools.discovery.answer import Discovery
    from tools.discovery.catalog import Entry, annotate
    from tools.discovery.crawler import Crawl, crawl
    from tools.discovery.discovery import discover
    from tools.discovery.request import DiscoveryRequest
    from tools.discovery.tool import DataDiscoveryTool

__all__ = ["Crawl", "DataDiscoveryTool", "Discovery", "DiscoveryRequest", "Entry", "annotate", "crawl", "discover"]

_HOMES = {
    "Crawl": "tools.discovery.crawler",
    "DataDiscoveryTool": "tools.discovery.tool",
    "Discovery": "tools.discovery.answer",
    "DiscoveryRequest": "tools.discovery.request",
    "Entry": "tools.discovery.catalog",
    "annotate": "tools.discovery.catalog",
    "crawl": "tools.discovery.crawler",
    "discover": "tools.discovery.discovery",
}

# The tool needs CrewAI, which takes seconds to import.
__getattr__ = face(__name__, _HOMES)
