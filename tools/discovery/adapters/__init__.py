"""The places where data is: file systems and lakes, warehouses, streams, HTTP APIs, and what other packages add."""

from tools.discovery.adapters.adapter import Adapter, Part, adapter, guarded

__all__ = ["Adapter", "Part", "adapter", "guarded"]
