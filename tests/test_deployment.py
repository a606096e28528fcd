"""Deployed agents: measured while they work, told of when they cannot, and nothing of theirs lost when they end."""

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core import journal
from core import run as runs
from core.dataset import DatasetRef
from core.errors import InputError
from core.settings import Settings
from core.stop import Stop
from core.store import Database
from crewline.cli import app
from crews.deployment import Deployment, JobRecord, get, report, submit, undeploy
from crews.deployment.deployment import HEALTH_S
from crews.deployment.jobs import MOST_ATTEMPTS, take
from crews.deployment.streams import STREAMS
from crews.registry import Registry, default_registry, standings
from tests import child, made_agents
from tests.deadline import until
from tests.hand import TurnedClock
from tests.made_agents import Probed
from tools.context import ToolContext

MODULES = ("tests.made_agents",)


@pytest.fixture
def clock() -> TurnedClock:
    return TurnedClock()


@pytest.fixture
def deployment(database: Database, clock: TurnedClock, tmp_path: Path) -> Iterator[Deployment]:
    """Of all that Crewline has, and of what tests have; it reads below the test's folder."""
    with Deployment(database, registry(), context(tmp_path), run_id="deployment-1", clock=clock) as deployment:
        yield deployment


def registry(*more: str) -> Registry:
    found = Registry(default_registry().all(), modules=MODULES)
    for name in ("Keeper", "Slow", "Probed"):
        found.register(made_agents.definition(name.lower(), name))
    return found


def context(folder: Path) -> ToolContext:
    return ToolContext(agent="deployment", roots=(str(folder),))


def orders(folder: Path, name: str = "orders.csv", rows: int = 20) -> str:
    (folder / name).write_text("id,region\n" + "".join(f"{n},north\n" for n in range(rows)) + "torn\n")
    return str(folder / name)


def ended(database: Database, job: JobRecord) -> JobRecord:
    until(lambda: get(database, job.job).status in ("done", "failed"))
    return get(database, job.job)


def health(database: Database, **more: Any) -> dict[str, str]:
    return {one.agent: one.health for one in report(database, **more).agents}


def test_jobs_are_done_accounted_for_and_measured(database: Database, deployment: Deployment, tmp_path: Path) -> None:
    deployment.deploy("batch_processor")
    good, bad = (submit(database, "batch_processor", place, dataset="orders") for place in (orders(tmp_path), "gone"))
    deployment.tick()
    done, failed = ended(database, good), ended(database, bad)
    assert done.outcome is not None
    assert (done.outcome.rows.rows_in, done.outcome.rows.rows_out, done.outcome.leaving) == (
        *(21, 20),
        {"quarantined:readable": 1},
    )
    assert done.outcome.output is not None
    assert sum(pq.read_metadata(path).num_rows for path in done.outcome.output.paths) == 20
    assert failed.error is not None
    assert "no file matches" in failed.error
    (one,) = deployment.check().agents
    assert (one.health, one.done, one.failed, one.waiting, one.running, one.rows) == ("healthy", 1, 1, 0, 0, 21)
    assert one.throughput_rps == pytest.approx(21 / done.outcome.seconds)
    assert done.finished_at is not None
    assert one.latency_s == one.latency_p95_s
    assert one.latency_s == pytest.approx((done.finished_at - done.submitted_at).total_seconds())
    assert one.quality == pytest.approx(20 / 21)
    # What agents did as a service counts for what is thought of them.
    measured = standings(database, ["batch_processor"])["batch_processor"]
    assert (measured.tasks, measured.success) == (2, 0.5)
    assert "1 agents, 100% healthy; 1 jobs done, 1 failed, 21 rows" in report(database).as_text()


def test_one_agent_goes_on_with_what_another_left(database: Database, deployment: Deployment, tmp_path: Path) -> None:
    for agent in ("batch_processor", "validation_agent"):
        deployment.deploy(agent, {"checks": [{"check": "not_null", "column": "id"}]} if "val" in agent else None)
    first = submit(database, "batch_processor", orders(tmp_path), dataset="orders")
    deployment.tick()
    output = ended(database, first).outcome
    assert output is not None
    second = submit(database, "validation_agent", "", dataset="orders", data=output.output)
    deployment.tick()
    done = ended(database, second).outcome
    assert done is not None
    assert (done.rows.rows_in, done.rows.rows_out) == (20, 20)


def test_health_is_checked_every_ten_seconds_with_measured_times(
    database: Database, deployment: Deployment, clock: TurnedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What takes time answers late; what raises is told with its words; what hangs is not waited for."""
    hung = threading.Event()
    monkeypatch.setattr(Probed, "says", [])
    deployment.deploy("probed")

    def checked() -> tuple[str, float | None, str | None]:
        deployment.tick()
        (one,) = report(database).agents
        return one.health, one.response_s, one.reason

    assert checked() == ("healthy", 0.0, None)
    Probed.says[:] = [lambda: clock.advance(0.25)]
    clock.advance(HEALTH_S - 1)
    assert checked() == ("healthy", 0.0, None)
    clock.advance(1)
    assert checked() == ("healthy", 0.25, None)
    Probed.says[:] = [lambda: (_ for _ in ()).throw(ValueError("its disk is full"))]
    clock.advance(HEALTH_S)
    assert checked() == ("unhealthy", 0.0, "ValueError: its disk is full")
    Probed.says[:] = [lambda: hung.wait(20) and None]
    with monkeypatch.context() as impatient:
        impatient.setattr("crews.deployment.deployment.ANSWER_S", 0.2)
        clock.advance(HEALTH_S)
        assert checked() == ("unhealthy", None, "it did not answer within 0.2 s")
    hung.set()
    Probed.says.clear()
    clock.advance(HEALTH_S)
    until(lambda: deployment.check().healthy == 1.0)
    told = [event.kind for event in journal.events(database, deployment.run_id, kind="agent.")]
    assert told == ["agent.deployed", "agent.healthy", "agent.unhealthy", "agent.healthy"]


def test_an_agent_that_reads_a_stream_reads_on_and_its_trouble_is_told(
    database: Database, deployment: Deployment, clock: TurnedClock, tmp_path: Path
) -> None:
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.jsonl").write_text('{"n": 1}\n{"n": 2}\n')
    deployment.deploy("stream_processor", {"batch": 1}, source=str(folder))

    def rows() -> int:
        deployment.tick()
        return report(database).agents[0].rows

    until(lambda: rows() == 2)
    with (folder / "a.jsonl").open("a") as file:
        file.write('{"n": 3}\n')
    until(lambda: rows() == 3)
    until(lambda: deployment.tick() or not report(database).agents[0].running)
    (folder / "a.jsonl").unlink()
    folder.rmdir()

    def told() -> bool:
        """A look that was under way when the folder went has another reason."""
        clock.advance(HEALTH_S)
        deployment.tick()
        (one,) = report(database).agents
        return one.health == "unhealthy" and "it is no folder" in (one.reason or "")

    until(told)
    (one,) = report(database).agents
    assert (one.done, one.failed) == (2, 0)


def test_no_more_jobs_are_under_way_than_there_are_streams(
    database: Database, deployment: Deployment, tmp_path: Path
) -> None:
    """Nor more than the machine bears: these take a hundredth of a core each."""
    tiny = made_agents.definition("tiny", "Slow", resources={"cores": 0.01, "memory_mb": 1})
    deployment._registry.register(tiny)
    deployment.deploy("tiny", {"done": str(tmp_path / "done")})
    data = DatasetRef(paths=(), rows=0, columns={})
    submitted = [submit(database, "tiny", "", dataset="d", data=data) for _ in range(STREAMS + 3)]
    for _ in range(3):
        deployment.tick()
        assert report(database).agents[0].running == STREAMS
    until(lambda: database.query("SELECT count(*) AS n FROM resource_allocations")[0]["n"] == STREAMS)
    (tmp_path / "done").touch()
    until(lambda: deployment.tick() or report(database).agents[0].done == len(submitted))
    assert database.query("SELECT count(*) AS n FROM resource_allocations")[0]["n"] == 0


def test_what_cannot_be_deployed_is_told(
    database: Database, deployment: Deployment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crews.deployment.deployment.MOST_AGENTS", 3)
    deployment.deploy("batch_processor")
    for words, arguments, more in (
        ("There is no agent 'nobody'", ("nobody",), {}),
        ("batch_processor is deployed here already", ("batch_processor",), {}),
        ("aggregation_agent needs group_by", ("aggregation_agent",), {}),
        ("validation_agent reads no stream", ("validation_agent",), {"source": str(tmp_path)}),
    ):
        with pytest.raises(InputError, match=words):
            deployment.deploy(*arguments, **more)
    with pytest.raises(InputError, match=r"keeper is not deployed here\. Deployed are: batch_processor"):
        deployment.undeploy("keeper")
    with pytest.raises(InputError, match="No agent keeper is deployed"):
        undeploy(database, "keeper")
    with pytest.raises(InputError, match="There is no job x"):
        get(database, "x")
    with pytest.raises(InputError, match="There is no job"):
        get(database, uuid.uuid4())
    for number in range(2):
        deployment._registry.register(made_agents.definition(f"keeper{number}", "Keeper"))
        deployment.deploy(f"keeper{number}")
    with pytest.raises(InputError, match="3 agents are deployed here"):
        deployment.deploy("keeper")
    assert len(deployment.check().agents) == 3
    assert report(database).healthy == 1


def test_who_is_asked_to_leave_does_its_jobs_first(database: Database, deployment: Deployment, tmp_path: Path) -> None:
    deployment.deploy("slow", {"done": str(tmp_path / "done")})
    job = submit(database, "slow", "", dataset="d", data=DatasetRef(paths=(), rows=0, columns={}))
    deployment.tick()
    assert undeploy(database, "slow") == 1
    threading.Timer(0.2, (tmp_path / "done").touch).start()
    deployment.check()
    assert get(database, job.job).status == "done"
    assert health(database) == {}
    assert health(database, run_id=deployment.run_id) == {"slow": "undeployed"}


def test_the_end_gives_jobs_back_and_leaves_nothing_behind(
    database: Database, clock: TurnedClock, tmp_path: Path
) -> None:
    """Also those that were not begun. The report is on record with the run."""
    stop = Stop()
    with Deployment(database, registry(), context(tmp_path), run_id="deployment-2") as deployment:
        deployment.deploy("slow", {"done": str(tmp_path / "done")})
        submitted = [
            submit(database, "slow", "", dataset="d", data=DatasetRef(paths=(), rows=0, columns={})) for _ in range(3)
        ]
        threading.Thread(target=lambda: (until(lambda: _begun(database)), stop.request("the test wants it"))).start()
        deployment.run(stop)
    assert {get(database, job.job).status for job in submitted} == {"open"}
    assert {get(database, job.job).attempts for job in submitted} == {0}
    run = runs.get(database, "deployment-2")
    assert run.report is not None
    assert (run.status, [agent["health"] for agent in run.report["agents"]]) == ("done", ["undeployed"])
    assert database.query("SELECT count(*) AS n FROM resource_allocations")[0]["n"] == 0
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("agent-", "stream"))]


def _begun(database: Database) -> bool:
    return bool(database.query("SELECT 1 FROM steps WHERE status = 'running'"))


def serve(environment: dict[str, str], folder: str) -> None:
    from core.settings import settings
    from core.store import open_database

    os.environ.update(environment)
    settings.cache_clear()
    with Deployment(open_database(), registry(), context(Path(folder)), run_id="deployment-dies") as deployment:
        deployment.deploy("slow", {"done": f"{folder}/done"})
        deployment.run(Stop())


def test_the_jobs_of_a_killed_deployment_are_done_by_another(
    database: Database, configuration: Settings, deployment: Deployment, tmp_path: Path
) -> None:
    """It is told as lost until then. A job that every process dies of has failed in the end."""
    job = submit(database, "slow", "", dataset="d", data=DatasetRef(paths=(), rows=0, columns={}))
    environment = {key: value for key, value in os.environ.items() if key.startswith("CREWLINE_")}
    process = child.forked(serve, environment, str(tmp_path))
    until(lambda: get(database, job.job).status == "running")
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert health(database) == {"slow": "lost"}
    assert (
        "is a deployment, and has ended. Deploy its agents anew"
        in CliRunner().invoke(app, ["resume", "deployment-dies"]).output
    )
    deployment.deploy("slow", {"done": str(tmp_path / "done")})
    (tmp_path / "done").touch()
    deployment.tick()
    done = ended(database, job)
    assert (done.status, done.run_id, done.attempts) == ("done", deployment.run_id, 2)
    hopeless = submit(database, "keeper", "", dataset="d")
    for number in range(MOST_ATTEMPTS):
        runs.create_graph(database, f"dead-{number}", "deployment", {})
        assert [one.job for one in take(database, f"dead-{number}", ["keeper"], 5)] == [hopeless.job]
        deployment.check()
    assert get(database, hopeless.job).error == "every process that had it died"


def test_jobs_that_were_taken_by_an_answer_that_was_lost_are_found_again(database: Database) -> None:
    runs.create_graph(database, "d", "deployment", {})
    jobs = [submit(database, "keeper", "", dataset="d") for _ in range(3)]
    first = take(database, "d", ["keeper"], 2)
    known = [first[0].job]
    assert [one.job for one in take(database, "d", ["keeper"], 5, known)] == [jobs[1].job, jobs[2].job]
    assert take(database, "d", ["keeper"], 5, [job.job for job in jobs]) == []


@contextmanager
def stopped_soon(stop: Stop) -> Iterator[None]:
    """Lets a command look once: its first wait ends it."""
    stop.wait = lambda seconds: stop.request("the test wants it")  # type: ignore[method-assign]
    yield


def test_the_commands_deploy_watch_submit_and_end_by_sigterm(
    database: Database, configuration: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In processes of their own; the one that watches sees the health of the one that works."""
    command = [sys.executable, "-m", "crewline"]
    working = subprocess.Popen(
        [*command, "deploy", "batch_processor", "--json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parent.parent)},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert working.stdout is not None
        told = json.loads(working.stdout.readline())
        assert told["agents"][0]["health"] == "healthy"
        assert told["agents"][0]["response_s"] < 2
        runner = CliRunner()
        done = runner.invoke(app, ["submit", "batch_processor", orders(tmp_path), "--wait", "20"])
        assert (done.exit_code, "done, 21 rows in = 20 out + 1 left" in done.output) == (0, True), done.output
        failed = runner.invoke(app, ["submit", "batch_processor", str(tmp_path / "gone.csv"), "--wait", "20", "--json"])
        assert failed.exit_code == 1
        assert runner.invoke(app, ["submit", "nobody", "x"]).exit_code == 2
        assert runner.invoke(app, ["undeploy", "keeper"]).exit_code == 2
        assert runner.invoke(app, ["deploy", "nobody"]).exit_code == 2
        assert report(database).agents[0].done == 1
        monkeypatch.setattr("crewline.commands.agents.stopped_by_signals", stopped_soon)
        (watched,) = runner.invoke(app, ["agents", "--watch", "--json"]).stdout.splitlines()
        assert json.loads(watched)["agents"][0]["health"] == "healthy"
    finally:
        working.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            working.communicate(timeout=20)
    assert working.returncode == 0
    assert health(database) == {}
