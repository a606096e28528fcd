"""The commands for graphs: what they show, what they change, and how they exit."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from core import journal
from core import run as runs
from core.lease import claim
from core.ledger import Ledger
from core.store import Database
from crewline.cli import app
from graphs import Attempt, Branch, FunctionWorker, GraphReport, Options, ParallelWorkflow, Result, run
from graphs.gallery import draw
from graphs.workers import default_workers
from tests import shop
from tests.deadline import until
from tools.context import ToolContext

DOCS = Path(__file__).parent.parent / "docs"

# What a package with workers consists of, installed.
PACKAGE = {
    "patience.py": """
from pathlib import Path
from graphs import FunctionWorker, Result

def wait(branch, attempt):
    Path(branch.payload["sign"]).touch()
    while not attempt.stop.reason:
        attempt.stop.wait(60)
    attempt.stop.check()
    return Result({})

def workers(database, context):
    return [FunctionWorker("patient", frozenset({"wait"}), wait)]
""",
    "patience-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: patience\nVersion: 1.0\n",
    "patience-1.0.dist-info/entry_points.txt": "[crewline.workers]\npatience = patience:workers\n",
}


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def answered(*arguments: str) -> dict[str, Any]:
    done = call(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a file."""
    (tmp_path / "rows.csv").write_text("id,amount\n1,2.50\n2,x\n3,4.00\n4,1.00\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def waiting(folder: Path, database: Database) -> GraphReport:
    """A graph's run, by workers that Crewline has, that asks whether its result will do."""
    checks = [{"check": "not_null", "column": "id"}]
    branch = Branch(key="rows", kind="quality", payload={"path": "rows.csv", "checks": checks})
    workflow = ParallelWorkflow(default_workers(database, ToolContext()), review=["validation"])
    return run(workflow, [branch], run_id="asks-1", database=database)


def perform(branch: Branch, attempt: Attempt) -> Result:
    if branch.key == "bad":
        raise ValueError("planted")
    return Result({}, quality=0.1 if branch.key == "poor" else None)


def chain(database: Database, run_id: str, *keys: str) -> GraphReport:
    """A run of branches that need one another in turn, each a wave of its own."""
    workers = [FunctionWorker("somebody", frozenset({"work"}), perform)]
    branches = [Branch(key=k, kind="work", needs=keys[n - 1 : n] if n else ()) for n, k in enumerate(keys)]
    workflow = ParallelWorkflow(workers, options=Options(attempts=1, revisions=0))
    return run(workflow, branches, run_id=run_id, database=database)


def test_a_waiting_graph_shows_its_questions_and_goes_on_with_an_answer(waiting: GraphReport) -> None:
    """Without one, or with one that is none, it waits as before."""
    (question,) = waiting.questions
    shown = call("status", "asks-1")
    assert shown.exit_code == 0
    for word in (question.id, "proceed | approve | stop", "1 done", "crewline resume asks-1 --answer"):
        assert word in shown.stdout
    told = answered("status", "asks-1")["graph"]
    assert (told["branches"], told["questions"][0]["id"]) == ({"done": 1}, question.id)
    again = call("resume", "asks-1", "--json")
    assert again.exit_code == 3
    assert json.loads(again.stdout)["questions"][0]["id"] == question.id
    for answer, message in ((f"{question.id}=maybe", "'maybe' is no answer"), ("x=stop", "does not ask x")):
        wrong = call("resume", "asks-1", "--answer", answer)
        assert wrong.exit_code == 2
        assert message in wrong.stderr
        assert answered("status", "asks-1")["runs"][0]["status"] == "waiting"
    assert call("resume", "asks-1", "--answer", "approve").exit_code == 2
    done = call("resume", "asks-1", "--answer", f"{question.id}=proceed")
    assert done.exit_code == 0, done.stderr
    assert "done" in done.stdout
    over = call("resume", "asks-1")
    assert over.exit_code == 2
    assert "has ended: done" in over.stderr


def test_a_graph_that_a_person_stopped_exits_as_failed(waiting: GraphReport) -> None:
    (question,) = waiting.questions
    assert call("resume", "asks-1", "--answer", f"{question.id}=stop").exit_code == 1
    assert "failed" in call("status").stdout


def test_options_of_pipelines_and_graphs_are_not_taken_for_each_other(waiting: GraphReport) -> None:
    for option in (["--compatible"], ["--approved-by", "Ada"]):
        refused = call("resume", "asks-1", *option)
        assert refused.exit_code == 2
        assert "is a graph's" in refused.stderr
    done = answered("run", str(shop.build(Path("shop"))))
    refused = call("resume", done["run_id"], "--answer", "x=y")
    assert refused.exit_code == 2
    assert "asks nothing" in refused.stderr


def test_a_run_of_workers_that_nobody_knows_is_told_with_the_way_out(database: Database) -> None:
    chain(database, "own-1", "bad")
    refused = call("resume", "own-1")
    assert refused.exit_code == 2
    assert "somebody, which nobody here knows" in refused.stderr
    assert "graphs.resume(workflow, 'own-1')" in refused.stderr
    assert "crewline.workers" in refused.stderr


@pytest.fixture
def patience(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package whose worker waits until it is stopped."""
    place = folder / "packages"
    for name, text in PACKAGE.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    monkeypatch.syspath_prepend(str(place))
    yield place
    sys.modules.pop("patience", None)


def test_a_graph_of_another_packages_workers_is_taken_up_and_interrupted(
    folder: Path, database: Database, patience: Path
) -> None:
    """By a process that knows the run's id alone; Ctrl-C leaves it to be resumed."""
    definition = {"graph": "parallel", "workers": {"patient": ["wait"]}, "options": {}, "review": []}
    runs.create_graph(database, "patient-1", "parallel", definition)
    lease = claim(database, "patient-1", lease_s=5)
    ledger = Ledger(lease, folder / "runs")
    branch = {"key": "b", "kind": "wait", "payload": {"sign": str(folder / "sign")}}
    ledger.commit(ledger.begin("parallel/queue", actor="graph"), {"task_queue": [branch], "sync_points": []}, actor="g")
    lease.release("interrupted")
    environment = {**os.environ, "PYTHONPATH": f"{patience}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, "-m", "crewline", "resume", "patient-1"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until((folder / "sign").exists, 30)
        assert answered("status", "patient-1")["runs"][0]["status"] == "running"
        assert "1 running" in call("status", "patient-1").stdout
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 130, told
    assert "crewline resume patient-1" in told
    assert answered("status", "patient-1")["runs"][0]["status"] == "interrupted"


def test_the_checkpoints_of_a_run_are_listed_newest_first(database: Database) -> None:
    """With what comes next, as long as the run has not ended well; as an object too."""
    chain(database, "own-1", "a", "poor", "b")
    moments = answered("graph", "history", "own-1")["checkpoints"]
    times = [moment["at"] for moment in moments]
    assert times == sorted(times, reverse=True)
    assert {moment["thread"] for moment in moments} == {"own-1"}
    assert moments[-1]["next"] == {"__start__": 1}
    assert {"somebody": 1} in [moment["next"] for moment in moments]
    words = call("graph", "history", "own-1").stdout
    assert moments[0]["checkpoint"] in words
    assert "branch_merger" in words or "sync_point_manager" in words
    for arguments, message in (
        (["graph", "history"], "Whose history?"),
        (["graph", "history", "nobody"], "There is no run 'nobody'"),
        (["graph", "parallel", "own-1"], "needs no run"),
    ):
        refused = call(*arguments)
        assert refused.exit_code == 2
        assert message in refused.stderr


def test_each_graph_is_drawn_as_the_page_on_graphs_shows_it() -> None:
    """An unknown name is told with those that there are."""
    page = (DOCS / "graphs.md").read_text()
    refused = call("graph", "circular")
    assert refused.exit_code == 2
    names = refused.stderr.rpartition("There are: ")[2].strip().rstrip(".").split(", ")
    assert {"parallel", "adaptive"} <= set(names)
    for name in names:
        drawn = call("graph", name).stdout
        assert drawn == draw(name)
        assert f"```mermaid\n{drawn}```" in page
        assert json.loads(call("graph", name, "--json").stdout) == {"graph": name, "mermaid": drawn}


def test_the_drawing_of_a_parallel_graph_names_the_workers_that_there_are(database: Database) -> None:
    for worker in default_workers(database, ToolContext()):
        assert f"{worker.name}({worker.name})" in draw("parallel")


def test_a_fork_is_told_and_bad_ones_are_refused(database: Database) -> None:
    chain(database, "own-1", "a", "poor", "b")
    moments = answered("graph", "history", "own-1")["checkpoints"]
    middle = next(moment for moment in moments if moment["next"] == {"somebody": 1})
    forked = answered("fork", "own-1", "--at", middle["checkpoint"], "--as", "own-2")
    assert (forked["run_id"], forked["of"]) == ("own-2", "own-1")
    assert "crewline resume own-" in call("fork", "own-1", "--at", middle["checkpoint"]).stdout.replace(
        "parallel", "own"
    )
    for arguments, message in (
        (["own-1", "--at", middle["checkpoint"], "--as", "own-2"], "There is a run own-2 already"),
        (["own-1", "--at", middle["checkpoint"], "--as", "../own"], "cannot be the id of a run"),
        (["own-1", "--at", "nowhere"], "has no checkpoint nowhere"),
        (["nobody", "--at", "nowhere"], "There is no run 'nobody'"),
        (["own-2", "--at", moments[0]["checkpoint"]], "has no checkpoint"),
    ):
        refused = call("fork", *arguments)
        assert refused.exit_code == 2
        assert message in refused.stderr
    assert journal.events(database, "own-1", kind="run.forked")[0].data["fork"] == "own-2"
    assert journal.events(database, "own-2", kind="run.created")[0].data["fork_of"] == "own-1"


def test_room_is_shown_and_freed(database: Database) -> None:
    """Runs by name or by age; not those that somebody works on."""
    assert answered("status", "--storage")["checkpoints"] == 0
    assert answered("prune") == {"runs": [], "held": [], "checkpoints": 0, "bytes": 0}
    chain(database, "own-1", "bad")
    chain(database, "own-2", "a", "b")
    by_run = {run["run_id"]: run for run in answered("status", "--storage")["runs"]}
    assert by_run["own-1"]["checkpoints"] > 1
    assert by_run["own-2"]["checkpoints"] == 1
    assert "own-1" in call("status", "--storage").stdout
    assert answered("prune")["checkpoints"] == 0
    assert answered("prune", "--older-than", "1")["runs"] == []
    lease = claim(database, "own-1", lease_s=5)
    held = call("prune", "own-1")
    assert held.exit_code == 1
    assert "Left alone: own-1" in held.stderr
    lease.release("failed")
    freed = answered("prune", "--older-than", "0")
    assert freed["checkpoints"] == by_run["own-1"]["checkpoints"] - 1
    assert freed["bytes"] > 0
    assert "Removed 1 checkpoints" in call("prune", "own-1", "--delete").stdout
    assert [run["run_id"] for run in answered("status", "--storage")["runs"]] == ["own-2"]
    for arguments in (["nobody"], ["own-1", "--older-than", "3"], ["--older-than", "-1"]):
        assert call("prune", *arguments).exit_code == 2
    assert call("status", "own-1", "--storage").exit_code == 2
