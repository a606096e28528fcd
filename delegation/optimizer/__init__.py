"""The optimizer: pending tasks to agents, proven or with a proven gap, and what that gains against today."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from delegation.optimizer.optimization import optimize
    from delegation.optimizer.problem import Candidate, PendingTask
    from delegation.optimizer.proposal import Proposal, record

# SciPy takes half a second to import: naming this package must not cost it.
_HOMES = {
    "Candidate": "delegation.optimizer.problem",
    "PendingTask": "delegation.optimizer.problem",
    "Proposal": "delegation.optimizer.proposal",
    "optimize": "delegation.optimizer.optimization",
    "record": "delegation.optimizer.proposal",
}

__all__ = ["Candidate", "PendingTask", "Proposal", "optimize", "record"]

__getattr__ = face(__name__, _HOMES)
