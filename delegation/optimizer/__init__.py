"""The optimizer: pending tasks to agents, proven or with a proven gap, and what that gains against today."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'delegation.optimizer' has no attribute '{name}'")
