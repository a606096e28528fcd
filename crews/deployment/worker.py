"""A deployed agent: a thread that answers checks at once, and hands jobs to the streams."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from crews.deployment.jobs import JobRecord
from crews.registry.definition import AgentDefinition
from crews.registry.job import DataAgent
from delegation.clock import Clock


class Answer(NamedTuple):
    """What a check came to: how long it took to be answered, seconds, and why the agent cannot work, if so."""

    response_s: float
    reason: str | None


@dataclass
class Check:
    """A question whether an agent can work. It goes the way that jobs go, and waits behind them."""

    asked_at: float
    answer: Answer | None = None
    answered: threading.Event = field(default_factory=threading.Event)


class Worker:
    """An agent at work until it is told to leave.

    `start_job` is called with each job, and must not block. `look` is called when it is to look whether its source has
    something new: on this agent's thread, so that others do not wait for a source that is slow.
    """

    def __init__(
        self,
        definition: AgentDefinition,
        agent: DataAgent,
        source: str | None,
        clock: Clock,
        start_job: Callable[["Worker", JobRecord], None],
        look: Callable[["Worker"], None],
    ) -> None:
        self.definition = definition
        self.agent = agent
        self.source = source
        self.trouble: str | None = None
        self.running = 0
        self._clock = clock
        self._start_job = start_job
        self._look = look
        self._looking = threading.Event()
        self._inbox: queue.SimpleQueue[Check | JobRecord | threading.Event | None] = queue.SimpleQueue()
        # A daemon: a probe that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._work, name=f"agent-{definition.id}", daemon=True)
        self._thread.start()

    def give(self, job: JobRecord) -> None:
        """Put a job into its inbox."""
        self._inbox.put(job)

    def look(self) -> None:
        """Have it look at its source, if it has one, and is not about to."""
        if self.source is not None and not self._looking.is_set():
            self._looking.set()
            self._inbox.put(self._looking)

    def ask(self) -> Check:
        """Put a check into its inbox."""
        check = Check(self._clock.now())
        self._inbox.put(check)
        return check

    def leave(self, seconds: float) -> None:
        """End its thread, once it has done what is in its inbox; wait for that, but no longer than so many seconds."""
        self._inbox.put(None)
        self._thread.join(seconds)

    def _work(self) -> None:
        while (item := self._inbox.get()) is not None:
            if isinstance(item, JobRecord):
                self._start_job(self, item)
                continue
            if item is self._looking:
                self._look(self)
                self._looking.clear()
                continue
            assert isinstance(item, Check), "nothing else is put there"
            reason = self._probed()
            item.answer = Answer(self._clock.now() - item.asked_at, reason)
            item.answered.set()

    def _probed(self) -> str | None:
        """Why it cannot work, if so: what its last look at its source met, or what its own `probe` raises."""
        if self.trouble:
            return self.trouble
        probe: Callable[[], object] | None = getattr(self.agent, "probe", None)
        if probe is None:
            return None
        try:
            probe()
        except Exception as error:  # noqa: BLE001 - another package's, and told as the agent's health
            return f"{type(error).__name__}: {error}"
        return None
