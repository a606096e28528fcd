"""A question to the policy, and what was found on its way through the steps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.classification import Classification
from delegation.card import AgentCard
from delegation.decision import Compliance, Decision, Impact, Verdict
from delegation.rights import Rights
from delegation.rules.condition import shown
from delegation.rules.rule import Rule


@dataclass
class Case:
    """Who wants to hand what to whom; `rights` are those that the delegate would get. The steps add the rest."""

    delegator: str
    delegate: str
    task_type: str
    context: Mapping[str, Any]
    rights: Rights | None
    impact: Impact | None = None
    rule: Rule | None = None
    compliance: Compliance = field(default_factory=Compliance)

    @property
    def known(self) -> Impact:
        """The impact, from the second step on."""
        assert self.impact is not None, "the first step finds it"
        return self.impact

    @property
    def applying(self) -> Rule:
        """The rule, from the third step on."""
        assert self.rule is not None, "no step after the rules is reached without one"
        return self.rule

    def closed(self, verdict: Verdict, reason: str, **more: Any) -> Decision:
        """The decision, with all that was found so far."""
        return Decision(
            delegator=self.delegator,
            delegate=self.delegate,
            task_type=self.task_type,
            verdict=verdict,
            reason=reason,
            rule=self.rule.name if self.rule else None,
            impact=self.impact,
            compliance=self.compliance,
            **more,
        )

    def facts(self, card: AgentCard, impact: Impact) -> dict[str, Any]:
        """What conditions are about, if it were this agent that gets the task."""
        measured = {"workload": impact.before, "expertise_match": card.skills.get(self.task_type, 0.0)}
        return {**self.context, **measured}

    def lacking(self) -> str:
        """What the rights must have for the task to be done at all, and do not; empty if nothing."""
        if self.rights is None:
            return ""
        if self.rights.task_types is not None and self.task_type not in self.rights.task_types:
            return f"the task type {self.task_type}"
        return "" if self.rights.roots else "any of the places that the task needs"

    def ungoverned(self) -> list[str]:
        """What governance finds against it, a line each."""
        stated = self.context.get("classification")
        if stated is None:
            stated = Classification.INTERNAL
        words = list(Classification)
        if stated not in words:
            return [f"{shown(stated)} is no classification: there are {', '.join(words)}"]
        clearance = self.rights.clearance if self.rights else Classification.INTERNAL
        if Classification(stated).rank > clearance.rank:
            return [f"the data is {stated}, and the clearance is {clearance}"]
        return []


def shared(held: Rights | None, asked: Rights | None) -> Rights | None:
    """What both allow; where one is not stated, the other."""
    if held is None or asked is None:
        return asked if held is None else held
    return held & asked
