"""The command line: output, exit codes, signals, a database that dies."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core.settings import Settings, settings
from crewline.cli import app
from tests import retail, shop

CREWLINE = [sys.executable, "-m", "crewline"]
PATIENCE_S = 60


def call(*arguments: str) -> Any:
    """The command in this process."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def document(tmp_path: Path, configuration: Settings) -> Path:
    return shop.build(tmp_path / "shop")


def test_run_with_json_prints_one_object_with_the_promised_keys(document: Path) -> None:
    """Progress goes to standard error."""
    result = call("run", str(document), "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert list(report) == [
        "run_id",
        "status",
        "route",
        "quality",
        "records",
        "tasks",
        "target",
        "duration_s",
        "throughput_rps",
    ]
    assert list(report["quality"]) == ["completeness", "consistency", "accuracy", "overall"]
    assert list(report["records"]) == ["in", "out", "quarantined", "merged", "filtered"]
    assert list(report["tasks"]) == ["completed", "failed"]
    records = report["records"]
    assert records["in"] == records["out"] + records["quarantined"] + records["merged"] + records["filtered"]
    assert f"run {report['run_id']}" in result.stderr
    assert "gate: publish" in result.stderr

    listed = json.loads(call("status", "--json").stdout)
    assert [(r["run_id"], r["status"]) for r in listed["runs"]] == [(report["run_id"], "published")]

    proof = call("audit", report["run_id"], "--json")
    assert proof.exit_code == 0
    assert json.loads(proof.stdout)["balanced"] is True
    assert json.loads(proof.stdout)["records"] == records
    words = call("audit", report["run_id"]).stdout
    assert "Every row is accounted for" in words
    assert report["run_id"] in call("status").stdout
    assert "validation/orders/0" in call("status", report["run_id"]).stdout
    assert "Removed" in call("gc").stdout


def test_a_summary_is_for_people(document: Path) -> None:
    """Without --json: what came of it, and what to do next."""
    result = call("run", str(document))
    assert result.exit_code == 0
    assert "published" in result.stdout
    assert "in = " in result.stdout
    assert "crewline audit" in result.stdout


def test_runs_are_listed_newest_first(document: Path) -> None:
    """And an empty list says how to start one."""
    assert "No runs yet" in call("status").stdout
    assert json.loads(call("status", "--json").stdout) == {"runs": []}
    ids = [json.loads(call("run", str(document), "--json").stdout)["run_id"] for _ in range(2)]
    assert [r["run_id"] for r in json.loads(call("status", "--json").stdout)["runs"]] == ids[::-1]


def test_an_audit_that_does_not_hold_fails(document: Path) -> None:
    """Somebody changed the published files by hand."""
    report = json.loads(call("run", str(document), "--json").stdout)
    file = next(Path(report["target"]).glob("*.parquet"))
    pq.write_table(pq.read_table(file).slice(1), file)
    result = call("audit", report["run_id"])
    assert result.exit_code == 1
    assert "does NOT hold" in result.stdout


def test_a_run_that_fails_or_waits_says_so_by_its_exit_code(tmp_path: Path, configuration: Settings) -> None:
    """1 and 3; and what is waited for can be given."""
    for spent, code in (("fail", 1), ("approval", 3)):
        gate = f"gate: {{enhancements: 0, retries: 0, spent: {spent}}}\n"
        result = call("run", str(shop.build(tmp_path / spent, spec=shop.SPEC + gate)), "--json")
        assert result.exit_code == code
    run_id = json.loads(result.stdout)["run_id"]
    assert call("resume", run_id).exit_code == 3
    assert call("resume", run_id, "--approved-by", "Ada").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nowhere.yaml"], "cannot be read"),
        (["resume", "nobody"], "There is no run 'nobody'"),
        (["status", "nobody"], "There is no run 'nobody'"),
        (["audit", "nobody"], "There is no run 'nobody'"),
    ],
)
def test_bad_input_is_told_in_one_message_without_a_traceback(
    configuration: Settings, arguments: list[str], message: str
) -> None:
    """Exit code 2, nothing on standard output."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_a_wrong_document_is_told_with_its_places(tmp_path: Path, configuration: Settings) -> None:
    """Before the database is even started."""
    document = shop.build(tmp_path / "shop", spec=shop.SPEC.replace("kind: csv", "kind: cvs") + "taret: x\n")
    result = call("run", str(document))
    assert result.exit_code == 2
    assert "sources.orders: 'cvs' is not allowed" in result.stderr
    assert "did you mean 'target'?" in result.stderr


def test_a_home_that_cannot_be_made_is_told(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CREWLINE_HOME", str(tmp_path / "file" / "home"))
    settings.cache_clear()
    for arguments in (["run", str(document)], ["status"]):
        result = call(*arguments)
        assert result.exit_code == 2
        assert "Set CREWLINE_HOME to a folder that can be written." in result.stderr


def test_usage_errors_exit_with_two(configuration: Settings) -> None:
    assert call("run").exit_code == 2
    assert call("fly").exit_code == 2


def test_a_database_that_cannot_be_reached_is_told(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do; the address is wrong here."""
    monkeypatch.setenv("CREWLINE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    result = call("run", str(document))
    assert result.exit_code == 2
    assert "PostgreSQL cannot be used" in result.stderr
    assert "CREWLINE_DATABASE_URL" in result.stderr
    doctor = call("doctor")
    assert doctor.exit_code == 1
    assert "BAD" in doctor.stdout


def test_the_doctor_finds_a_working_machine(configuration: Settings) -> None:
    result = call("doctor", "--json")
    assert result.exit_code == 0
    assert all(finding["ok"] for finding in json.loads(result.stdout)["findings"])


def test_help_imports_nothing_heavy() -> None:
    """`crewline --help` answers at once: half a second leaves no room for an engine or a framework."""
    code = (
        "import sys, runpy; sys.argv = ['crewline', '--help']\n"
        "try: runpy.run_module('crewline', run_name='__main__')\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'crewai', 'ibis', 'duckdb', 'pandas', 'numpy', 'pyarrow', 'psycopg', 'langgraph', 'pydantic'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for command in ("run", "resume", "status", "audit", "gc", "doctor"):
        assert command in result.stdout


class Working:
    """A `crewline` process at work, with its progress."""

    def __init__(self, *arguments: str, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            [*CREWLINE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.seen = ""

    def wait_for(self, words: str) -> None:
        """Read progress until it has these words."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen += line
            if words in line:
                return
        raise AssertionError(f"ended without '{words}': {self.seen}")

    def end(self) -> tuple[int, str, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, self.seen + err

    @property
    def run_id(self) -> str:
        return self.seen.split("run ", 1)[1].split("\n", 1)[0]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_a_run_cleanly_and_says_how_to_go_on(
    tmp_path: Path, configuration: Settings, number: signal.Signals
) -> None:
    """Exit code 130; the run is on record as interrupted, and held by nobody."""
    document = shop.build(tmp_path / "shop", rows=20_000)
    working = Working("run", str(document), environment={})
    working.wait_for("plan:")
    working.process.send_signal(number)
    code, out, err = working.end()
    assert code == 130, err
    assert out == ""
    assert f"crewline resume {working.run_id}" in err
    assert "Traceback" not in err
    status = json.loads(call("status", working.run_id, "--json").stdout)["runs"][0]
    assert (status["status"], status["holder"]) == ("interrupted", None)
    assert call("resume", working.run_id).exit_code == 0


@pytest.fixture
def own_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home with an embedded server of its own, which may be killed; not in pytest's folder, see conftest."""
    home = Path(tempfile.mkdtemp(prefix="crewline-tests-own-"))
    monkeypatch.setenv("CREWLINE_HOME", str(home))
    monkeypatch.delenv("CREWLINE_DATABASE_URL", raising=False)
    monkeypatch.setenv("CREWLINE_DATABASE_WAIT_S", "1")
    settings.cache_clear()
    yield home
    settings.cache_clear()
    shutil.rmtree(home, ignore_errors=True)


def test_a_database_that_dies_in_mid_run_loses_nothing(own_server: Path, tmp_path: Path) -> None:
    """The server is killed with SIGKILL; the run says how to go on, and goes on once the server is back."""
    document = shop.build(tmp_path / "shop", rows=20_000)
    working = Working("run", str(document), environment={"CREWLINE_LEASE_S": "1"})
    working.wait_for("ingestion/")
    postmaster = psutil.Process(int((own_server / "postgres" / "postmaster.pid").read_text().split("\n")[0]))
    family = [postmaster, *postmaster.children(recursive=True)]
    postmaster.kill()
    psutil.wait_procs(family, timeout=PATIENCE_S)
    code, _, err = working.end()
    assert code == 130, err
    assert "PostgreSQL went away" in err
    assert f"crewline resume {working.run_id}" in err
    assert "Traceback" not in err
    deadline = time.monotonic() + PATIENCE_S
    while True:
        resumed = Working("resume", working.run_id, "--json", environment={"CREWLINE_LEASE_S": "1"})
        code, out, err = resumed.end()
        if code == 0 or time.monotonic() > deadline:
            break
    assert code == 0, err
    assert json.loads(out)["status"] == "published"


def test_the_example_runs_from_a_clean_home(own_server: Path, tmp_path: Path) -> None:
    """Load the table, run, audit: what `make run` does, on the embedded server."""
    load = subprocess.run([sys.executable, retail.EXAMPLE / "load.py"], capture_output=True, text=True, check=False)
    assert load.returncode == 0, load.stderr
    assert "retail.customers: 377 rows" in load.stdout
    spec = tmp_path / "pipeline.yaml"
    text = (retail.EXAMPLE / "pipeline.yaml").read_text()
    spec.write_text(text.replace("path: data/", f"path: {retail.EXAMPLE}/data/"))
    run = subprocess.run([*CREWLINE, "run", spec, "--json"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout)
    assert (report["status"], report["route"]) == ("published", "enhance")
    audit = subprocess.run([*CREWLINE, "audit", report["run_id"]], capture_output=True, text=True, check=False)
    assert audit.returncode == 0, audit.stdout


def test_the_newest_run_needs_no_id(run_id: str) -> None:
    """One that is in nobody's shell history yet, too."""
    shown = call("status", "newest")
    assert shown.exit_code == 0
    assert run_id in shown.stdout
    assert shown.stdout == call("status", run_id).stdout


def test_the_newest_of_no_runs_is_none(configuration: Settings) -> None:
    told = call("audit", "newest")
    assert told.exit_code == 2
    assert "There is no run yet" in told.stderr


@pytest.mark.parametrize("module", ["crewline", "crewline.cli"])
def test_the_command_is_its_modules_too(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "every row is accounted for" in done.stdout
