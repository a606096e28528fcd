"""An assembled pipeline's run: its own lease, ledger and checkpoints, so that it can be killed and taken up again."""

import asyncio
import time
from collections.abc import Iterable
from typing import Any

from core import errors
from core import run as runs
from core.errors import CrewlineError, EngineError, InputError, Interrupted, RunNotFound
from core.journal import Listener
from core.lease import Lease, claim
from core.ledger import Ledger
from core.settings import settings
from core.stop import Stop
from core.store import Database
from crews.dynamic.pool import ResourcePool
from crews.registry.instantiation import allowed_modules, instantiate
from delegation import AgentCard, Workload
from graphs.assembly.order import GRAPH, AssemblyReport, Order, accounted
from graphs.assembly.pipeline import Bench, pipeline_of
from graphs.checkpoints import Checkpoints
from graphs.checkpoints.retention import keep_latest
from graphs.loop import concluded
from graphs.staged.record import PipelineRun
from tools.publication.target import check_target
from tools.transformation.transformation import target_place


def run_assembly(
    database: Database,
    order: Order,
    *,
    modules: Iterable[str] = (),
    run_id: str | None = None,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> AssemblyReport:
    """Run an assembled pipeline on its data. `modules` may be imported from besides those of the settings.

    Raises InputError for a plan that cannot be run yet, an agent that cannot be made, a run id that is taken;
    TargetError for a target that cannot be written; Refused for a module that is not allowed, or a target outside of
    the roots; Interrupted when the stop was requested; StoreUnavailable, LeaseLost. After the last three it can be
    resumed. A stage that fails is no error: the report says so, and the run can be resumed too.
    """
    order.plan.check_complete()
    # What cannot be made, or written, is told before there is a run.
    _agents(order, modules)
    if order.out is not None:
        check_target(target_place(order.out, order.context))
    identity = run_id or runs.new_id(GRAPH)
    runs.create_graph(database, identity, GRAPH, order.model_dump(mode="json", by_alias=True))
    if Order.model_validate(runs.get(database, identity).spec) != order:
        raise InputError(f"There is a run {identity} already.", remedy="Resume it, or choose another id.")
    return resume_assembly(database, identity, modules=modules, stop=stop, listener=listener)


def resume_assembly(
    database: Database,
    run_id: str,
    *,
    modules: Iterable[str] = (),
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> AssemblyReport:
    """Go on with a run that was killed, interrupted or failed. Stages that are done are not done again.

    Raises as `run_assembly` does, and RunNotFound, RunHeld, RunFinished.
    """
    order = order_of(database, run_id)
    agents = _agents(order, modules)
    own = settings()
    lease = claim(database, run_id, lease_s=own.lease_s)
    stop = stop or Stop()
    try:
        ledger = Ledger(lease, own.runs_dir / run_id, listener)
        began = runs.get(database, run_id).created_at
        with (
            Workload(database, lease_s=own.lease_s) as workload,
            ResourcePool(database, run_id=run_id, budget=order.budget) as pool,
        ):
            workload.register([AgentCard(id=stage.agent.id) for stage in order.plan.stages])
            bench = Bench(order, ledger, agents, pool, workload, began, stop)
            return concluded(_worked(bench, lease))
    except Exception as error:
        lease.give_up(error)
        raise


def order_of(database: Database, run_id: str) -> Order:
    """What a run was asked to do. Raises RunNotFound, InputError for a run of another kind."""
    run = runs.get(database, run_id)
    if run.kind != "graph" or run.pipeline != GRAPH:
        raise InputError(f"Run {run_id} is of no assembled pipeline.", remedy=f"See it with: crewline status {run_id}")
    return Order.model_validate(run.spec)


async def _worked(bench: Bench, lease: Lease) -> AssemblyReport:
    start, stop = time.monotonic(), bench.stop
    async with Checkpoints(lease.database.url) as checkpoints:
        pipeline = pipeline_of(bench.order, bench, checkpoints.saver())
        try:
            done = await pipeline.resume(lease.run_id, stop=stop)
        except RunNotFound:
            done = await pipeline.run({"source": bench.order.source}, run_id=lease.run_id, stop=stop)
    if done.status == "cancelled":
        raise Interrupted(f"Stopped: {stop.reason}.")
    report = await asyncio.to_thread(_report, bench, done, time.monotonic() - start)
    if report.status == "done":
        await asyncio.to_thread(bench.confirm)
        await keep_latest(lease.database.url, [lease.run_id])
    plain: dict[str, Any] = report.as_graph().model_dump(mode="json")
    await asyncio.to_thread(lease.release, report.status, report=plain, error=report.error)
    return report


def _report(bench: Bench, done: PipelineRun, seconds: float) -> AssemblyReport:
    order = bench.order
    outcomes = [bench.done(key) for key in order.keys]
    accounts = [accounted(stage, o) for stage, o in zip(order.plan.stages, outcomes, strict=True) if o]
    failed = next((entry.failure for entry in reversed(done.errors) if entry.failure and not entry.late), None)
    last = outcomes[-1]
    output = list(last.output.paths) if last and last.output else []
    return AssemblyReport(
        run_id=done.run_id,
        status="done" if done.status == "success" else "failed",
        dataset=order.dataset,
        stages=accounts,
        output=(done.output if order.out is not None else output) if done.status == "success" else [],
        out=order.out,
        error=failed.message if failed and done.status != "success" else None,
        resumable=done.status != "success" and _mendable(bench),
        seconds=round(seconds, 3),
    )


def _mendable(bench: Bench) -> bool:
    """Whether what failed may be mended without asking for something else: a source, a machine, an agent's own code."""
    outcomes = bench.ledger.outcomes(bench.order.keys).values()
    kinds = [getattr(errors, outcome.failure.error, CrewlineError) for outcome in outcomes if outcome.failure]
    return all(kind.resumable or not issubclass(kind, (InputError, EngineError)) for kind in kinds)


def _agents(order: Order, modules: Iterable[str]) -> list[Any]:
    allowed = allowed_modules(modules)
    return [instantiate(stage.agent, stage.overrides, allowed=allowed) for stage in order.plan.stages]
