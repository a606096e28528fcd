"""How a parallel workflow goes about its branches."""

from pydantic import BaseModel, ConfigDict, Field

# Branches that one superstep sends at most: the cost of each grows with their number (LangGraph 1.2, measured).
WAVE = 512

# Sends that a wave takes at most. LangGraph's cost is that of a Send, so the branches of a large wave share them.
SENDS = 32


class Options(BaseModel):
    """Limits of a workflow, all of them kept.

    `concurrency` is how many branches are worked on at a time; unset, the mode decides: up to 5, 1 or 3 (systems G1).
    `timeout_s` is the longest that a branch may take, unless it says otherwise. `attempts` is how often a branch that
    failed, and not for good, is tried in all. `quality` is what the result must be worth, on the mean of the branches
    that measured theirs; those below are done once more, at most `revisions` times.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int | None = Field(default=None, ge=1, le=10_000)
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    attempts: int = Field(default=2, ge=1, le=100)
    quality: float = Field(default=0.8, ge=0, le=1)
    revisions: int = Field(default=1, ge=0, le=20)
