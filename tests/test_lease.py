"""The lease: one holder at a time, the dead are taken over, and what they still write is refused."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from psycopg.types.json import Jsonb

from core import journal
from core import run as runs
from core.errors import CrewlineError, LeaseLost, RunFinished, RunHeld, RunNotFound
from core.lease import Lease, claim, fence
from core.ledger import Ledger, Step
from core.spec import PipelineSpec
from core.spec.document import parse
from core.store import Database
from core.store.database import Connection
from core.task import Outcome
from tests.deadline import until

HOLDER = """
import sys
from core.lease import claim
from core.store import Database

claim(Database(sys.argv[1], wait_s=5).open(), sys.argv[2], lease_s=60)
print("claimed", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def take(database: Database, run_id: str) -> Iterator[Callable[..., Lease]]:
    """Claims the run, and lets go of it in the end."""
    taken: list[Lease] = []

    def take(lease_s: float = 60) -> Lease:
        taken.append(claim(database, run_id, lease_s=lease_s))
        return taken[-1]

    yield take
    for lease in taken:
        lease.abandon()


@pytest.fixture
def other(database: Database, run_id: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which holds the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database.url, run_id], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "claimed\n"
    yield process
    process.kill()
    process.communicate()


def hold(database: Database, run_id: str, *, silent_s: float = 0, **holder: Any) -> None:
    """Put a holder on record: this process, unless told otherwise."""
    me = {"host": socket.gethostname(), "pid": os.getpid(), "started": psutil.Process().create_time()}
    database.transaction(
        lambda connection: connection.execute(
            "UPDATE runs SET token = token + 1, status = 'running', holder = %s,"
            " heartbeat_at = clock_timestamp() - make_interval(secs => %s) WHERE run_id = %s",
            (Jsonb({**me, **holder}), silent_s, run_id),
        )
    )


def fenced(database: Database, run_id: str, lease_s: float = 60) -> bool:
    return database.transaction(lambda connection: fence(connection, run_id, lease_s))


def contents(database: Database) -> list[Any]:
    """Everything that a holder can write."""
    return [database.query(f"SELECT * FROM {table} ORDER BY 1, 2") for table in ("runs", "steps", "journal")]


def test_each_holder_gets_a_greater_token(database: Database, run_id: str, take: Callable[..., Lease]) -> None:
    tokens = []
    for _ in range(3):
        lease = take()
        tokens.append(lease.token)
        lease.release("interrupted")
    assert tokens == [1, 2, 3]
    assert [event.data["token"] for event in journal.events(database, run_id, kind="run.claimed")] == tokens


def test_a_claimed_run_is_running_and_names_its_holder(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    take()
    run = runs.get(database, run_id)
    assert (run.status, run.token, run.error, run.finished_at) == ("running", 1, None, None)
    assert run.holder is not None
    assert (run.holder["host"], run.holder["pid"]) == (socket.gethostname(), os.getpid())


def test_a_run_that_nobody_knows_cannot_be_claimed(database: Database) -> None:
    with pytest.raises(RunNotFound, match="no run 'nothing'") as caught:
        claim(database, "nothing", lease_s=60)
    assert caught.value.remedy == "See the runs with: crewline status"


def test_a_published_run_cannot_be_claimed(database: Database, run_id: str, take: Callable[..., Lease]) -> None:
    """Also not by one who saw it while it still ran: the lock decides."""
    take().release("published", report={"rows": 1})
    before = contents(database)
    with pytest.raises(RunFinished, match="has ended: published"):
        take()
    assert contents(database) == before


def test_a_living_holder_is_refused_by_name_and_taken_over_at_once_when_killed(
    database: Database, run_id: str, other: subprocess.Popen[str], take: Callable[..., Lease]
) -> None:
    """A process on this machine is known to be dead long before its lease runs out, even while nobody buried it."""
    name = f"process {other.pid} on {socket.gethostname()}"
    with pytest.raises(RunHeld, match=f"is being worked on by {name} ") as caught:
        take()
    assert (caught.value.run_id, caught.value.holder) == (run_id, name)
    assert caught.value.remedy == f"Watch it with: crewline status {run_id}"

    os.kill(other.pid, signal.SIGKILL)
    until(lambda: psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE)
    assert take().token == 2
    taken = journal.events(database, run_id, kind="run.claimed")[-1]
    assert taken.data["from"]["pid"] == other.pid


def test_a_dead_process_is_taken_over_when_it_is_gone(
    run_id: str, other: subprocess.Popen[str], take: Callable[..., Lease]
) -> None:
    other.kill()
    other.wait()
    assert take().token == 2


def test_a_process_that_only_has_the_number_of_the_holder_is_not_it(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    """After a reboot, or after many processes, another one may have the pid of the dead."""
    hold(database, run_id)
    with pytest.raises(RunHeld):
        take()
    hold(database, run_id, started=psutil.Process().create_time() - 3600)
    assert take().token == 3


def test_a_silent_holder_elsewhere_is_taken_over_after_its_lease(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    """Of processes on other machines nothing is known but their heartbeat."""
    hold(database, run_id, host="elsewhere", pid=7, silent_s=100)
    with pytest.raises(RunHeld, match=r"process 7 on elsewhere \(last heartbeat 100 s ago\)"):
        take(lease_s=200)
    assert take(lease_s=99).token == 2


def test_a_silent_holder_here_is_taken_over_after_its_lease_although_it_lives(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    hold(database, run_id, silent_s=100)
    assert take(lease_s=99).token == 2


def test_heartbeats_keep_the_lease_until_it_is_given_up(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    lease = take(lease_s=0.6)
    began = runs.get(database, run_id).heartbeat_at
    assert began is not None

    def beaten_s() -> float:
        beat = runs.get(database, run_id).heartbeat_at
        assert beat is not None
        return (beat - began).total_seconds()

    until(lambda: beaten_s() > 0.6)
    thread = f"heartbeat-{run_id}"
    assert thread in [thread.name for thread in threading.enumerate()]
    lease.abandon()
    assert thread not in [thread.name for thread in threading.enumerate()]
    assert runs.get(database, run_id).holder is not None


def test_heartbeats_of_one_who_was_taken_over_count_for_nothing(database: Database, run_id: str) -> None:
    beats = 0

    class Counting(Database):
        def once(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
            nonlocal beats
            super().once(sql, parameters)
            beats += 1

    store = Counting(database.url, wait_s=5).open()
    stale = claim(store, run_id, lease_s=0.03)
    until(lambda: beats)
    hold(database, run_id, host="elsewhere", silent_s=100)
    before, silence = beats, runs.get(database, run_id).heartbeat_at
    until(lambda: beats > before + 2)
    assert runs.get(database, run_id).heartbeat_at == silence
    stale.abandon()
    store.close()


WRITES: dict[str, Callable[[Ledger, Step, PipelineSpec], object]] = {
    "begin": lambda ledger, step, spec: ledger.begin("new", actor="old"),
    "begin again": lambda ledger, step, spec: ledger.begin(step.key, actor="old"),
    "commit": lambda ledger, step, spec: ledger.commit(step, {}, actor="old"),
    "commit a task": lambda ledger, step, spec: ledger.end(step, Outcome(task=step.key, status="done")),
    "fail": lambda ledger, step, spec: ledger.end(step, Outcome(task=step.key, status="failed")),
    "tell": lambda ledger, step, spec: ledger.tell("note.made"),
    "record": lambda ledger, step, spec: ledger.lease.record("note.made"),
    "change the spec": lambda ledger, step, spec: ledger.change_spec(spec, []),
    "release": lambda ledger, step, spec: ledger.lease.release("published"),
}


@pytest.mark.parametrize("lost", ["taken over", "silent and taken over", "fenced off", "let go"])
def test_what_one_who_lost_the_lease_writes_is_refused(
    database: Database, run_id: str, take: Callable[..., Lease], tmp_path: Path, lost: str
) -> None:
    """Whatever it writes, and however it lost the lease; one that let go may still have a thread at work."""
    stale = Ledger(take(), tmp_path)
    step = stale.begin("old", actor="old")
    spec = parse(runs.get(database, run_id).spec)
    if lost == "taken over":
        hold(database, run_id, started=0)
        take()
    elif lost == "silent and taken over":
        database.query("UPDATE runs SET heartbeat_at = heartbeat_at - interval '100 s' RETURNING 1")
        take(lease_s=99)
    elif lost == "fenced off":
        database.query("UPDATE runs SET heartbeat_at = heartbeat_at - interval '100 s' RETURNING 1")
        assert fenced(database, run_id, lease_s=99)
    else:
        stale.lease.release("interrupted")
    before = contents(database)
    for name, write in WRITES.items():
        with pytest.raises(LeaseLost, match=f"Run {run_id} was taken over") as caught:
            write(stale, step, spec)
        assert contents(database) == before, name
        assert f"crewline status {run_id}" in caught.value.remedy


def test_one_whose_run_is_gone_is_told_so(database: Database, run_id: str, take: Callable[..., Lease]) -> None:
    lease = take()

    def restore(connection: Connection) -> None:
        """As a backup from before the run would leave it: what guards the journal does not apply."""
        connection.execute("SET LOCAL session_replication_role = replica")
        connection.execute("DELETE FROM runs")

    database.transaction(restore)
    with pytest.raises(RunNotFound):
        lease.record("note.made")


@pytest.mark.parametrize("held_by_a_dead_one", [False, True])
def test_of_many_who_claim_at_once_one_gets_it(database: Database, run_id: str, held_by_a_dead_one: bool) -> None:
    if held_by_a_dead_one:
        hold(database, run_id, started=0)
    start = threading.Barrier(6)

    def attempt(_: int) -> Lease | RunHeld:
        start.wait(20)
        try:
            return claim(database, run_id, lease_s=60)
        except RunHeld as error:
            return error

    with ThreadPoolExecutor(6) as pool:
        came_to = list(pool.map(attempt, range(6)))
    (winner,) = [lease for lease in came_to if isinstance(lease, Lease)]
    assert winner.token == runs.get(database, run_id).token == 1 + held_by_a_dead_one
    assert len(journal.events(database, run_id, kind="run.claimed")) == 1
    winner.release("interrupted")


@pytest.mark.parametrize(("status", "ended"), [("interrupted", False), ("waiting", False), ("failed", True)])
def test_a_released_run_is_left_in_its_status_and_free(
    database: Database, run_id: str, take: Callable[..., Lease], status: runs.Status, ended: bool
) -> None:
    take().release(status, report={"rows": 3}, error="why\0")
    run = runs.get(database, run_id)
    assert (run.status, run.holder, run.report, run.error) == (status, None, {"rows": 3}, "why\ufffd")
    assert (run.finished_at is not None) == ended
    told = journal.events(database, run_id)[-1]
    assert (told.kind, told.data) == (f"run.{status}", {"error": "why\ufffd"})

    again = take()
    assert runs.get(database, run_id).error is None
    assert runs.get(database, run_id).finished_at is None
    again.release("interrupted")
    assert runs.get(database, run_id).report == {"rows": 3}


def test_a_fence_leaves_a_run_that_is_worked_on(database: Database, run_id: str, take: Callable[..., Lease]) -> None:
    lease = take()
    before = contents(database)
    assert not fenced(database, run_id)
    assert contents(database) == before
    lease.record("note.made")


def test_a_fence_takes_the_lease_of_the_dead_and_of_the_silent(
    database: Database, run_id: str, take: Callable[..., Lease]
) -> None:
    assert fenced(database, run_id)
    assert runs.get(database, run_id).status == "created"
    for number, holder in enumerate([{"started": 0}, {"host": "elsewhere", "silent_s": 100}]):
        lease = take()
        hold(database, run_id, **holder)
        assert fenced(database, run_id)
        run = runs.get(database, run_id)
        assert (run.status, run.holder, run.token) == ("interrupted", None, lease.token + 2), number
        with pytest.raises(LeaseLost):
            lease.record("note.made")
    assert fenced(database, "nobody's run")


def test_behind_a_fence_nobody_takes_the_run_up(database: Database, run_id: str) -> None:
    order = []
    with ThreadPoolExecutor(1) as pool:

        def work(connection: journal.Connection) -> Any:
            assert fence(connection, run_id, 60)
            coming = pool.submit(claim, database, run_id, lease_s=60)
            coming.add_done_callback(lambda _: order.append("claimed"))
            waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            until(lambda: database.query(waiting))
            order.append("sorted")
            return coming

        database.transaction(work).result().abandon()
    assert order == ["sorted", "claimed"]


def test_a_run_is_on_record_once(database: Database, run_id: str) -> None:
    """Putting it there again changes nothing, whatever it has become."""
    claim(database, run_id, lease_s=60).release("interrupted")
    before = contents(database)
    runs.create(database, run_id, parse(runs.get(database, run_id).spec), base_dir="/other", document=None)
    assert contents(database) == before


def test_runs_are_listed_newest_first(database: Database, run_id: str) -> None:
    spec = parse(runs.get(database, run_id).spec)
    for number in range(3):
        runs.create(database, f"later-{number}", spec, base_dir="/", document=None)
    assert [run.run_id for run in runs.newest(database, limit=3)] == ["later-2", "later-1", "later-0"]
    with pytest.raises(CrewlineError, match="There is no run 'x'"):
        runs.get(database, "x")


def test_a_spec_comes_back_from_the_store_in_the_order_it_was_written(database: Database) -> None:
    """The order of columns and aggregates is the order of the published columns, in a resumed run too."""
    columns = dict.fromkeys(("zz", "b", "aaa", "a", "y"), "string")
    spec = parse(
        {
            "name": "ordered",
            "sources": {"o": {"kind": "csv", "path": "o.csv", "columns": columns}},
            "aggregation": {"dataset": "o", "group_by": ["b"], "aggregates": {"zz": "count(*)", "a": "count(*)"}},
            "target": {"path": "out"},
        }
    )
    runs.create(database, "ordered-1", spec, base_dir="/", document=None)
    again = parse(runs.get(database, "ordered-1").spec)
    assert list(again.sources["o"].columns) == list(columns)
    assert again.aggregation is not None
    assert list(again.aggregation.aggregates) == ["zz", "a"]
    assert (again, again.fingerprint) == (spec, runs.get(database, "ordered-1").fingerprint)
