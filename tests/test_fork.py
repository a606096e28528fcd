"""Forks: runs that begin where another one was; and how long checkpoints are kept for that."""

import asyncio
import shutil
from pathlib import Path

import pytest
from langgraph.graph import START, StateGraph

from core import journal
from core.errors import InputError
from core.lease import claim
from core.ledger import Ledger
from core.settings import Settings
from core.store import Database
from crewline.facade import runs as doors
from flows.audit import audit
from flows.fork import fork
from flows.gc import collect
from graphs import Attempt, Branch, FunctionWorker, GraphReport, Options, ParallelWorkflow, Result, resume, run
from graphs.checkpoints import Checkpoints
from graphs.checkpoints.retention import prune
from graphs.checkpoints.storage import storage
from graphs.inspection import Moment, history
from tests import shop

KEYS = ("a", "b", "c", "d")


class Trade:
    """A worker who writes a file for each branch, half as well as can be, and notes who was performed."""

    def __init__(self, asked: float = 0.8) -> None:
        self.performed: list[str] = []
        self.asked = asked

    def perform(self, branch: Branch, attempt: Attempt) -> Result:
        self.performed.append(branch.key)
        before = [outcome.result["file"] for outcome in attempt.needed.values() if outcome.result]
        file = attempt.path / "words"
        file.write_text("".join(Path(name).read_text() for name in before) + branch.key)
        return Result({"file": str(file)}, quality=0.5)

    @property
    def workflow(self) -> ParallelWorkflow:
        workers = [FunctionWorker("trade", frozenset({"work"}), self.perform)]
        return ParallelWorkflow(workers, options=Options(revisions=0, quality=self.asked))


def chain(database: Database, run_id: str = "first", *, asked: float = 0.8) -> GraphReport:
    """A run of branches one after the other, that fails in the end where more is asked than a half."""
    branches = [Branch(key=k, kind="work", needs=KEYS[n - 1 : n] if n else ()) for n, k in enumerate(KEYS)]
    return run(Trade(asked).workflow, branches, run_id=run_id, database=database)


def about_to(database: Database, run_id: str, *, after: int) -> Moment:
    """The checkpoint of a run that is about to send a branch, after so many were done."""
    moments = [moment for moment in history(database, run_id) if moment.next == {"trade": 1}]
    return next(moment for moment in moments if moment.branches.get("done", 0) == after)


def steps(database: Database, run_id: str) -> set[str]:
    rows = database.query("SELECT step_key FROM steps WHERE run_id = %s AND status = 'done'", (run_id,))
    return {row["step_key"] for row in rows}


@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_fork_does_what_was_not_done_at_its_checkpoint_and_nothing_else(database: Database, after: int) -> None:
    """Its branches build on files of the first run; the journals of both tell of it, and the first is as it was."""
    chain(database)
    before = steps(database, "first")
    forked = fork(database, "first", about_to(database, "first", after=after).checkpoint, new_id="second")
    assert steps(database, "second") == {"parallel/queue", *KEYS[:after]}
    assert forked.steps == after + 1
    trade = Trade(asked=0.4)
    report = resume(trade.workflow, "second", database=database)
    assert report.status == "done"
    assert trade.performed == list(KEYS[after:])
    assert Path((report.outcomes["d"].result or {})["file"]).read_text() == "abcd"
    assert steps(database, "first") == before
    (told,) = journal.events(database, "first", kind="run.forked")
    (begun,) = journal.events(database, "second", kind="run.created")
    assert (told.data["fork"], begun.data["fork_of"]) == ("second", "first")
    assert told.data["checkpoint"] == begun.data["checkpoint"] == forked.checkpoint


def test_garbage_collection_keeps_what_a_fork_refers_to(database: Database, configuration: Settings) -> None:
    """Of the first run, even when that has gone on since; what nobody committed goes."""
    chain(database)
    fork(database, "first", about_to(database, "first", after=2).checkpoint, new_id="second")
    lease = claim(database, "first", lease_s=5)
    abandoned = Ledger(lease, configuration.runs_dir / "first").begin("e", actor="trade")
    lease.release("failed")
    assert collect(database, configuration).folders == 1
    assert not abandoned.path.exists()
    report = resume(Trade(asked=0.4).workflow, "second", database=database)
    assert Path((report.outcomes["d"].result or {})["file"]).read_text() == "abcd"


def test_a_run_can_be_forked_while_somebody_works_on_it_and_a_fork_again(database: Database) -> None:
    chain(database)
    lease = claim(database, "first", lease_s=5)
    fork(database, "first", about_to(database, "first", after=2).checkpoint, new_id="second")
    lease.release("failed")
    resume(Trade().workflow, "second", database=database)
    fork(database, "second", about_to(database, "second", after=3).checkpoint, new_id="third")
    trade = Trade(asked=0.4)
    assert resume(trade.workflow, "third", database=database).status == "done"
    assert trade.performed == ["d"]


def test_nothing_goes_on_from_the_end(database: Database) -> None:
    chain(database)
    with pytest.raises(InputError, match="had ended at checkpoint"):
        fork(database, "first", history(database, "first")[0].checkpoint)


def test_a_fork_does_not_take_a_thread_that_is_anothers(database: Database) -> None:
    """Such as one of a graph that has no run of Crewline's."""
    chain(database)

    async def other() -> None:
        graph = StateGraph(dict).add_node("one", lambda state: state).add_edge(START, "one")
        async with Checkpoints(database.url) as checkpoints:
            await graph.compile(checkpoints.saver()).ainvoke({"a": 1}, {"configurable": {"thread_id": "second"}})

    asyncio.run(other())
    with pytest.raises(InputError, match="There is a thread second already"):
        fork(database, "first", about_to(database, "first", after=2).checkpoint, new_id="second")


def test_a_run_that_ended_well_keeps_its_last_checkpoint_and_one_that_failed_all(database: Database) -> None:
    chain(database, "good", asked=0.4)
    chain(database, "poor")
    kept = {size.run_id: size for size in storage(database).runs}
    assert kept["good"].checkpoints == 1
    assert kept["poor"].checkpoints > 8
    assert kept["good"].bytes < kept["poor"].bytes / 4
    assert history(database, "good")[0].branches == {"done": 4}


def test_a_run_without_checkpoints_is_resumed_by_its_ledger(database: Database) -> None:
    chain(database)
    assert prune(database, ["first"], delete=True).checkpoints > 8
    assert history(database, "first") == []
    trade = Trade()
    assert resume(trade.workflow, "first", database=database).status == "failed"
    assert trade.performed == []


def test_a_pipeline_goes_on_from_a_checkpoint_and_publishes(
    database: Database, configuration: Settings, tmp_path: Path
) -> None:
    """One that failed at the gate: with the state that the flow had in that pass, and the shards done by then."""
    gate = "gate: {enhancements: 0, retries: 0, spent: fail}\n"
    document = shop.build(tmp_path / "shop", spec=shop.SPEC + gate)
    first = doors.run(document)
    assert first.status == "failed"
    moments = history(database, first.run_id)
    assert {moment.thread for moment in moments} == {f"{first.run_id}/0"}
    middle = next(m for m in moments if 0 < m.branches.get("done", 0) < first.tasks.completed and m.next)
    forked = fork(database, first.run_id, middle.checkpoint, new_id=f"{first.run_id}-1")
    assert {"plan", "assignment"} <= steps(database, forked.run_id) < steps(database, first.run_id)
    collect(database, configuration)
    again = doors.resume(forked.run_id)
    assert again.status == "failed"
    assert (again.quality, again.records) == (first.quality, first.records)
    (begun,) = (e for e in journal.events(database, forked.run_id, kind="round.started"))
    assert begun.data["tasks"]
    assert audit(database, forked.run_id, configuration).balanced


def test_a_pipeline_is_forked_in_a_later_pass_and_both_can_publish(
    database: Database, configuration: Settings, tmp_path: Path
) -> None:
    """A run that waits for a person after it was enhanced; collecting garbage takes neither's published version."""
    gate = "gate: {enhancements: 1, retries: 0, spent: approval, publish: 1.0}\n"
    document = shop.build(tmp_path / "shop", spec=shop.SPEC + gate)
    first = doors.run(document)
    assert (first.status, first.route) == ("waiting", "enhance,wait")
    moments = [moment for moment in history(database, first.run_id) if moment.thread.endswith("/1")]
    forked = fork(database, first.run_id, moments[-1].checkpoint, new_id=f"{first.run_id}-1")
    second = doors.resume(forked.run_id, approved_by="Ada")
    assert (second.status, second.route) == ("published", "enhance")
    assert not [event for event in journal.events(database, forked.run_id) if event.step == "gate/0"]
    published = Path(second.target).resolve()
    collect(database, configuration)
    assert published.is_dir()
    assert audit(database, forked.run_id, configuration).balanced
    assert len(storage(database).runs) == 2
    assert sum(size.checkpoints for size in storage(database).runs if size.run_id == forked.run_id) == 1
    shutil.rmtree(configuration.runs_dir / forked.run_id)
    third = doors.resume(first.run_id, approved_by="Ada")
    assert (third.status, third.records) == ("published", second.records)
