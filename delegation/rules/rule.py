"""Rules: who may hand which tasks to whom, under which conditions, within which limits."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from core.spec.part import Part
from delegation.card import Authority
from delegation.rules.condition import Condition, Finding, together
from delegation.rules.resources import Resources


def _level(value: Any) -> Any:
    names = [level.name.lower() for level in Authority]
    if isinstance(value, Authority):
        return value
    if value not in names:
        raise ValueError(f"must be one of {', '.join(names)}")
    return Authority[value.upper()]


Level = Annotated[Authority, BeforeValidator(_level)]
Word = Annotated[str, Field(min_length=1, max_length=100)]


class Rule(Part):
    """Agents of the level `from` may hand the task types to agents of the level `to`, if all conditions are met.

    A rule between agents of one level is a peer rule: it holds between peers alone. `approval`: a person must approve
    first. `governance`: the governance of the data is checked. `quality_validation`: what comes back is validated.
    `monitoring`: the work is watched while it is done. `escalates_to` is the path of what the limits refuse.
    """

    name: Word
    delegator: Level = Field(alias="from")
    delegate: Level = Field(alias="to")
    task_types: tuple[Word, ...] = Field(min_length=1)
    conditions: tuple[Condition, ...] = ()
    limits: Resources = Resources()
    approval: StrictBool
    governance: StrictBool
    quality_validation: StrictBool
    monitoring: StrictBool
    escalates_to: tuple[Word, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> "Rule":
        if self.delegate > self.delegator:
            raise ValueError(f"'{self.name}' hands work up, from {told(self.delegator)} to {told(self.delegate)}")
        if any(condition.field == "resources" for condition in self.conditions):
            raise ValueError(f"the conditions of '{self.name}' are about resources, which limits are for")
        measured = [bound for bound in MEASURED if any(bound.field == known.field for known in self.conditions)]
        if not together([*self.conditions, *measured]):
            conditions = " and ".join(map(str, [*self.conditions, *measured]))
            raise ValueError(f"the conditions of '{self.name}' can never hold together: {conditions}")
        return self

    @property
    def of_peers(self) -> bool:
        """Whether it holds between peers alone."""
        return self.delegator is self.delegate

    def failing(self, facts: Mapping[str, Any]) -> list[tuple[Condition, Finding]]:
        """The conditions that the facts do not meet, each with what became of it; without any, the rule applies."""
        found = [(condition, condition.check(facts)) for condition in self.conditions]
        return [(condition, finding) for condition, finding in found if finding is not Finding.MET]

    def contradicts(self, other: "Rule") -> list[str]:
        """In what two rules differ for the same task; empty if no task falls under both, or both say the same of it."""
        if (self.delegator, self.delegate) != (other.delegator, other.delegate):
            return []
        shared = set(self.task_types) & set(other.task_types)
        differing = [name for name in CONSEQUENCES if getattr(self, name) != getattr(other, name)]
        if not shared or not differing or not together(self.conditions + other.conditions):
            return []
        return differing


# What the policy measures itself is a share; an agent at or above its capacity gets nothing anyway.
MEASURED = tuple(
    Condition(field=field, operator=operator, value=value)
    for field in ("workload", "expertise_match")
    for operator, value in ((">=", 0), ("<=", 1))
)

# What follows from a rule.
CONSEQUENCES = ("limits", "approval", "governance", "quality_validation", "monitoring", "escalates_to")


def told(level: Authority) -> str:
    """A level as rules and messages write it."""
    return level.name.lower()
