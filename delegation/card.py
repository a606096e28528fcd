"""Cards: what delegation knows of an agent. Who it is, and how it works, is other floors' matter."""

from enum import IntEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from delegation.name import Name

# Tasks that an agent can have at a time (systems D3).
CAPACITY = 10

# What the store has room for.
MOST_CAPACITY = 2**31 - 1

Skill = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Authority(IntEnum):
    """Levels of authority (systems D1): who stands higher may hand work down."""

    DATA_PROCESSOR = 1
    PIPELINE_COLLABORATOR = 2
    STAGE_COORDINATOR = 3
    PIPELINE_MANAGER = 4
    DATA_ARCHITECT = 5


class AgentCard(BaseModel):
    """An agent, as others see it when they decide what to hand to it.

    `skills` are the task types that it can do, each with how well, 0 to 1. `peers` are the ids of the agents whose
    peer it is: those that it may ask, and that may ask it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Name
    authority: Authority = Authority.DATA_PROCESSOR
    skills: dict[str, Skill] = Field(default_factory=dict)
    capacity: int = Field(default=CAPACITY, ge=0, le=MOST_CAPACITY)
    peers: frozenset[str] = frozenset()
