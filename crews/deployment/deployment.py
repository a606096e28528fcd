"""A deployment: agents as long-lived workers in this process, for all who leave jobs for them (systems C8).

It is a run on record: its lease says that it is alive, its steps what its agents did. What it had when it died, others
take.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from core import run as runs
from core.errors import CrewlineError, InputError, Interrupted, LeaseLost, StoreUnavailable
from core.lease import claim
from core.ledger import Ledger
from core.settings import settings
from core.stop import Stop
from core.store import Database
from core.store.database import Connection
from crews.deployment import jobs
from crews.deployment.health import DeploymentReport, report
from crews.deployment.jobs import DEPLOYMENT
from crews.deployment.streams import Streams
from crews.deployment.worker import Answer, Worker
from crews.dynamic.pool import ResourcePool
from crews.registry.registry import Registry
from delegation.clock import Clock, SystemClock
from tools.context import ToolContext

# Agents at most (systems C8).
MOST_AGENTS = 50

# Seconds from one health check to the next (systems C8); that an agent has to answer it; and between looks for jobs.
HEALTH_S = 10.0
ANSWER_S = 2.0
LOOK_S = 0.5


class Deployment:
    """Agents of a registry, deployed while the block runs:

        with Deployment(database, registry, context) as deployment:
            deployment.deploy("batch_processor")
            deployment.run(stop)

    `run` gives them jobs, up to 8 at a time, and checks their health every 10 s, until it is stopped; `tick` does so
    once. Leaving the block stops what is under way, gives the jobs back, and puts the end on record. `listener` is told
    every health check. Methods are called from one thread.
    """

    def __init__(
        self,
        database: Database,
        registry: Registry,
        context: ToolContext,
        *,
        run_id: str | None = None,
        clock: Clock | None = None,
        listener: Callable[[DeploymentReport], None] | None = None,
    ) -> None:
        self.run_id = run_id or runs.new_id(DEPLOYMENT)
        self._workers: dict[str, Worker] = {}
        self._database = database
        self._registry = registry
        self._context = context
        self._clock = clock or SystemClock()
        self._listener = listener
        self._stop = Stop()
        self._checked_at: float | None = None

    def __enter__(self) -> "Deployment":
        own = settings()
        runs.create_graph(self._database, self.run_id, DEPLOYMENT, {"graph": DEPLOYMENT})
        self._lease = claim(self._database, self.run_id, lease_s=own.lease_s)
        self._ledger = Ledger(self._lease, own.runs_dir / self.run_id)
        self._pool = ResourcePool(self._database, run_id=self.run_id)
        self._streams = Streams(self._ledger, self._pool, self._context, self._stop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._stop.request("the deployment has ended")
        self._streams.close()
        for worker in self._workers.values():
            worker.leave(ANSWER_S)
        try:
            for name in self._workers:
                self._left(name)
            self._pool.close()
            if error is not None and not isinstance(error, Interrupted):
                self._lease.give_up(error)
            else:
                self._lease.release("done", report=self.report().model_dump(mode="json"))
        except (LeaseLost, StoreUnavailable):
            # There is nobody to tell: the lease runs out.
            self._lease.abandon()

    def deploy(self, agent: str, overrides: Mapping[str, Any] | None = None, *, source: str | None = None) -> None:
        """Let an agent of the registry work here. With a `source`, it reads that stream on and on.

        Raises InputError for an agent that is not registered, is deployed here already, cannot be made, or is one too
        many, and for a source that it cannot read on; Refused for a module that is not allowed.
        """
        definition = self._registry.get(agent)
        if agent in self._workers:
            raise InputError(f"{agent} is deployed here already.", remedy="Undeploy it before.")
        if len(self._workers) >= MOST_AGENTS:
            raise InputError(f"{MOST_AGENTS} agents are deployed here.", remedy="Undeploy one, or use another process.")
        made = self._registry.instantiate(agent, overrides)
        if source is not None and not hasattr(made, "has_new"):
            raise InputError(f"{agent} reads no stream.", remedy="Leave out the source, and submit jobs to it.")
        self._workers[agent] = Worker(definition, made, source, self._clock, self._streams.start, self._feed)
        self._write(
            "INSERT INTO deployed_agents (run_id, agent, source, status) VALUES (%s, %s, %s, 'starting')"
            " ON CONFLICT (run_id, agent) DO UPDATE SET status = 'starting', leaving = false, reason = NULL,"
            " source = excluded.source, deployed_at = clock_timestamp(), undeployed_at = NULL",
            (self.run_id, agent, source),
        )
        self._ledger.tell("agent.deployed", actor=agent, place=definition.place, source=source)

    def reads_stream(self, agent: str) -> bool:
        """Whether an agent of the registry takes a stream. Raises InputError if there is no such agent."""
        return self._registry.get(agent).input.form == "stream"

    def undeploy(self, agent: str) -> None:
        """Give the agent no more jobs, wait until those that it has are done, and let it go. Raises InputError."""
        if agent not in self._workers:
            there = ", ".join(sorted(self._workers)) or "none"
            raise InputError(f"{agent} is not deployed here.", remedy=f"Deployed are: {there}.")
        worker = self._workers.pop(agent)
        self._streams.wait_for(worker, LOOK_S)
        worker.leave(ANSWER_S)
        self._left(agent)

    def run(self, stop: Stop) -> None:
        """Give agents jobs and check their health, until the stop is requested. Raises LeaseLost, StoreUnavailable."""
        with stop.interrupting(lambda: self._request(stop.reason)):
            while not self._stop.requested:
                self.tick()
                with self._streams.changed:
                    if not self._stop.requested:
                        self._clock.wait(self._streams.changed, LOOK_S)

    def tick(self) -> None:
        """Look for jobs once; and check health, if it is time for that."""
        now = self._clock.now()
        if self._checked_at is None or now - self._checked_at >= HEALTH_S:
            self._checked_at = now
            self.check()
        for worker in self._workers.values():
            worker.look()
        if free := self._streams.free:
            for job in jobs.take(self._database, self.run_id, list(self._workers), free, self._streams.jobs):
                worker = self._workers[job.agent]
                self._streams.reserve(worker, job)
                worker.give(job)

    def check(self) -> DeploymentReport:
        """Check the health of all agents, put it on record, and return the report.

        Who was asked to leave, leaves; jobs of deployments that have died are opened again.
        """
        jobs.take_from_the_dead(self._database, self.run_id, settings().lease_s)
        sql = "SELECT agent FROM deployed_agents WHERE run_id = %s AND leaving AND status <> 'undeployed'"
        for row in self._database.query(sql, (self.run_id,)):
            self.undeploy(row["agent"])
        asked = {name: worker.ask() for name, worker in self._workers.items()}
        deadline = time.monotonic() + ANSWER_S
        for name, check in asked.items():
            check.answered.wait(max(0.0, deadline - time.monotonic()))
            self._record(name, check.answer)
        told = self.report()
        if self._listener:
            self._listener(told)
        return told

    def report(self) -> DeploymentReport:
        """What the agents of this deployment have done, and how they were when they were last checked."""
        return report(self._database, self.run_id)

    def _record(self, agent: str, answer: Answer | None) -> None:
        response_s, reason = answer or (None, f"it did not answer within {ANSWER_S:g} s")
        status = "healthy" if reason is None else "unhealthy"
        rows = self._write(
            "UPDATE deployed_agents AS d SET status = %s, reason = %s, response_s = %s, checked_at = clock_timestamp()"
            " FROM (SELECT status FROM deployed_agents WHERE run_id = %s AND agent = %s FOR UPDATE) AS before"
            " WHERE run_id = %s AND agent = %s RETURNING before.status",
            (status, reason, response_s, self.run_id, agent, self.run_id, agent),
        )
        if rows[0]["status"] != status:
            self._ledger.tell(f"agent.{status}", actor=agent, reason=reason, response_s=response_s)

    def _feed(self, worker: Worker) -> None:
        """A job for an agent that reads a stream in which something is new."""
        agent, source = worker.definition.id, worker.source or ""
        try:
            if jobs.unfinished(self._database, agent, source):
                return
            new = worker.agent.has_new(source, self._context, self._database)  # type: ignore[attr-defined]
            if new and not self._stop.requested:
                jobs.submit(self._database, agent, source, dataset=agent)
        except StoreUnavailable as lost:
            self._request(str(lost))
        except CrewlineError as error:
            worker.trouble = str(error)
        else:
            worker.trouble = None

    def _left(self, agent: str) -> None:
        self._write(
            "UPDATE deployed_agents SET status = 'undeployed', undeployed_at = clock_timestamp()"
            " WHERE run_id = %s AND agent = %s RETURNING agent",
            (self.run_id, agent),
        )
        self._ledger.tell("agent.undeployed", actor=agent)

    def _request(self, reason: str) -> None:
        self._stop.request(reason)
        with self._streams.changed:
            self._streams.changed.notify_all()

    def _write(self, sql: str, parameters: tuple[Any, ...]) -> list[dict[str, Any]]:
        def work(connection: Connection) -> list[dict[str, Any]]:
            done = connection.execute(sql.encode(), parameters)
            return done.fetchall() if done.description else []

        return self._database.transaction(work)
