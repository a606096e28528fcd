"""Workload: no sequence of claims goes beyond a capacity, in however many processes, and the dead give theirs back."""

import multiprocessing
import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core import journal
from core.errors import AtCapacity, InputError
from core.lease import claim as take_run
from core.ledger import Ledger
from core.store import Database
from core.task import Outcome, RowCount
from delegation import AgentCard, Claim, Workload, performances
from tests.deadline import until

# Quicker than the fork server, which imports all of the flow.
_context = multiprocessing.get_context("spawn")


def started(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    process = _context.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def cards(**capacities: int) -> list[AgentCard]:
    return [AgentCard(id=name, capacity=capacity) for name, capacity in capacities.items()]


def replayed(database: Database) -> Counter[str]:
    """The tasks of each agent after all that the journal tells: at no time more than its capacity."""
    tasks: Counter[str] = Counter()
    for event in journal.events(database, None, kind="workload."):
        tasks[event.actor] += 1 if event.kind == "workload.claimed" else -1
        if event.kind == "workload.claimed":
            # More, where a release was told of before it was committed.
            assert tasks[event.actor] <= event.data["tasks"] <= event.data["capacity"]
        assert tasks[event.actor] >= 0
    return +tasks


def grab(url: str, number: int) -> None:
    """Claims and releases at random, and leaves the last of them for others to find."""
    chance = random.Random(number)
    store = Database(url, wait_s=5).open()
    workload = Workload(store)
    mine: list[Claim] = []
    for turn in range(40):
        if len(mine) > 1 and chance.random() < 0.4:
            assert workload.release(mine.pop(chance.randrange(len(mine))))
            continue
        try:
            mine.append(workload.claim(Claim(agent=chance.choice("ab"), task=f"{number}/{turn}")))
        except AtCapacity:
            continue
    os._exit(0)


def hold(url: str, lease_s: float, told: Connection) -> None:
    """Claims all that there is, says so, and waits to be told to release it; says what it still had."""
    workload = Workload(Database(url, wait_s=5).open(), lease_s=lease_s)
    claims = [workload.claim(Claim(agent="a", task=f"held/{n}", volume=10)) for n in range(2)]
    told.send("claimed")
    told.recv()
    told.send([workload.release(claim) for claim in claims])
    os._exit(0)


@pytest.fixture
def workload(database: Database) -> Any:
    with Workload(database) as workload:
        yield workload


def holder(database: Database, lease_s: float = 60) -> tuple[BaseProcess, Connection]:
    ours, theirs = _context.Pipe()
    process = started(hold, database.url, lease_s, theirs)
    assert ours.recv() == "claimed"
    return process, ours


def test_no_agent_gets_more_than_its_capacity_from_many_processes_at_once(
    database: Database, workload: Workload
) -> None:
    """The journal, replayed in its order, shows it; and what the processes left claimed comes back."""
    workload.register(cards(a=3, b=1))
    processes = [started(grab, database.url, number) for number in range(5)]
    for process in processes:
        process.join(30)
    assert [process.exitcode for process in processes] == [0] * 5
    left = replayed(database)
    assert 0 < left.total() <= 4
    assert {load.tasks for load in workload.loads().values()} == {0}
    for _ in range(3):
        workload.claim(Claim(agent="a", task="mine"))
    assert workload.loads()["a"].free == 0
    assert replayed(database)["a"] == 3


@seed(3)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("abc"), st.booleans()), max_size=25))
def test_every_sequence_of_claims_and_releases_leaves_what_was_claimed_and_not_released(
    database: Database, moves: list[tuple[int, str, bool]]
) -> None:
    """By several holders: the loads are those of a model that counts."""
    capacities = {"a": 0, "b": 1, "c": 3}
    holders = [Workload(database) for _ in range(3)]
    holders[0].register(cards(**capacities))
    kept: dict[str, list[tuple[Workload, Claim]]] = {name: [] for name in capacities}
    try:
        for number, name, wants in moves:
            if not wants and kept[name]:
                by, claim = kept[name].pop()
                assert by.release(claim)
                assert not by.release(claim)
            elif len(kept[name]) < capacities[name]:
                claim = holders[number].claim(Claim(agent=name, task="t", volume=5, complexity=0.5, kind=name))
                kept[name].append((holders[number], claim))
            else:
                with pytest.raises(AtCapacity, match=rf"Refused to {name}"):
                    holders[number].claim(Claim(agent=name, task="t"))
        for name, load in holders[0].loads(list(capacities)).items():
            n = len(kept[name])
            assert (load.tasks, load.volume, load.complexity) == (n, 5 * n, 0.5 * n)
            assert load.kinds == ({name: n} if n else {})
            assert load.free == capacities[name] - n
            assert load.share == (n / capacities[name] if capacities[name] else 1)
    finally:
        for one in holders:
            one.close()
        assert {load.tasks for load in holders[0].loads().values()} == {0}


def test_the_claims_of_a_killed_process_come_back_at_once(database: Database, workload: Workload) -> None:
    """It is on this machine, so that it is dead is known, and nobody waits for its lease."""
    workload.register(cards(a=2))
    process, _ = holder(database)
    assert (workload.load("a"), workload.loads()["a"].volume) == (2, 20)
    with pytest.raises(AtCapacity):
        workload.claim(Claim(agent="a", task="mine"))
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert workload.load("a") == 0
    workload.claim(Claim(agent="a", task="mine"))
    returned = journal.events(database, None, kind="workload.returned")
    assert sorted(event.data["task"] for event in returned) == ["held/0", "held/1"]
    assert replayed(database) == {"a": 1}


def test_a_process_that_was_silent_for_its_lease_loses_its_claims_and_learns_of_it(
    database: Database, workload: Workload
) -> None:
    """It is stopped, not dead; what it had is another's, and its own releases change nothing."""
    workload.register(cards(a=2))
    process, told = holder(database, lease_s=0.3)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    until(lambda: workload.load("a") == 0)
    mine = workload.claim(Claim(agent="a", task="mine"))
    os.kill(process.pid, signal.SIGCONT)
    told.send("release")
    assert told.recv() == [False, False]
    process.join(10)
    assert workload.load("a") == 1
    assert workload.release(mine)


def test_a_process_that_is_only_busy_keeps_its_claims(database: Database, workload: Workload) -> None:
    """Its heartbeat goes on: three leases pass, and they are still there."""
    workload.register(cards(a=1))
    with Workload(database, lease_s=0.2) as other:
        other.claim(Claim(agent="a", task="long"))
        sql = "SELECT heartbeat_at - min(claimed_at) > interval '0.6 s' AS late FROM workload_holders"
        sql += " JOIN workload_claims USING (holder) GROUP BY heartbeat_at"
        until(lambda: database.query(sql)[0]["late"])
        assert workload.load("a") == 1
        with pytest.raises(AtCapacity):
            workload.claim(Claim(agent="a", task="mine"))
    assert workload.load("a") == 0


@pytest.mark.parametrize("lease_s", [0, -1, float("nan"), "15"])
def test_a_lease_that_is_none_is_refused(database: Database, lease_s: Any) -> None:
    with pytest.raises(InputError, match="lease of"):
        Workload(database, lease_s=lease_s)


def test_a_claim_is_held_while_its_block_runs_also_when_that_fails(workload: Workload) -> None:
    workload.register(cards(a=1))
    with suppress(RuntimeError), workload.held(Claim(agent="a", task="t")):
        assert workload.loads()["a"].share == 1
        raise RuntimeError
    assert workload.loads()["a"].share == 0


def test_who_has_more_than_a_lowered_capacity_gets_nothing_new(workload: Workload) -> None:
    workload.register(cards(a=2))
    claims = [workload.claim(Claim(agent="a", task=f"t/{n}")) for n in range(2)]
    workload.register(cards(a=1))
    assert (workload.loads()["a"].share, workload.loads()["a"].free) == (2.0, 0)
    workload.release(claims[0])
    with pytest.raises(AtCapacity, match=r"all the tasks that it may have \(1\)"):
        workload.claim(Claim(agent="a", task="one more"))


def test_an_agent_that_is_not_on_record_is_named(workload: Workload) -> None:
    for ask in (lambda: workload.load("nobody"), lambda: workload.claim(Claim(agent="nobody", task="t"))):
        with pytest.raises(InputError, match="knows no agent 'nobody'"):
            ask()


@pytest.mark.parametrize(
    "wrong",
    [
        {"volume": -1},
        {"volume": 2**63},
        {"complexity": 1.1},
        {"complexity": float("nan")},
        {"task": ""},
        {"task": "a\0b"},
        {"agent": "a\0"},
    ],
)
def test_a_claim_of_absurd_size_is_none(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        Claim(**{"agent": "a", "task": "t", **wrong})


def test_performance_is_measured_from_the_ledger_of_all_runs(database: Database, run_id: str, tmp_path: Path) -> None:
    """Rows over seconds; how much better than all, only where there are others; nothing for who has done nothing."""
    lease = take_run(database, run_id, lease_s=60)
    ledger = Ledger(lease, tmp_path)
    done = [("a", "validation", 100, 1.0), ("a", "ingestion", 300, 1.0), ("b", "validation", 100, 4.0)]
    for n, (agent, stage, rows, seconds) in enumerate(done):
        step = ledger.begin(f"{stage}/orders/{n}", actor=agent)
        counted = RowCount(rows_in=rows, rows_out=rows)
        ledger.end(step, Outcome(task=step.key, status="done", agent=agent, rows=counted, seconds=seconds))
    lease.abandon()
    found = performances(database, ["a", "b", "c"])
    assert (found["a"].tasks, found["a"].throughput_rps) == (2, 200)
    assert found["a"].specialisation == {"validation": pytest.approx(100 / 40 - 1)}
    assert found["b"].specialisation == {"validation": pytest.approx(25 / 40 - 1)}
    assert (found["c"].tasks, found["c"].throughput_rps, found["c"].specialisation) == (0, None, {})
