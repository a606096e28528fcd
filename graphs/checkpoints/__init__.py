"""LangGraph's checkpoints in PostgreSQL: where a graph was."""

from graphs.checkpoints.checkpoints import Checkpoints, Saver

__all__ = ["Checkpoints", "Saver"]
