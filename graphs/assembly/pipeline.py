"""A plan as a StagedPipeline: each stage a step of the run's ledger, done by its agent, its rows accounted for."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph.state import CompiledStateGraph

from core.errors import AccountingError, AtCapacity, CrewlineError, InputError, Interrupted, TimedOut
from core.ledger import Ledger, Step, check_account
from core.stop import Stop
from core.store import Database
from core.task import Outcome
from crews.dynamic.pool import ResourcePool
from crews.dynamic.template import Resources
from crews.registry.job import DataAgent, Job
from delegation import Claim, Workload
from graphs.assembly.order import GRAPH, Order
from graphs.assembly.publication import publish
from graphs.failure import ABOUT_THE_RUN, InvalidResult, failure_of
from graphs.staged.builder import StagedPipeline
from graphs.staged.pipeline import Pipeline
from graphs.staged.stage import Context
from tools.engine.limits import Limits

# How often an agent that has too much to do is looked at again, seconds.
_BUSY_S = 0.5

# What an engine session comes up with at least.
_LEAST_MB = 128


class StageFailed(InputError):
    """A stage failed as it would again, on the same rows with the same configuration: it is not tried again."""

    def __init__(self, error: CrewlineError) -> None:
        super().__init__(error.what, remedy=error.remedy)


@dataclass(frozen=True)
class Bench:
    """What the stages of a run work with, in the process that works on it. `agents` are those of the plan, in order."""

    order: Order
    ledger: Ledger
    agents: Sequence[DataAgent]
    pool: ResourcePool
    workload: Workload
    began: datetime
    stop: Stop

    @property
    def database(self) -> Database:
        return self.ledger.lease.database

    def perform(self, index: int, before: Outcome | None, context: Context) -> Outcome:
        """What came of a stage: what is on record of it, if it is done; else it is done now, and put on record."""
        key, agent = self.order.key(index), self.order.plan.stages[index].agent
        if done := self.done(key):
            return done
        step = self.ledger.begin(key, actor=agent.id)
        start = time.monotonic()

        def told(outcome: Outcome) -> Outcome:
            seconds = time.monotonic() - start
            return outcome.model_copy(
                update={"task": key, "agent": agent.id, "attempt": step.attempt, "seconds": seconds}
            )

        try:
            outcome = told(self._performed(index, before, step, context))
            _check(outcome, before)
        except Interrupted:
            if not self.stop.requested:
                # The try's time was up, and nobody waits for it any more: another one may be under way.
                late = TimedOut(key, self.order.timeout_s)
                self.ledger.end_all([(step, told(Outcome(task=key, status="failed", failure=failure_of(late))))])
            raise
        except ABOUT_THE_RUN:
            raise
        except Exception as error:
            self.stop.check()
            failure = failure_of(error)
            self.ledger.end(step, told(Outcome(task=key, status="failed", failure=failure)))
            if isinstance(error, CrewlineError) and failure.kind == "permanent":
                raise StageFailed(error) from error
            raise
        self.ledger.end(step, outcome)
        return outcome

    def publish(self, before: Outcome, context: Context) -> list[str]:
        """The files of the target, once the result of the last stage is published there."""
        key = f"publish/{self.order.dataset}"
        if (recorded := self.ledger.recorded(key)) is not None:
            return list(recorded["files"])
        step = self.ledger.begin(key, actor=GRAPH)
        outcomes = [self.done(key) for key in self.order.keys]
        limits = _limits(self.pool.fitted(Resources()))
        run_id = self.ledger.lease.run_id
        files = publish(self.order, run_id, [o for o in outcomes if o], step.path, limits, context.stop)
        self.ledger.commit(step, {"files": files}, actor=GRAPH, told={"target": self.order.out})
        return files

    def done(self, key: str) -> Outcome | None:
        """What is on record of a stage that is done."""
        found = self.ledger.outcomes([key]).get(key)
        return found if found and found.status == "done" else None

    def confirm(self) -> None:
        """Tell agents that read streams that nobody will ask for the same again."""
        for key, agent in zip(self.order.keys, self.agents, strict=True):
            confirm: Callable[[Database, Outcome], None] | None = getattr(agent, "confirm", None)
            outcome = self.done(key)
            if confirm and outcome:
                confirm(self.database, outcome)

    def _performed(self, index: int, before: Outcome | None, step: Step, context: Context) -> Outcome:
        order, agent = self.order, self.order.plan.stages[index].agent
        wanted = self.pool.fitted(agent.resources)
        job = Job(
            dataset=order.dataset,
            source=order.source,
            data=before.output if before else None,
            path=step.path,
            limits=_limits(wanted),
            stop=context.stop,
            began=self.began,
            context=order.context,
            database=self.database,
        )
        claim = self._claimed(step.key, agent.id, before, context)
        try:
            with self.pool.held(agent.id, wanted, stop=context.stop):
                outcome = self.agents[index].perform(job)
        finally:
            self.workload.release(claim)
        if not isinstance(outcome, Outcome) or outcome.status != "done" or outcome.output is None:
            raise InvalidResult(
                f"What {agent.id} returned for {step.key} is no outcome that is done, with an output.",
                remedy="Return an Outcome with the rows that go on, or raise what went wrong.",
            )
        return outcome

    def _claimed(self, key: str, agent: str, before: Outcome | None, context: Context) -> Claim:
        """The agent's promise to do the stage, within its capacity: while it has too much to do, wait."""
        volume = before.output.rows if before and before.output else 0
        run_id = self.ledger.lease.run_id
        claim = Claim(agent=agent, task=key, kind=key.partition("/")[0], run_id=run_id, volume=volume)
        while True:
            try:
                return self.workload.claim(claim)
            except AtCapacity:
                context.stop.wait(_BUSY_S)


def pipeline_of(order: Order, bench: Bench | None, checkpointer: BaseCheckpointSaver[Any] | None) -> Pipeline:
    """The staged pipeline of an order. Its state has outcomes: references, counts and scores. Without a bench it can
    be looked at, and not run."""
    staged = StagedPipeline(GRAPH)
    for index, stage in enumerate(order.plan.stages):
        staged = staged.stage(f"{index + 1}-{stage.capability}", _stage(index, bench), timeout_s=order.timeout_s)
    if order.out is not None:
        staged = staged.stage("publish", _publishing(bench), timeout_s=order.timeout_s)
    return staged.build(checkpointer=checkpointer)


@dataclass(frozen=True)
class Assembled:
    """An assembled pipeline to look at."""

    order: Order

    def graph(self, checkpointer: BaseCheckpointSaver[str] | None = None) -> CompiledStateGraph[Any, Any, Any, Any]:
        return pipeline_of(self.order, None, checkpointer).graph


def _stage(index: int, bench: Bench | None) -> Callable[[Any, Context], Any]:
    def work(value: Any, context: Context) -> Any:
        assert bench is not None, "what has no bench is not run"
        before = Outcome.model_validate(value) if index else None
        return bench.perform(index, before, context).model_dump(mode="json", exclude_defaults=True)

    return work


def _publishing(bench: Bench | None) -> Callable[[Any, Context], Any]:
    def work(value: Any, context: Context) -> Any:
        assert bench is not None, "what has no bench is not run"
        return bench.publish(Outcome.model_validate(value), context)

    return work


def _check(outcome: Outcome, before: Outcome | None) -> None:
    """Raise AccountingError unless every row that came is accounted for."""
    check_account(outcome)
    if before is None:
        return
    came = before.rows.rows_out if before.groups is None else before.groups
    if outcome.rows.rows_in != came:
        raise AccountingError(
            f"{came} rows came to {outcome.task}, and {outcome.agent} accounts for {outcome.rows.rows_in}."
        )


def _limits(resources: Resources) -> Limits:
    return Limits(threads=math.ceil(resources.cores), memory_mb=max(_LEAST_MB, resources.memory_mb))
