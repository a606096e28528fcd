"""Who may hand what to whom. Agents are known here by their id only."""

from delegation.assignment import Assigner, Assignment, StageAssigner

__all__ = ["Assigner", "Assignment", "StageAssigner"]
