"""What a task may use of the machine."""

from pydantic import BaseModel, ConfigDict, Field

# An engine session does not come up with less, MB.
LEAST_MEMORY_MB = 128


class Limits(BaseModel):
    """Engine threads, fewer if the memory is little, and memory in MB, beyond which the engine spills to disk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int = Field(default=1, ge=1)
    memory_mb: int = Field(default=512, ge=LEAST_MEMORY_MB)
