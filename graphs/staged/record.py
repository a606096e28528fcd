"""What is on record of a pipeline's run and of each of its stages, in checkpoints and for callers alike."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core.task import Failure

Status = Literal["pending", "running", "success", "failed", "cancelled"]


class Try(BaseModel):
    """One try at a stage. `began` is in UTC, ISO 8601; `failure` is None if it succeeded.

    `late` is true of a second entry, for what an abandoned try did when it ended at last: it was discarded.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    number: int
    began: str
    seconds: float
    failure: Failure | None = None
    late: bool = False


class StageRecord(BaseModel):
    """A stage of a run. `output` is what it returned, plain JSON; `tries` count on when a run is resumed.

    `skipped` is true of a stage that failed, or whose circuit was open, and was passed over as its policy says.
    """

    model_config = ConfigDict(frozen=True)

    stage: str
    status: Status = "pending"
    skipped: bool = False
    tries: tuple[Try, ...] = ()
    output: Any = None

    @property
    def stopped(self) -> bool:
        """Whether the run ended here."""
        return self.status in ("failed", "cancelled") and not self.skipped

    @property
    def seconds(self) -> float:
        """What its tries took, without the waits between them."""
        return sum(entry.seconds for entry in self.tries if not entry.late)


class PipelineRun(BaseModel):
    """A run: its status, its input, and its stages in order. Plain JSON by `model_dump(mode="json")`.

    A run is `running` from its start until it has ended. Whether a process works on it, its holder knows: after a crash
    it says `running` until it is resumed.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    pipeline: str
    status: Status
    input: Any
    stages: tuple[StageRecord, ...]

    @property
    def output(self) -> Any:
        """What the last stage that succeeded returned; the input if none did."""
        return passed_on(self.input, self.stages)

    @property
    def history(self) -> tuple[Try, ...]:
        """All tries, stage by stage."""
        return tuple(entry for record in self.stages for entry in record.tries)

    @property
    def errors(self) -> tuple[Try, ...]:
        """The tries that failed."""
        return tuple(entry for entry in self.history if entry.failure)

    def stage(self, name: str) -> StageRecord:
        """The stage of this name. Raises KeyError if there is none."""
        found = {record.stage: record for record in self.stages}
        return found[name]


def passed_on(given: Any, before: tuple[StageRecord, ...]) -> Any:
    """What a stage gets: the output of the last one before it that succeeded, or the run's input."""
    outputs = [record.output for record in before if record.status == "success"]
    return outputs[-1] if outputs else given
