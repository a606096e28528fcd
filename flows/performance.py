"""Performing a task: under the ledger, by its agent, with its failure as an outcome."""

import time
from collections.abc import Mapping

import psycopg

from core.dataset import DatasetRef
from core.errors import CrewlineError, Interrupted, LeaseLost, OutOfMemory, StoreUnavailable
from core.ledger import check_account
from core.task import Failure, Outcome, Task
from crews import AGENTS, Work
from flows.session import Session
from tools.engine.limits import Limits
from tools.orchestration.requirements import Plan, limits
from tools.sources import SourceUnavailable

# These are about the run as a whole, not about the task that met them.
_FATAL = (Interrupted, LeaseLost, StoreUnavailable)


class Performer:
    """Performs the tasks of a plan in one session. `agents` maps a task's place to the agent that it was given to.

    With `alone`, a task gets the whole machine: for tasks that failed for want of memory, one at a time.
    """

    def __init__(self, session: Session, plan: Plan, agents: Mapping[str, str], *, alone: bool) -> None:
        self._session = session
        self._plan = plan
        self._agents = agents
        self._alone = alone
        self.outcomes: dict[str, Outcome] = {}

    def __call__(self, task: Task) -> Outcome:
        """The task's outcome: as recorded, if it is done; otherwise perform it, and record what came of it.

        A failure is an outcome. Raises what is not about this task: Interrupted, LeaseLost, StoreUnavailable.
        """
        outcome = self._recorded(task) or self._performed(task)
        self.outcomes[task.key] = outcome
        return outcome

    def _recorded(self, task: Task) -> Outcome | None:
        recorded = self._session.ledger.recorded(task.key)
        return Outcome.model_validate(recorded) if recorded else None

    def _performed(self, task: Task) -> Outcome:
        agent = AGENTS[self._agents[task.place]]
        ledger = self._session.ledger
        self._session.stop.check()
        step = ledger.begin(task.key, actor=agent.id)
        started = time.monotonic()
        work = Work(
            spec=self._session.spec,
            surroundings=self._session.surroundings,
            parts=self._plan.parts[task.dataset],
            inputs=self._outputs(task.inputs),
            context={dataset: self._outputs(keys) for dataset, keys in task.context.items()},
            path=step.path,
            limits=self._limits(task),
            stop=self._session.stop,
            began=self._session.began,
        )
        measured = {"attempt": step.attempt, "agent": agent.id}
        try:
            outcome = agent.perform(task, work)
            outcome = outcome.model_copy(update={**measured, "seconds": time.monotonic() - started})
            check_account(outcome)
        except _FATAL:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a task meets is its outcome, and recorded
            if self._session.stop.requested:
                # The stop interrupted the engine, which calls that an error of its own.
                self._session.stop.check()
            outcome = Outcome(task=task.key, status="failed", failure=failure_of(error), **measured)
            outcome = outcome.model_copy(update={"seconds": time.monotonic() - started})
            ledger.end(step, outcome)
        else:
            ledger.end(step, outcome)
        return outcome

    def _outputs(self, keys: tuple[str, ...]) -> list[DatasetRef]:
        return [output for key in keys if (output := self.outcomes[key].output) is not None]

    def _limits(self, task: Task) -> Limits:
        session = self._session
        return session.limits if self._alone else limits(task.stage, session.threads, session.memory_mb)


def failure_of(error: Exception) -> Failure:
    """What kind of failure an error is, and so whether trying again makes sense."""
    message = str(error).strip() or type(error).__name__
    if isinstance(error, (OutOfMemory, MemoryError)):
        return Failure(error=type(error).__name__, message=message, kind="resource")
    if isinstance(error, (SourceUnavailable, psycopg.OperationalError, TimeoutError, ConnectionError)):
        return Failure(error=type(error).__name__, message=message, kind="transient")
    if isinstance(error, OSError) and not isinstance(error, CrewlineError):
        return Failure(error=type(error).__name__, message=message, kind="transient")
    return Failure(error=type(error).__name__, message=message, kind="permanent")
