"""Templates of agents: what each kind of specialist can do, takes, and is told (systems C5)."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from crews.dynamic.parameters import parameters_of


class Resources(BaseModel):
    """What an agent takes of the machine while it works: cores, and megabytes of memory."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: float = Field(default=1.0, gt=0)
    memory_mb: int = Field(default=512, gt=0)


class Template(BaseModel):
    """A kind of specialist. `capabilities` are the kinds of tasks that it performs; those of a family share a prefix.

    `parameters` are what its agents are told, unless the task says otherwise.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    capabilities: frozenset[str]
    resources: Resources = Resources()
    parameters: dict[str, Any] = Field(default_factory=dict)

    def match(self, kind: str) -> float:
        """How well it fits a kind of task, 0 to 1: 1 for the kind itself, 0.5 for another of its family."""
        if kind in self.capabilities:
            return 1.0
        family = kind.partition(".")[0]
        return 0.5 if any(capability.partition(".")[0] == family for capability in self.capabilities) else 0.0


TEMPLATES: dict[str, Template] = {
    template.name: template
    for template in (
        Template(
            name="research",
            capabilities=frozenset(
                {"research", "research.technical", "research.market", "research.competitive", "discovery"}
            ),
            parameters=parameters_of("research"),
        ),
        Template(
            name="analysis",
            capabilities=frozenset({"analysis"}),
            resources=Resources(cores=1.0, memory_mb=1024),
            parameters=parameters_of("analysis"),
        ),
        Template(
            name="synthesis",
            capabilities=frozenset({"synthesis"}),
            resources=Resources(cores=0.5, memory_mb=256),
            parameters=parameters_of("synthesis"),
        ),
        Template(
            name="validation",
            capabilities=frozenset({"quality"}),
            resources=Resources(cores=1.0, memory_mb=1024),
            parameters=parameters_of("validation"),
        ),
        Template(
            name="monitoring",
            capabilities=frozenset({"monitoring"}),
            resources=Resources(cores=0.25, memory_mb=128),
            parameters=parameters_of("monitoring"),
        ),
        Template(
            name="coordination",
            capabilities=frozenset({"coordination"}),
            resources=Resources(cores=0.25, memory_mb=128),
            parameters=parameters_of("coordination"),
        ),
    )
}
