"""Changes: how the next round is otherwise than the one that failed."""

from pydantic import BaseModel, ConfigDict

from graphs.planning.replanning import Kind


class Analysis(BaseModel):
    """Why a task failed, as far as that tells what may help."""

    model_config = ConfigDict(frozen=True)

    task: str
    kind: Kind
    error: str
    reason: str


class Changes(BaseModel):
    """With `alone`, tasks run one at a time, each on the whole machine, after `pause_s` seconds. `pieces` are the parts
    that a task's rows are worked on in, one after the other, and `agents` who does it, by the task's place.

    `analyses` are of the tasks that failed, and `told` says of each change what it is, and why. Where nothing is left
    to change, `unmet` says what that would have needed.
    """

    model_config = ConfigDict(frozen=True)

    analyses: list[Analysis] = []
    alone: bool = False
    pause_s: float = 0.0
    pieces: dict[str, int] = {}
    agents: dict[str, str] = {}
    told: list[str] = []
    unmet: list[str] = []

    @property
    def possible(self) -> bool:
        """Whether the next round would be otherwise."""
        return bool(self.told) and not self.unmet
