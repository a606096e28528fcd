"""Graphs killed with SIGKILL at random moments, and a database that goes away under them."""

import os
import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from core import journal
from core import run as runs
from core.settings import Settings, settings
from core.store import Database, open_database
from core.store.server import start_server
from core.task import Outcome
from graphs import Attempt, Branch, FunctionWorker, Options, ParallelWorkflow, Result, run
from tests import graph_child
from tests.deadline import until

CHAOS = "CREWLINE_CHAOS" in os.environ
# So many branches that the run outlasts the kills: between two of them up to a hundred come to an end.
BRANCHES, KILLS = (2_000, 50) if CHAOS else (160, 4)
SEED = 20261121


def environment(configuration: Settings) -> dict[str, str]:
    assert configuration.database_url is not None
    return {
        "CREWLINE_HOME": str(configuration.home),
        "CREWLINE_DATABASE_URL": configuration.database_url.get_secret_value(),
        "CREWLINE_LEASE_S": "1",
    }


@pytest.mark.timeout(900 if CHAOS else 240)
def test_a_graph_killed_again_and_again_loses_no_branch_and_commits_none_twice(
    database: Database, configuration: Settings
) -> None:
    """Each process goes on where the one before was killed; the end is that of a run which nobody killed."""
    chance = random.Random(SEED)
    killed = 0
    for _ in range(10 * KILLS):
        # Some before their first branch, others among the branches, so that the run lasts for all.
        begun = chance.randint(0, BRANCHES // KILLS)
        moment = (begun, chance.uniform(0, 0.02 if begun else 0.2))
        process = graph_child.start(environment(configuration), BRANCHES, kill_after=moment)
        process.join(60)
        if process.exitcode == 0:
            break
        assert process.exitcode == -9
        killed += 1
        if killed == KILLS:
            break
    if runs.newest(database)[0].status != "done":
        process = graph_child.start(environment(configuration), BRANCHES)
        process.join(120)
        assert process.exitcode == 0
    assert killed >= KILLS // 2
    _check(database)


def _check(database: Database) -> None:
    expected = graph_child.expected(BRANCHES)
    steps = database.query("SELECT step_key, status, outcome FROM steps WHERE run_id = %s", (graph_child.RUN,))
    outcomes = {s["step_key"]: Outcome.model_validate(s["outcome"]) for s in steps if s["step_key"] in expected}
    assert {key: (o.result or {}).get("n") for key, o in outcomes.items()} == expected
    assert {step["status"] for step in steps} == {"done"}
    committed = [e.step for e in journal.events(database, graph_child.RUN, kind="step.committed") if e.step in expected]
    assert sorted(committed) == sorted(expected)
    found = runs.get(database, graph_child.RUN)
    assert found.status == "done"
    assert found.report is not None
    assert found.report["state"]["result"]["branches"] == {"done": BRANCHES}


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A server that can be killed without harm to other tests."""
    home = Path(tempfile.mkdtemp(prefix="crewline-tests-own-"))
    monkeypatch.setenv("CREWLINE_HOME", str(home))
    monkeypatch.delenv("CREWLINE_DATABASE_URL", raising=False)
    settings.cache_clear()
    yield home
    settings.cache_clear()
    _stop(home)
    shutil.rmtree(home, ignore_errors=True)


def _stop(home: Path) -> None:
    pid = home / "postgres" / "postmaster.pid"
    if pid.exists():
        postmaster = psutil.Process(int(pid.read_text().split("\n")[0]))
        family = [postmaster, *postmaster.children(recursive=True)]
        postmaster.kill()
        psutil.wait_procs(family, timeout=20)


def test_a_database_that_restarts_in_mid_run_is_waited_for(own_server: Path) -> None:
    """The ledger and the checkpoints both wait; the graph goes on in the same process, and nothing is done twice."""
    performed: list[str] = []
    half, back = threading.Event(), threading.Event()

    def perform(of: Branch, attempt: Attempt) -> Result:
        performed.append(of.key)
        if len(performed) == 20:
            half.set()
            assert back.wait(60)
        return Result({"n": 1})

    def restart() -> None:
        assert half.wait(60)
        _stop(own_server)
        start_server(own_server / "postgres")
        back.set()

    restarting = threading.Thread(target=restart)
    restarting.start()
    workflow = ParallelWorkflow(
        [FunctionWorker("worker", frozenset({"work"}), perform)], options=Options(concurrency=4)
    )
    database = open_database()
    try:
        report = run(workflow, [Branch(key=f"b{i}", kind="work") for i in range(60)], database=database)
    finally:
        database.close()
        restarting.join()
    assert report.status == "done"
    assert len(performed) == len(set(performed)) == 60


def test_the_tables_of_checkpoints_are_made_once_by_many_processes(database: Database, configuration: Settings) -> None:
    """All begin at once on a database without them, and all come to their end."""
    for table in ("checkpoint_migrations", "checkpoints", "checkpoint_blobs", "checkpoint_writes"):
        database.once(f"DROP TABLE IF EXISTS {table}")
    processes = [graph_child.start({**environment(configuration), "GRAPH_RUN": f"fan-{i}"}, 10) for i in range(4)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    until(lambda: len([r for r in runs.newest(database) if r.status == "done"]) == 4)
