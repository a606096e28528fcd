"""Who may hand what to whom. Agents are known here by their id and their card only."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from delegation.approvals import Approval
    from delegation.assignment import Assigner, Assignment, StageAssigner
    from delegation.auction.assignment import AuctionAssigner
    from delegation.auction.auction import Auction
    from delegation.auction.bid import Lot
    from delegation.card import AgentCard, Authority
    from delegation.consensus.consensus import Consensus
    from delegation.decision import Decision, Verdict, record
    from delegation.handover import Handover, PolicyAssigner, hand_over
    from delegation.hierarchy import Coordinator
    from delegation.inquiry import Inquiry, inquire
    from delegation.load import Claim
    from delegation.messages.hub import Hub
    from delegation.monitor.monitor import Monitor
    from delegation.monitor.webhook import Webhook
    from delegation.performance import performances
    from delegation.policy import Policy
    from delegation.priority import Priority
    from delegation.rights import Rights
    from delegation.rules import Rules, load_rules
    from delegation.workload import Workload

_HOMES = {
    "AgentCard": "delegation.card",
    "Approval": "delegation.approvals",
    "Assigner": "delegation.assignment",
    "Assignment": "delegation.assignment",
    "Auction": "delegation.auction.auction",
    "AuctionAssigner": "delegation.auction.assignment",
    "Authority": "delegation.card",
    "Claim": "delegation.load",
    "Consensus": "delegation.consensus.consensus",
    "Coordinator": "delegation.hierarchy",
    "Decision": "delegation.decision",
    "Handover": "delegation.handover",
    "Hub": "delegation.messages.hub",
    "Inquiry": "delegation.inquiry",
    "Monitor": "delegation.monitor.monitor",
    "Lot": "delegation.auction.bid",
    "Policy": "delegation.policy",
    "PolicyAssigner": "delegation.handover",
    "Priority": "delegation.priority",
    "Rights": "delegation.rights",
    "Rules": "delegation.rules",
    "StageAssigner": "delegation.assignment",
    "Verdict": "delegation.decision",
    "Webhook": "delegation.monitor.webhook",
    "Workload": "delegation.workload",
    "hand_over": "delegation.handover",
    "inquire": "delegation.inquiry",
    "load_rules": "delegation.rules",
    "performances": "delegation.performance",
    "record": "delegation.decision",
}

__all__ = [
    "AgentCard",
    "Approval",
    "Assigner",
    "Assignment",
    "Auction",
    "AuctionAssigner",
    "Authority",
    "Claim",
    "Consensus",
    "Coordinator",
    "Decision",
    "Handover",
    "Hub",
    "Inquiry",
    "Lot",
    "Monitor",
    "Policy",
    "PolicyAssigner",
    "Priority",
    "Rights",
    "Rules",
    "StageAssigner",
    "Verdict",
    "Webhook",
    "Workload",
    "hand_over",
    "inquire",
    "load_rules",
    "performances",
    "record",
]

__getattr__ = face(__name__, _HOMES)
