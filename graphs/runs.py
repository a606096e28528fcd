"""A graph's run: its own lease, ledger and checkpoints, so that it can be killed at any moment and taken up again."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from langgraph.types import Command, StateSnapshot
from pydantic import BaseModel, ConfigDict, Field

from core import run as runs
from core.errors import InputError, Interrupted
from core.journal import Listener
from core.lease import Lease, claim
from core.ledger import Ledger
from core.settings import Settings, settings
from core.stop import Stop
from core.store import Database, open_database
from core.task import Outcome
from graphs.branch import Branch, SyncPoint
from graphs.checkpoints import Checkpoints
from graphs.checkpoints.retention import keep_latest
from graphs.loop import concluded
from graphs.parallel.workflow import ParallelWorkflow


class Unanswered(InputError):
    """A run that waits got no answer, or none that it asks for. It goes on waiting."""


class Question(BaseModel):
    """What a waiting graph asks a person: answer it by its `id`."""

    model_config = ConfigDict(frozen=True)

    id: str
    about: dict[str, Any]


class GraphReport(BaseModel):
    """What a graph's run came to.

    done: everything. partial: some of it. failed: it will not do. waiting: `questions` are to be answered first.
    `state` is the graph's last state, without its task queue; `outcomes` has what came of each branch.
    """

    run_id: str
    status: Literal["done", "partial", "failed", "waiting"]
    state: dict[str, Any]
    questions: list[Question] = []
    seconds: float
    outcomes: dict[str, Outcome] = Field(default_factory=dict, exclude=True)

    @property
    def run_status(self) -> runs.Status:
        """How the run is left: one that is partial can be resumed, and then tries again what failed."""
        if self.status == "waiting":
            return "waiting"
        return "done" if self.status == "done" else "failed"

    def as_json(self) -> str:
        """The report as one JSON object; what came of each branch is in the ledger."""
        return self.model_dump_json()


def run(
    workflow: ParallelWorkflow,
    branches: Sequence[Branch],
    syncs: Sequence[SyncPoint] = (),
    *,
    run_id: str | None = None,
    database: Database | None = None,
    stop: Stop | None = None,
) -> GraphReport:
    """Run a workflow over these branches. `database` is opened from the settings if not given.

    Raises InputError for branches that could never be done, Interrupted after `stop.request(...)`, StoreUnavailable
    when the database went away, LeaseLost when another process took over; after the last three it can be resumed.
    """
    return concluded(arun(workflow, branches, syncs, run_id=run_id, database=database, stop=stop))


def resume(
    workflow: ParallelWorkflow,
    run_id: str,
    answers: Mapping[str, Any] | None = None,
    *,
    database: Database | None = None,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> GraphReport:
    """Go on with a run that was killed, interrupted, failed or waits: then with an answer to each of its questions.

    What is done is not done again. `listener` is told each event of the run's journal. Raises as `run` does, and
    RunNotFound, RunHeld, RunFinished; a run that waits goes on waiting after an answer that is none.
    """
    return concluded(aresume(workflow, run_id, answers, database=database, stop=stop, listener=listener))


async def arun(
    workflow: ParallelWorkflow,
    branches: Sequence[Branch],
    syncs: Sequence[SyncPoint] = (),
    *,
    run_id: str | None = None,
    database: Database | None = None,
    stop: Stop | None = None,
) -> GraphReport:
    """See `run`."""
    workflow.check(branches, syncs)
    identity = run_id or runs.new_id(workflow.name)
    definition = {**workflow.definition, "branches": len(branches)}
    return await _worked(workflow, identity, database, stop, {}, definition, branches, syncs)


async def aresume(
    workflow: ParallelWorkflow,
    run_id: str,
    answers: Mapping[str, Any] | None = None,
    *,
    database: Database | None = None,
    stop: Stop | None = None,
    listener: Listener | None = None,
) -> GraphReport:
    """See `resume`."""
    return await _worked(workflow, run_id, database, stop, answers or {}, None, (), (), listener)


async def _worked(
    workflow: ParallelWorkflow,
    run_id: str,
    database: Database | None,
    stop: Stop | None,
    answers: Mapping[str, Any],
    definition: dict[str, Any] | None,
    branches: Sequence[Branch],
    syncs: Sequence[SyncPoint],
    listener: Listener | None = None,
) -> GraphReport:
    configuration = settings()
    own = None if database else await asyncio.to_thread(open_database, configuration)
    used = database or own
    assert used is not None
    try:
        lease = await asyncio.to_thread(_claimed, used, run_id, workflow.name, definition, configuration)
        try:
            ledger = Ledger(lease, configuration.runs_dir / run_id, listener)
            report = await conduct(
                workflow, ledger, run_id, branches, syncs, stop=stop or Stop(), answers=answers, keep=True, url=used.url
            )
            if report.run_status == "done":
                await keep_latest(used.url, [run_id])
            await asyncio.to_thread(lease.release, report.run_status, report=report.model_dump(mode="json"))
            return report
        except Unanswered:
            await asyncio.to_thread(lease.release, "waiting")
            raise
        except asyncio.CancelledError:
            await asyncio.to_thread(lease.give_up, Interrupted("Stopped: cancelled."))
            raise
        except Exception as error:
            await asyncio.to_thread(lease.give_up, error)
            raise
    finally:
        if own:
            await asyncio.to_thread(own.close)


async def conduct(
    workflow: ParallelWorkflow,
    ledger: Ledger,
    thread_id: str,
    branches: Sequence[Branch],
    syncs: Sequence[SyncPoint],
    *,
    stop: Stop,
    answers: Mapping[str, Any] | None = None,
    keep: bool = False,
    url: str,
) -> GraphReport:
    """Work on a thread of a workflow under a ledger that is held already, from its last checkpoint, if it has one.

    With `keep`, the branches are put on record, so that who takes the thread up again need not know them.
    """
    began = time.monotonic()
    workflow.bind(thread_id, ledger, stop, () if keep else branches, () if keep else syncs)
    try:
        # What somebody answered is in a checkpoint alone.
        async with Checkpoints(url, behind=not answers) as checkpoints:
            graph = workflow.graph(checkpoints.saver())
            config = workflow.config(thread_id, max(1, len(branches)))
            before = await graph.aget_state(config)
            given = _given(workflow, before, branches, syncs, answers or {}, ledger)
            await graph.ainvoke(given, config, durability="sync")
            after = await graph.aget_state(config)
    finally:
        outcomes = await workflow.release(thread_id)
    questions = [Question(id=i.id, about=i.value) for i in after.interrupts]
    state = {key: value for key, value in after.values.items() if key not in ("task_queue", "messages")}
    return GraphReport(
        run_id=ledger.lease.run_id,
        status="waiting" if questions else after.values["result"]["status"],
        state=state,
        questions=questions,
        seconds=round(time.monotonic() - began, 3),
        outcomes=outcomes,
    )


def _given(
    workflow: ParallelWorkflow,
    before: StateSnapshot,
    branches: Sequence[Branch],
    syncs: Sequence[SyncPoint],
    answers: Mapping[str, Any],
    ledger: Ledger,
) -> Any:
    """What the graph is invoked with: its input, or answers, or nothing, to go on."""
    run_id = ledger.lease.run_id
    asked = {interrupt.id: interrupt.value for interrupt in before.interrupts}
    if unknown := sorted(answers.keys() - asked.keys()):
        raise (Unanswered if asked else InputError)(
            f"Run {run_id} does not ask {', '.join(unknown)}.",
            remedy=f"It asks: {', '.join(sorted(asked)) or 'nothing'}.",
        )
    if asked:
        if open_ := sorted(asked.keys() - answers.keys()):
            raise Unanswered(
                f"Run {run_id} waits for an answer to {', '.join(f'{i}: {asked[i]}' for i in open_)}.",
                remedy="Resume it with an answer to each.",
            )
        # A wrong answer would be kept, and asked for no more.
        for identity, answer in answers.items():
            if answer not in asked[identity]["answers"]:
                raise Unanswered(
                    f"{answer!r} is no answer to {identity}.",
                    remedy=f"Answer with one of: {', '.join(asked[identity]['answers'])}.",
                )
        return Command(resume=dict(answers))
    if before.next:
        return None
    # Without a checkpoint, the ledger still knows what was asked.
    if not branches and not workflow.queued(ledger):
        raise InputError(
            f"Run {run_id} has nothing to do: no branches were given, and none are on record.",
            remedy="Give it its branches once more, with graphs.run(..., run_id=...).",
        )
    return {
        "task_queue": [branch.model_dump(mode="json", exclude_defaults=True) for branch in branches],
        "sync_points": [sync.model_dump(mode="json", exclude_defaults=True) for sync in syncs],
    }


def _claimed(
    database: Database, run_id: str, graph: str, definition: dict[str, Any] | None, configuration: Settings
) -> Lease:
    if definition is not None:
        runs.create_graph(database, run_id, graph, definition)
    found = runs.get(database, run_id)
    if found.kind != "graph":
        raise InputError(f"Run {run_id} is a pipeline's.", remedy=f"Go on with it by: crewline resume {run_id}")
    return claim(database, run_id, lease_s=configuration.lease_s)
