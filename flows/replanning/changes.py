"""Changes: how the next round is otherwise than the one that failed, or than it would be."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from graphs.planning.replanning import Kind
from tools.orchestration.amendment import Amendment

# What a task is in want of: what its failure is of, or else a quality of its data, room on the disk, or files that
# finished tasks wrote.
Want = Kind | Literal["quality", "room", "files"]


class Analysis(BaseModel):
    """Why a task failed, or would fail, as far as that tells what may help. `place` is the task without its round."""

    model_config = ConfigDict(frozen=True)

    task: str
    place: str
    kind: Kind
    want: Want
    error: str
    reason: str


class Change(BaseModel):
    """A change for one task: the way out that was taken, and a sentence about it with the evidence for it."""

    model_config = ConfigDict(frozen=True)

    task: str
    kind: Kind
    way: str
    told: str


class Changes(BaseModel):
    """With `alone`, tasks run one at a time, each on the whole machine, after `pause_s` seconds. `pieces` are the parts
    that a task's rows are worked on in, one after the other, and `agents` who does it, by the task's place. By the
    `amendments` sources are read otherwise. Datasets of `repair` are validated again with repair, and with `room` the
    files of attempts that came to nothing are removed.

    `analyses` are of the tasks that failed, and `told` says of each change what it is, and why. Where nothing is left
    to change, `unmet` says what that would have needed.
    """

    model_config = ConfigDict(frozen=True)

    analyses: list[Analysis] = []
    alone: bool = False
    pause_s: float = 0.0
    pieces: dict[str, int] = {}
    agents: dict[str, str] = {}
    amendments: list[Amendment] = []
    repair: list[str] = []
    room: bool = False
    told: list[Change] = []
    unmet: list[str] = []

    @property
    def possible(self) -> bool:
        """Whether the next round would be otherwise."""
        return bool(self.told) and not self.unmet
