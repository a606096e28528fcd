"""LangGraph's checkpoints in PostgreSQL: where a graph was, for how long it is kept, and what it takes."""

from graphs.checkpoints.checkpoints import Checkpoints, Saver

__all__ = ["Checkpoints", "Saver"]
