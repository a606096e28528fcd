"""Who does the work."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.agents import AGENTS, Agent, Work
    from crews.analysis import TaskAnalysis, analyze
    from crews.formation import Candidate, Team, candidates, form
    from crews.history import Record, records
    from crews.skills import Level, Need, Profile, load_profiles

# The agents bring the engine with them, which takes a second to import.
_HOMES = {
    "AGENTS": "crews.agents",
    "Agent": "crews.agents",
    "Candidate": "crews.formation",
    "Level": "crews.skills",
    "Need": "crews.skills",
    "Profile": "crews.skills",
    "Record": "crews.history",
    "TaskAnalysis": "crews.analysis",
    "Team": "crews.formation",
    "Work": "crews.agents",
    "analyze": "crews.analysis",
    "candidates": "crews.formation",
    "form": "crews.formation",
    "load_profiles": "crews.skills",
    "records": "crews.history",
}

__all__ = [
    "AGENTS",
    "Agent",
    "Candidate",
    "Level",
    "Need",
    "Profile",
    "Record",
    "TaskAnalysis",
    "Team",
    "Work",
    "analyze",
    "candidates",
    "form",
    "load_profiles",
    "records",
]

__getattr__ = face(__name__, _HOMES)
