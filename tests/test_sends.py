"""What is sent with a wave: which branches share a Send, and which of those sent are begun."""

import asyncio
from pathlib import Path

from core.lease import Lease, claim
from core.ledger import Ledger
from core.stop import Stop
from core.store import Database
from core.task import Outcome
from graphs import Attempt, Branch, FunctionWorker, Options, Result
from graphs.branch import Priority
from graphs.clock import SystemClock
from graphs.parallel.board import Board
from graphs.parallel.dispatch import Dispatch
from graphs.parallel.nodes import shares
from graphs.parallel.options import SENDS
from graphs.parallel.recorder import Recorder
from graphs.parallel.staff import Staff


def test_a_branch_that_fails_between_being_sent_and_being_attended_is_not_begun_once_more(
    database: Database, run_id: str, tmp_path: Path
) -> None:
    """Whether it is tried again is for the load balancer to say, which counts the attempts."""
    performed: list[str] = []

    async def perform(of: Branch, attempt: Attempt) -> Result:
        performed.append(of.key)
        return Result({})

    async def attended(lease: Lease) -> dict[str, Outcome]:
        board = Board([Branch(key="a", kind="work")], [], {})
        recorder = Recorder(Ledger(lease, tmp_path), "parallel")
        dispatch = Dispatch(
            board,
            recorder,
            Staff([FunctionWorker("worker", frozenset({"work"}), perform)]),
            Options(),
            Stop(),
            SystemClock(),
            2,
            0,
        )
        board.take(1)
        board.miss("a", Outcome(task="a", status="failed"))
        try:
            return await dispatch.attend(["a"], "worker")
        finally:
            await dispatch.close()

    lease = claim(database, run_id, lease_s=5)
    try:
        assert {key: o.status for key, o in asyncio.run(attended(lease)).items()} == {"a": "failed"}
    finally:
        lease.release("interrupted")
    assert performed == []


def test_a_large_wave_shares_its_sends_and_none_overtakes_a_higher_priority() -> None:
    """Small waves have a Send for each branch; in large ones neighbours of one priority and worker go together."""
    few = [(Branch(key=f"s{i}", kind="work"), "one") for i in range(SENDS)]
    assert [share["keys"] for share in shares(few)] == [[f"s{i}"] for i in range(SENDS)]
    order: list[Priority] = ["high", "medium", "low"]
    many = [(Branch(key=f"b{i}", kind="work", priority=p), f"w{i % 2}") for p in order for i in range(100)]
    many = [(of.model_copy(update={"key": f"{of.priority}/{of.key}"}), name) for of, name in many]
    made = shares(many)
    assert sorted(key for share in made for key in share["keys"]) == sorted(of.key for of, _ in many)
    assert {key: share["worker"] for share in made for key in share["keys"]} == {of.key: name for of, name in many}
    ranks = [[[str(p) for p in order].index(key.partition("/")[0]) for key in share["keys"]] for share in made]
    assert all(len(set(rank)) == 1 for rank in ranks)
    assert [rank[0] for rank in ranks] == sorted(rank[0] for rank in ranks)
    assert len(made) <= 3 * SENDS
