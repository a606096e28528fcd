"""Teams: who together is best for what a task needs, and why (systems C3)."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from crews.formation.candidate import Candidate, candidates
    from crews.formation.formation import form
    from crews.formation.score import WEIGHTS
    from crews.formation.team import Team

# NumPy takes a moment to import.
_HOMES = {
    "WEIGHTS": "crews.formation.score",
    "Candidate": "crews.formation.candidate",
    "Team": "crews.formation.team",
    "candidates": "crews.formation.candidate",
    "form": "crews.formation.formation",
}

__all__ = ["WEIGHTS", "Candidate", "Team", "candidates", "form"]

__getattr__ = face(__name__, _HOMES)
