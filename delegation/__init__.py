"""Who may hand what to whom. Agents are known here by their ids and their cards only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delegation.approvals import Approval
    from delegation.assignment import Assigner, Assignment, StageAssigner
    from delegation.card import AgentCard, Authority
    from delegation.monitor.alert import Alert
    from delegation.monitor.monitor import Monitor, Pass
    from delegation.monitor.webhook import Webhook
    from delegation.performance import Performance, performances
    from delegation.workload import Claim, Load, Loads, Workload

_HOMES = {
    "AgentCard": "delegation.card",
    "Alert": "delegation.monitor.alert",
    "Approval": "delegation.approvals",
    "Assigner": "delegation.assignment",
    "Assignment": "delegation.assignment",
    "Authority": "delegation.card",
    "Claim": "delegation.workload",
    "Load": "delegation.workload",
    "Loads": "delegation.workload",
    "Monitor": "delegation.monitor.monitor",
    "Pass": "delegation.monitor.monitor",
    "Performance": "delegation.performance",
    "StageAssigner": "delegation.assignment",
    "Webhook": "delegation.monitor.webhook",
    "Workload": "delegation.workload",
    "performances": "delegation.performance",
}

__all__ = [
    "AgentCard",
    "Alert",
    "Approval",
    "Assigner",
    "Assignment",
    "Authority",
    "Claim",
    "Load",
    "Loads",
    "Monitor",
    "Pass",
    "Performance",
    "StageAssigner",
    "Webhook",
    "Workload",
    "performances",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'delegation' has no attribute '{name}'")
