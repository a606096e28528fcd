"""Who does the work."""

from crews.agents import AGENTS, Agent, Work

__all__ = ["AGENTS", "Agent", "Work"]
