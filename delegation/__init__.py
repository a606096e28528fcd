"""Who may hand what to whom. Agents are known here by their id and their card only."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from delegation.assignment import Assigner, Assignment, StageAssigner
    from delegation.card import AgentCard, Authority
    from delegation.decision import Decision, Verdict, record
    from delegation.inquiry import Inquiry, inquire
    from delegation.policy import Policy
    from delegation.priority import Priority
    from delegation.rights import Rights
    from delegation.rules import Rules, load_rules

_HOMES = {
    "AgentCard": "delegation.card",
    "Assigner": "delegation.assignment",
    "Assignment": "delegation.assignment",
    "Authority": "delegation.card",
    "Decision": "delegation.decision",
    "Inquiry": "delegation.inquiry",
    "Policy": "delegation.policy",
    "Priority": "delegation.priority",
    "Rights": "delegation.rights",
    "Rules": "delegation.rules",
    "StageAssigner": "delegation.assignment",
    "Verdict": "delegation.decision",
    "inquire": "delegation.inquiry",
    "load_rules": "delegation.rules",
    "record": "delegation.decision",
}

__all__ = [
    "AgentCard",
    "Assigner",
    "Assignment",
    "Authority",
    "Decision",
    "Inquiry",
    "Policy",
    "Priority",
    "Rights",
    "Rules",
    "StageAssigner",
    "Verdict",
    "inquire",
    "load_rules",
    "record",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'delegation' has no attribute '{name}'")
