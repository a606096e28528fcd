"""What a task may use of the machine."""

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Engine threads, fewer if the memory is little, and memory in MB, beyond which the engine spills to disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(default=1, ge=1)
    memory_mb: int = Field(default=512, ge=128)
