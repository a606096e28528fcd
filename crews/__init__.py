"""Who does the work."""

from crews.agents import AGENTS, Agent, Work
from crews.skills import Level, Profile, load_profiles

__all__ = ["AGENTS", "Agent", "Level", "Profile", "Work", "load_profiles"]
