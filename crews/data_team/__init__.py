"""A crew of CrewAI that does stages: it judges the cells that rules alone would send to quarantine."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.data_team.agent import CrewedAgent
    from crews.data_team.budget import Budget
    from crews.data_team.crew import DataTeam

__all__ = ["Budget", "CrewedAgent", "DataTeam"]

_HOMES = {
    "Budget": "crews.data_team.budget",
    "CrewedAgent": "crews.data_team.agent",
    "DataTeam": "crews.data_team.crew",
}

# CrewAI takes seconds to import.
__getattr__ = face(__name__, _HOMES)
