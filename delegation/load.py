"""Claims, and the loads of agents that they add up to."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from core.errors import InputError
from delegation.name import Line, Name


class Claim(BaseModel):
    """A task that an agent has. `kind` is its stage or type, `complexity` goes from 0 to 1, `volume` is in rows."""

    model_config = ConfigDict(frozen=True)

    id: uuid.UUID = Field(default_factory=uuid.uuid4)
    agent: Name
    task: Annotated[Line, Field(min_length=1)]
    kind: Line = ""
    run_id: str | None = None
    complexity: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    volume: int = Field(default=0, ge=0, lt=2**63)


class Load(BaseModel):
    """What an agent has to do now: how many `tasks` of its `capacity`, their complexities summed up, their volume in
    rows, and how many there are of each kind."""

    model_config = ConfigDict(frozen=True)

    agent: str
    capacity: int
    tasks: int = 0
    complexity: float = 0.0
    volume: int = 0
    kinds: dict[str, int] = Field(default_factory=dict)

    @property
    def free(self) -> int:
        """How many more tasks it may have."""
        return max(0, self.capacity - self.tasks)

    @property
    def share(self) -> float:
        """The share of its capacity that is taken, 0 to 1 and above; 1 for an agent without any."""
        return self.tasks / self.capacity if self.capacity else 1.0


class Loads(dict[str, Load]):
    """What agents had to do at one moment, by id: for many decisions on one query."""

    def load(self, agent_id: str) -> int:
        """The tasks that the agent had. Raises InputError if it was not on record."""
        if agent_id not in self:
            raise unknown(agent_id)
        return self[agent_id].tasks


def load_of(agent: str, capacity: int, claims: Sequence[Mapping[str, Any]]) -> Load:
    """The load of an agent with these claims, rows with `kind`, `complexity` and `volume`."""
    return Load(
        agent=agent,
        capacity=capacity,
        tasks=len(claims),
        complexity=sum(claim["complexity"] for claim in claims),
        volume=sum(claim["volume"] for claim in claims),
        kinds=dict(Counter(claim["kind"] for claim in claims)),
    )


def unknown(agent: str) -> InputError:
    return InputError(f"The workload knows no agent '{agent}'.", remedy="Register its card first.")
