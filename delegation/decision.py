"""Decisions: whether something may be handed over, why, and what follows from it."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from core import journal
from core.store import Database
from delegation.rights import Rights


class Verdict(StrEnum):
    """How a decision came out: allowed, or the one thing that it was refused for."""

    ALLOWED = "allowed"
    UNKNOWN_AGENT = "unknown_agent"
    BEYOND_RIGHTS = "beyond_rights"
    MISTYPED_CONTEXT = "mistyped_context"
    UNKNOWN_TASK_TYPE = "unknown_task_type"
    NO_RULE = "no_rule"
    NOT_PEERS = "not_peers"
    MISSING_CONTEXT = "missing_context"
    UNMET_CONDITION = "unmet_condition"
    NO_CAPACITY = "no_capacity"
    MISSTATED_RESOURCES = "misstated_resources"
    OVER_LIMITS = "over_limits"
    UNGOVERNED = "ungoverned"


class Impact(BaseModel):
    """What the task means for the workload of the agent that is to get it: its tasks now, and how many it can have."""

    model_config = ConfigDict(frozen=True)

    load: int
    capacity: int

    @property
    def before(self) -> float:
        """The share of its capacity that is taken now. An agent without any capacity is full."""
        return self.load / self.capacity if self.capacity else 1.0

    @property
    def after(self) -> float:
        """The share of its capacity that would be taken."""
        return (self.load + 1) / self.capacity if self.capacity else 1.0


class Compliance(BaseModel):
    """What governance says. `compliant` is None where it was not asked: not required, or refused before."""

    model_config = ConfigDict(frozen=True)

    required: bool = False
    compliant: bool | None = None
    findings: tuple[str, ...] = ()


class Decision(BaseModel):
    """Whether `delegator` may hand a task to `delegate`.

    `reason` says why, and `remedy` what would make a refusal succeed, a line each. `approval`: allowed only once a
    person has approved it. `monitoring`, `quality_validation`: the work must be watched, its result validated.
    `violations` are the limits that were passed, `alternatives` agents that could take the task instead, best first,
    `escalates_to` whom to ask next, for an approval too. `rights` are those that the delegate gets, None where nobody
    stated any.
    """

    model_config = ConfigDict(frozen=True)

    delegator: str
    delegate: str
    task_type: str
    verdict: Verdict
    reason: str
    rule: str | None = None
    impact: Impact | None = None
    compliance: Compliance = Compliance()
    approval: bool = False
    monitoring: bool = False
    quality_validation: bool = False
    violations: tuple[str, ...] = ()
    alternatives: tuple[str, ...] = ()
    escalates_to: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()
    rights: Rights | None = None

    @property
    def allowed(self) -> bool:
        """Whether the task may be handed over, if `approval` asks for none or it was given."""
        return self.verdict is Verdict.ALLOWED


def events(decisions: Iterable[Decision], run_id: str | None) -> list[journal.Event]:
    """What to write into the journal, in the transaction that does what was decided."""
    return [
        journal.Event(
            run_id=run_id,
            kind="delegation.allowed" if decision.allowed else "delegation.refused",
            actor=decision.delegator,
            data=decision.model_dump(mode="json", exclude_defaults=True),
        )
        for decision in decisions
    ]


def record(database: Database, decisions: Iterable[Decision], *, run_id: str | None = None) -> None:
    """Write decisions into the journal, all in one transaction."""
    written = events(decisions, run_id)
    if written:
        database.transaction(lambda connection: journal.write(connection, *written))
