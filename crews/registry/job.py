"""Jobs: what a registered agent is given, and what it must be able to do."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from core.dataset import DatasetRef
from core.errors import InputError
from core.stop import Stop
from core.store import Database
from core.task import Outcome
from tools.context import ToolContext
from tools.engine.limits import Limits


@dataclass(frozen=True)
class Job:
    """One unit of work on a dataset.

    The data is what the agent before left (`data`), or, for the first one, what stands at `source`, a path, glob or
    URL. Everything that the agent writes goes under `path`. It reads within the roots of `context`, works within
    `limits`, gives up when `stop` is requested, and takes ages at `began`.
    """

    dataset: str
    source: str
    data: DatasetRef | None
    path: Path
    limits: Limits
    stop: Stop
    began: datetime
    context: ToolContext
    database: Database

    @property
    def records(self) -> DatasetRef:
        """The rows to work on. Raises InputError where there are none yet."""
        if self.data is None:
            raise InputError(
                f"The data of {self.dataset} was not read yet, and this agent takes records.",
                remedy="Begin with an agent that reads, such as batch_processor.",
            )
        return self.data

    @property
    def files(self) -> str:
        """The place of the files to work on: what the agent before left, which are in one folder, or the source."""
        if self.data is None:
            return self.source
        paths = self.data.paths
        return paths[0] if len(paths) == 1 else str(Path(paths[0]).parent)


class DataAgent(Protocol):
    """What a registered class makes: it is called with the configuration as keywords.

    `perform` returns the outcome, whose rows add up and are all that came, or raises CrewlineError. It can be called
    again for the same data: what it does outside of `job.path` must be harmless to do twice. An agent that reads a
    stream also has `confirm(database, outcome)`, called once the outcome is on record and nobody will ask for it again.
    """

    def perform(self, job: Job) -> Outcome: ...
