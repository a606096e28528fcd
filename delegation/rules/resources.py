"""Resources: what a delegated task may use, and what it asks for."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from core.spec.part import Part
from delegation.rules.condition import ABSURD, kind, shown

# Strict: "20", true and yes are no amounts.
Amount = Annotated[float, Field(ge=0, le=ABSURD, strict=True)]


class Resources(Part):
    """Limits: what is not named is not limited.

    `cpu` in cores, `memory` and `storage` in GB, `bandwidth` in Mbit/s, `hours` of work.
    """

    cpu: Amount | None = None
    memory: Amount | None = None
    storage: Amount | None = None
    bandwidth: Amount | None = None
    hours: Amount | None = None

    @cached_property
    def named(self) -> dict[str, float]:
        """Those that are limited."""
        return {name: value for name in NAMES if (value := getattr(self, name)) is not None}

    def __and__(self, other: "Resources") -> "Resources":
        """The lower of each limit."""
        both = [self.named, other.named]
        return Resources(
            **{name: min(limits[name] for limits in both if name in limits) for name in {**both[0], **both[1]}}
        )


NAMES = tuple(Resources.model_fields)


def misstated(asked: Any) -> list[str]:
    """What is wrong with a request for resources, one line each; empty if it is a mapping of names to amounts."""
    if not isinstance(asked, Mapping):
        return [f"resources are a mapping of names to amounts, not {shown(asked)}"]
    problems = []
    for name, amount in asked.items():
        if name not in NAMES:
            problems.append(f"there is no resource {shown(name)}: there are {', '.join(NAMES)}")
        elif kind(amount) != "number":
            problems.append(f"{name} is no number: {shown(amount)}")
        elif not 0 <= amount <= ABSURD:
            problems.append(f"{name} {shown(amount)} is not between 0 and {ABSURD:g}")
    return problems


def excess(asked: Mapping[str, float], limits: Mapping[str, float]) -> list[str]:
    """Where a request goes beyond the limits, one line each."""
    return [
        f"{name} {amount!r} is over the limit of {limits[name]:g}"
        for name, amount in asked.items()
        if name in limits and amount > limits[name]
    ]
