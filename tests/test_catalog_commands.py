"""The catalog from the command line, from Python, and in the hands of an agent."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from crewai import LLM, Agent, Crew, Task
from typer.testing import CliRunner

import crewline
from core.errors import InputError
from core.settings import Settings
from crewline.cli import app
from tests import warm
from tests.model import ScriptedModel
from tests.test_docs import blocks
from tests.web import Server
from tools import DataDiscoveryTool, ToolContext

ROOT = Path(__file__).parent.parent


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=False)


@pytest.fixture
def shop(tmp_path: Path, configuration: Settings) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "customers.csv").write_text("id,email\n1,a@b.c\n2,\n")
    (folder / "orders.csv").write_text("order_id,customer_id\n10,1\n11,2\n12,1\n")
    return folder


def test_the_commands_fill_the_catalog_search_it_and_say_what_sources_do_not(shop: Path) -> None:
    crawled = call("crawl", str(shop))
    assert crawled.exit_code == 0
    assert "2 datasets described, 0 gone; 2 of 2 parts read" in crawled.stdout
    again = json.loads(call("crawl", "--json").stdout)
    assert [(one["source"], one["read"]) for one in again["crawls"]] == [(str(shop), 0)]

    said = call("annotate", "customers", "owner=sales", "classification=confidential")
    assert said.exit_code == 0
    assert "owner=sales" in said.stdout

    found = json.loads(call("discover", "custmer", "--json").stdout)
    assert found["corrections"] == {"custmer": "customer"}
    assert [dataset["description"]["name"] for dataset in found["datasets"]] == ["customers", "orders"]
    assert found["datasets"][0]["annotations"]["owner"] == "sales"
    (join,) = found["compatibility"]
    assert (join["left_column"], join["right_column"], join["containment"]) == ("customer_id", "id", 1)

    shown = call("discover", "custmer").stdout
    assert "'custmer' was taken for 'customer'." in shown
    assert "100% of 2 sampled values found" in shown
    assert json.loads(call("discover", "custmer", "--quality", "0.9", "--json").stdout)["found"] == 1


def test_a_source_that_fails_is_told_and_the_others_are_crawled(shop: Path) -> None:
    done = call("crawl", str(shop / "none"), "gopher://x", str(shop), "--json")
    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert [one["described"] for one in content["crawls"]] == [2]
    assert set(content["failed"]) == {str(shop / "none"), "gopher://x"}
    assert done.stderr.count("Error: ") == 2


def test_a_page_that_is_no_document_of_an_api_is_a_failure(configuration: Settings) -> None:
    with Server({"/index": "<!doctype html><html><body><p>Hello: you</p></body></html>"}) as server:
        crawled = call("crawl", f"{server.url}/index")
    assert crawled.exit_code == 1
    assert "OpenAPI" in crawled.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["discover", "x"], "The catalog is empty"),
        (["discover", "x", "--freshness", "soon"], "must be like last_24_hours"),
        (["discover", "x", "--source-type", "shelf"], "source_types"),
        (["annotate", "orders", "owner=x"], "no dataset 'orders'"),
        (["annotate", "orders", "owner"], "'owner' is not KEY=VALUE"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(arguments: list[str], told: str, configuration: Settings) -> None:
    done = call(*arguments)
    assert done.exit_code == 2
    assert done.stderr.startswith("Error: ")
    assert told in done.stderr


def test_the_same_from_python(shop: Path) -> None:
    assert crewline.crawl(str(shop)).described == 2
    assert crewline.annotate("orders", domain="sales").annotations.domain == "sales"
    assert [d.description.name for d in crewline.discover("order", domains=["sales"]).datasets] == ["orders"]
    context = ToolContext(roots=(str(shop.parent / "elsewhere"),))
    assert crewline.discover("order", context=context).datasets == []
    with pytest.raises(InputError, match="colour"):
        crewline.annotate("orders", colour="red")
    with pytest.raises(InputError, match="unknown argument"):
        crewline.discover("order", limit=3)


def test_an_agent_of_crewai_finds_what_it_may_see_and_is_told_what_is_wrong(shop: Path, model: ScriptedModel) -> None:
    tool = DataDiscoveryTool(context=ToolContext(agent="scout", roots=(str(shop),)))
    model.calls(tool.name, query="customer", source_types=["file_systems"], domains=[], quality_threshold=0.5)
    model.calls_amiss(tool.name, {"query": "customer", "roots": ["/"]})
    model.says("Two datasets.")
    llm = LLM(model="openai/scripted", base_url=model.url, api_key="none")
    agent = Agent(role="scout", goal="find", backstory="None.", llm=llm, tools=[tool], max_retry_limit=0)
    task = Task(description="Find customers.", expected_output="What there is.", agent=agent)
    try:
        assert Crew(agents=[agent], tasks=[task]).kickoff().raw == "Two datasets."
    finally:
        tool.close()
    answer, error = map(json.loads, model.results)
    assert sorted(dataset["description"]["name"] for dataset in answer["datasets"]) == ["customers", "orders"]
    assert error["error"]["kind"] == "InvalidArguments"
    assert "roots: unknown argument" in error["error"]["message"]


def test_the_examples_of_the_page_work(tmp_path: Path, configuration: Settings) -> None:
    """Commands in their order, then the code, whose comments beside the prints are the output."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("out"))
    page = (ROOT / "docs" / "discovery.md").read_text()
    for line in "".join(blocks(page, "bash")).splitlines():
        done = warm.command(line.split("#")[0], tmp_path)
        assert done.returncode == 0, f"{line}\n{done.stderr}"
    for code in blocks(page, "python"):
        done = warm.python(code, tmp_path)
        assert done.returncode == 0, f"{code}\n{done.stderr}"
        assert re.findall(r"print\(.*\)  # (.*)", code) == done.stdout.splitlines()
