"""Streams: jobs of deployed agents under way, several at a time, each put on record however it ends."""

import math
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from core.errors import Interrupted, LeaseLost, StoreUnavailable
from core.ledger import Ledger, Step, check_account
from core.stop import Stop
from core.store import Database
from core.task import Failure, Outcome
from crews.deployment import jobs
from crews.deployment.jobs import JobRecord
from crews.deployment.worker import Worker
from crews.dynamic.pool import ResourcePool
from crews.registry.job import Job
from tools.context import ToolContext
from tools.engine.limits import Limits

# Jobs at a time (systems C8).
STREAMS = 8

_LONGEST_MESSAGE = 2000


class Streams:
    """Does jobs for a deployment. A job is a step of its ledger; when `stop` is requested, jobs that are not done are
    given back. What is about the deployment as a whole, a lost lease or database, requests that stop.

    `changed` is notified whenever a job has ended.
    """

    def __init__(self, ledger: Ledger, pool: ResourcePool, context: ToolContext, stop: Stop) -> None:
        self.changed = threading.Condition()
        self._ledger = ledger
        self._pool = pool
        self._context = context
        self._stop = stop
        self._jobs: set[uuid.UUID] = set()
        self._threads = ThreadPoolExecutor(STREAMS, thread_name_prefix="stream")

    @property
    def free(self) -> int:
        """How many more jobs there is room for."""
        with self.changed:
            return STREAMS - len(self._jobs)

    @property
    def jobs(self) -> set[uuid.UUID]:
        """The jobs that are under way."""
        with self.changed:
            return set(self._jobs)

    def reserve(self, worker: Worker, job: JobRecord) -> None:
        """Count a job that was taken for a worker as under way, before it has begun."""
        with self.changed:
            self._jobs.add(job.job)
            worker.running += 1

    def start(self, worker: Worker, job: JobRecord) -> None:
        """Begin a job for which room was reserved."""
        try:
            self._threads.submit(self._work, worker, job)
        except RuntimeError:
            # The streams are closed: the deployment ends.
            self._end(worker, job, lambda: jobs.give_back(self._database, job))

    def wait_for(self, worker: Worker, seconds: float) -> None:
        """Wait until none of the worker's jobs is under way, looking every so many seconds at least."""
        with self.changed:
            while worker.running:
                self.changed.wait(seconds)

    def close(self) -> None:
        """Begin no more jobs, and wait for those that are under way."""
        self._threads.shutdown(wait=True)

    @property
    def _database(self) -> Database:
        return self._ledger.lease.database

    def _work(self, worker: Worker, job: JobRecord) -> None:
        try:
            self._stop.check()
            outcome = self._performed(worker, job)
        except Interrupted:
            self._end(worker, job, lambda: jobs.give_back(self._database, job))
        except (LeaseLost, StoreUnavailable) as lost:
            self._stop.request(str(lost))
            self._end(worker, job, None)
        else:
            self._end(worker, job, lambda: jobs.finish(self._database, job, outcome))

    def _end(self, worker: Worker, job: JobRecord, told: Callable[[], None] | None) -> None:
        try:
            if told:
                told()
        except StoreUnavailable as lost:
            self._stop.request(str(lost))
        finally:
            with self.changed:
                self._jobs.discard(job.job)
                worker.running -= 1
                self.changed.notify_all()

    def _performed(self, worker: Worker, job: JobRecord) -> Outcome:
        """What came of a job; a failure is an outcome. Raises what is about the deployment as a whole."""
        definition = worker.definition
        key = f"{next(iter(definition.capabilities))}/{job.dataset}/{job.job.hex[:12]}-{job.attempts}"
        step = self._ledger.begin(key, actor=definition.id)
        start = time.monotonic()
        told = {"task": key, "agent": definition.id, "attempt": step.attempt}
        try:
            wanted = self._pool.fitted(definition.resources)
            limits = Limits(threads=math.ceil(wanted.cores), memory_mb=max(128, wanted.memory_mb))
            with self._pool.held(definition.id, wanted, stop=self._stop):
                outcome = worker.agent.perform(self._job(job, step, limits))
            outcome = outcome.model_copy(update={**told, "seconds": time.monotonic() - start})
            check_account(outcome)
        except (Interrupted, LeaseLost, StoreUnavailable):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a job meets is its outcome, and recorded
            # A stop interrupts the engine, which calls that an error of its own.
            self._stop.check()
            message = str(error)[:_LONGEST_MESSAGE] or type(error).__name__
            failure = Failure(error=type(error).__name__, message=message)
            outcome = Outcome.model_validate(
                {**told, "status": "failed", "failure": failure, "seconds": time.monotonic() - start}
            )
        self._ledger.end(step, outcome)
        if outcome.status == "done" and (confirm := getattr(worker.agent, "confirm", None)):
            confirm(self._database, outcome)
        return outcome

    def _job(self, job: JobRecord, step: Step, limits: Limits) -> Job:
        return Job(
            dataset=job.dataset,
            source=job.source,
            data=job.data,
            path=step.path,
            limits=limits,
            stop=self._stop,
            began=datetime.now(UTC),
            context=self._context,
            database=self._database,
        )
