"""The documents are true: their commands and code are run, what they list is what there is."""

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest

from core.settings import Settings
from core.spec import check, rule
from crewline.cli import app
from delegation import Verdict, load_rules
from tests import warm
from tests.model import ScriptedModel
from tools.context import ToolContext
from tools.toolbox import toolbox
from tools.transformation import functions

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PIPELINE = (ROOT / "docs" / "pipeline.md").read_text()
TOOLS = (ROOT / "docs" / "tools.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, configuration: Settings) -> Path:
    """A fresh checkout, as far as the commands need one."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("out"))
    return tmp_path


def tags(union: Any, key: str) -> set[str]:
    """The discriminating words of a union of the spec."""
    return {get_args(member.model_fields[key].annotation)[0] for member in get_args(get_args(union)[0])}


def test_the_commands_of_the_readme_work_in_their_order(folder: Path) -> None:
    """All `bash` blocks; those without a language need make, a fresh machine, or Docker."""
    commands = [line.split("#")[0].strip() for block in blocks(README, "bash") for line in block.splitlines()]
    assert len(commands) >= 7
    for command in filter(None, commands):
        done = warm.command(command, folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def keeps_its_word(code: str, folder: Path, **environment: str) -> None:
    """The code runs, and prints what the comments beside its prints say; `...` stands for more of a line."""
    done = warm.python(code, folder, **environment)
    assert done.returncode == 0, done.stderr
    printed = done.stdout.splitlines()
    promised = re.findall(r"^ *print\(.*\)(?: +# (.*))?$", code, flags=re.MULTILINE)
    assert len(printed) == len(promised) > 0
    for line, promise in zip(printed, promised, strict=True):
        if promise.endswith(" ..."):
            assert line.startswith(promise.removesuffix(" ..."))
        else:
            assert line == promise or not promise


def test_the_python_of_the_page_on_workers_prints_what_it_says(folder: Path) -> None:
    (alone,) = blocks((ROOT / "docs" / "workers.md").read_text(), "python")
    keeps_its_word(alone, folder)


def test_the_python_of_the_readme_prints_what_it_says(folder: Path) -> None:
    pipeline, tool, graph = blocks(README, "python")
    assert len(pipeline.splitlines()) <= 30
    keeps_its_word(pipeline, folder)
    keeps_its_word(tool, folder)
    keeps_its_word(graph, folder)


def test_the_page_on_tools_is_true_alone_in_an_agent_and_over_mcp(folder: Path, model: ScriptedModel) -> None:
    alone, in_agent, langchain, over_mcp = blocks(TOOLS, "python")
    keeps_its_word(alone, folder)
    checks = [{"check": "type", "column": "amount", "type": "decimal(8,2)"}]
    model.calls("data_quality", path="orders.csv", checks=checks).says("No: 1 of 3 is not.")
    keeps_its_word(in_agent, folder, OPENAI_API_KEY="none", OPENAI_BASE_URL=model.url)
    (answer,) = model.answers
    assert answer["report"]["verdicts"][0]["failed"] == 1
    model.calls("data_quality", path="orders.csv", checks=[{"check": "not_null", "column": "id"}])
    keeps_its_word(langchain, folder, OPENAI_API_KEY="none", OPENAI_BASE_URL=model.url)
    # The client gives its server little more of its environment. Not in pytest's folder, see conftest.
    with tempfile.TemporaryDirectory(prefix="crewline-tests-home-", ignore_cleanup_errors=True) as home:
        os.chmod(home, 0o755)
        keeps_its_word(over_mcp, folder, HOME=home)
    listed = re.findall(r"^\| `(\w+Tool)` \| `(\w+)` \|", TOOLS, flags=re.MULTILINE)
    assert sorted(listed) == sorted((type(tool).__name__, tool.name) for tool in toolbox(ToolContext()))
    named = re.findall(r"^\| `(.*?)` \|", TOOLS[TOOLS.index("## The context") :], flags=re.MULTILINE)
    assert "`, `".join(named).split("`, `") == list(ToolContext.model_fields)


def test_the_readme_names_every_command_and_file_that_there_is() -> None:
    """Commands of the table are those of the program; linked files and named tests exist; make targets too."""
    named = set(re.findall(r"^\| `crewline (\w+)", README, flags=re.MULTILINE))
    assert named == {command.callback.__name__ for command in app.registered_commands if command.callback}
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for test in re.findall(r"`(tests/\w+\.py)`", README):
        assert (ROOT / test).is_file(), test
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"make (\w+)", README)) - {"run", "it", "up"} <= targets | {"mode"}
    for name, setting in Settings.model_fields.items():
        assert f"`{setting.validation_alias or f'CREWLINE_{name.upper()}'}`" in README


def test_the_pipeline_document_lists_all_checks_rules_and_functions() -> None:
    """By the names that the document takes."""
    listed_checks = r"^\| `(\w+)` \|.*\| (?:completeness|consistency|accuracy) \|$"
    assert set(re.findall(listed_checks, PIPELINE, flags=re.MULTILINE)) == tags(check.Check, "check")
    section = PIPELINE[PIPELINE.index("## Rules") : PIPELINE.index("## Expressions")]
    assert set(re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)) - {"rule"} == tags(rule.Rule, "rule")
    listed = " ".join(PIPELINE[PIPELINE.index("## Expressions") :].split())
    assert f"`{' '.join(sorted(functions.SCALARS))}`" in listed
    assert f"`{' '.join(sorted(functions.AGGREGATES))}`" in listed


def test_the_python_of_the_page_on_transformations_prints_what_it_says(folder: Path) -> None:
    (code,) = blocks((ROOT / "docs" / "transformation.md").read_text(), "python")
    done = warm.python(code, folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"print\(.*\)  # (.*)", code)


GRAPHS = blocks((ROOT / "docs" / "graphs.md").read_text(), "python")


@pytest.mark.parametrize("code", GRAPHS, ids=("alone", "adaptive", "crash", "answer", "fork", "serve"))
def test_the_page_on_graphs_does_what_it_says(folder: Path, code: str) -> None:
    """Its drawings are compared in tests/test_graph_commands.py."""
    keeps_its_word(code, folder)


@pytest.mark.parametrize("code", blocks((ROOT / "docs" / "delegation.md").read_text(), "python"))
def test_each_example_of_the_page_on_delegation_prints_what_it_says(folder: Path, code: str) -> None:
    keeps_its_word(code, folder)


def test_the_page_on_delegation_lists_every_default_rule_and_every_verdict() -> None:
    page = (ROOT / "docs" / "delegation.md").read_text()
    for each in load_rules().rules:
        assert ", ".join(f"`{task_type}`" for task_type in each.task_types) in page
        assert ", ".join(f"`{condition}`" for condition in each.conditions) in page
    assert all(f"`{verdict}`" in page for verdict in Verdict if verdict is not Verdict.ALLOWED)


def test_the_commands_of_the_page_on_crews_work(folder: Path) -> None:
    (block,) = blocks((ROOT / "docs" / "crews.md").read_text(), "bash")
    done = [warm.command(line, folder) for line in block.splitlines()]
    assert [one.returncode for one in done] == [0] * 4, done
    assert "account  balanced" in done[2].stdout


def test_the_python_of_the_page_on_reasoning_prints_what_it_says(folder: Path) -> None:
    (code,) = blocks((ROOT / "docs" / "reasoning.md").read_text(), "python")
    keeps_its_word(code, folder)


def test_the_page_on_reports_names_the_sections_that_there_are(folder: Path) -> None:
    page = (ROOT / "docs" / "reports.md").read_text()
    (code,) = blocks(page, "python")
    keeps_its_word(code, folder)
    told = re.findall(r"^\| ([A-Z][\w, ]+) \|", page, flags=re.MULTILINE)
    shown = re.findall(r"<h2 [^>]+>(.*?)</h2>", (folder / "sales.html").read_text())
    assert shown == [section for section in told if section != "Investigation"]


@pytest.mark.parametrize("code", blocks((ROOT / "docs" / "crews.md").read_text(), "python"))
def test_each_example_of_the_page_on_crews_prints_what_it_says(folder: Path, code: str) -> None:
    keeps_its_word(code, folder)
