"""The commands about pipelines: what they print, for people and for programs."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

import crewline
from core import run as runs
from core.lease import claim
from core.settings import Settings
from core.spec import loads
from core.store import Database
from crewline.cli import app
from tests import shop, warm
from tools.orchestration.advice.case import Kind
from tools.orchestration.service import METRICS
from tools.orchestration.tool import OrchestrationRequest

ROOT = Path(__file__).parent.parent


def call(*arguments: str) -> Any:
    """The command in this process."""
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


def test_a_run_from_the_command_line_appears_among_the_pipelines(tmp_path: Path, configuration: Settings) -> None:
    assert "No pipelines yet" in call("pipelines").stdout
    report = json.loads(call("run", str(shop.build(tmp_path / "shop")), "--json").stdout)
    (health,) = json.loads(call("pipelines", "--json").stdout)["pipelines"]
    assert (health["name"], health["last_run"], health["success_rate"]) == ("shop", report["run_id"], 1.0)
    line = call("pipelines").stdout.splitlines()[1]
    assert line.split()[:4] == ["shop", "1", "published", "100%"]
    assert "error_share" in line

    graph = json.loads(call("lineage", report["run_id"], "--json").stdout)
    assert graph["subject"] == f"run:{report['run_id']}"
    words = call("lineage", "shop").stdout
    assert "source:orders" in words
    assert "column:target/revenue" in words
    assert "sum(amount)" in words

    told = call("optimize", "shop")
    assert told.exit_code == 0
    assert "not enough history: of 1 runs" in told.stdout
    assert json.loads(call("optimize", "shop", "--json").stdout)["enough"] is False

    file = tmp_path / "events.jsonl"
    sent = call("lineage", report["run_id"], "--openlineage", str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert f"Sent {len(lines)} events" in sent.stdout
    assert lines[-1]["eventType"] == "COMPLETE"
    again = json.loads(call("lineage", report["run_id"], "--openlineage", str(file), "--json").stdout)
    assert again["events"] == len(lines)


@pytest.mark.parametrize(
    "command", [("optimize", "nothing"), ("lineage", "nothing"), ("lineage", "x", "--openlineage", "f")]
)
def test_what_is_not_there_is_told_in_a_line(configuration: Settings, command: tuple[str, ...]) -> None:
    result = call(*command)
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: There is no")


def test_a_destination_that_takes_nothing_is_told_and_the_run_stays_as_it_was(
    tmp_path: Path, database: Database, run_id: str
) -> None:
    claim(database, run_id, lease_s=60).release("failed", error="no room")
    before = runs.get(database, run_id)
    result = call("lineage", run_id, "--openlineage", str(tmp_path))
    assert result.exit_code == 2
    assert "Of 2 events of run small-1, 0 were delivered" in result.stderr
    assert "sent again" in result.stderr
    assert runs.get(database, run_id) == before


def test_without_openlineage_it_is_told_what_to_install(
    database: Database, run_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if "openlineage" in name.split(".")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "openlineage", None)
    result = call("lineage", run_id, "--openlineage", "events.jsonl")
    assert result.exit_code == 2
    assert "crewline[openlineage]" in result.stderr


def test_who_sits_at_the_machine_sees_restricted_pipelines_too(database: Database) -> None:
    runs.create(database, "pay-1", loads(shop.RESTRICTED), base_dir="/data", document=None)
    assert crewline.lineage("pay-1").subject == "run:pay-1"


def test_the_pipelines_are_shown_without_loading_an_engine_or_an_agent() -> None:
    code = (
        "import sys, tools.orchestration.monitor; print([n for n in ('crewai', 'ibis', 'duckdb') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_page_about_orchestration_is_true(
    tmp_path: Path, configuration: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its commands work in their order, its Python prints what it says, and it lists what there is."""
    page = (ROOT / "docs" / "orchestration.md").read_text()
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("out"))
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```bash\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    for line in block.splitlines():
        program, *words = line.split()
        if program == "crewline":
            assert call(*words).exit_code == 0, line
        else:
            subprocess.run([sys.executable, *words], check=True, capture_output=True)
    (code,) = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    done = warm.python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    promised = re.findall(r"print\(.*\)  # (.*?)(?: \.\.\.)?$", code, flags=re.MULTILINE)
    for line, words in zip(done.stdout.splitlines(), promised, strict=True):
        assert line.startswith(words)
    for kind in [*get_args(Kind), *METRICS, *get_args(OrchestrationRequest.model_fields["action"].annotation)]:
        assert f"| `{kind}` |" in page
