"""Agents as other packages have them, good and bad."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from core.task import Outcome, RowCount
from crews.registry import AgentDefinition, Job


class Keeper:
    """Lets all rows go on as they are; `loses` says how many it drops unseen."""

    def __init__(self, loses: int = 0) -> None:
        self.loses = loses

    def perform(self, job: Job) -> Outcome:
        rows = job.records.rows - self.loses
        output = job.records.model_copy(update={"rows": rows})
        return Outcome(task="", status="done", rows=RowCount(rows_in=rows, rows_out=rows), output=output)


class Silent:
    """Performs, and has nothing to show for it."""

    def perform(self, job: Job) -> None:
        return None


class Idle:
    """No agent: it performs nothing."""


def offered() -> list[AgentDefinition]:
    return [definition("keeper", "Keeper")]


def definition(agent: str, class_name: str, **more: object) -> AgentDefinition:
    fields = {"capabilities": ["data_enrichment"], "input": "records", "output": "records", **more}
    return AgentDefinition.model_validate({"id": agent, "module": __name__, "class": class_name, **fields})


class Slow(Keeper):
    """Waits until it is told to stop, unless the file at `done` is there."""

    def __init__(self, done: str) -> None:
        super().__init__()
        self.done = done

    def perform(self, job: Job) -> Outcome:
        while not Path(self.done).exists():
            job.stop.wait(0.01)
        return super().perform(job)


class Deadly(Keeper):
    """Kills its process, unless the file at `spared` is there, which it makes before."""

    def __init__(self, spared: str) -> None:
        super().__init__()
        self.spared = spared

    def perform(self, job: Job) -> Outcome:
        if not Path(self.spared).exists():
            Path(self.spared).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().perform(job)


class Shaky(Keeper):
    """Fails at its first try, as what is outside sometimes does."""

    def __init__(self, tried: str) -> None:
        super().__init__()
        self.tried = tried

    def perform(self, job: Job) -> Outcome:
        if not Path(self.tried).exists():
            Path(self.tried).touch()
            raise ConnectionError("the service is away")
        return super().perform(job)


class Probed(Keeper):
    """Says of itself whether it can work, by what the test puts into `says`."""

    says: ClassVar[list[Callable[[], None]]] = []

    def probe(self) -> None:
        for say in self.says:
            say()
