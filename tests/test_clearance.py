"""Clearance: what the catalog says of data holds for every tool that would read it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crewline
from core import journal
from core.classification import Classification
from core.store import Database
from tools.context import ToolContext
from tools.tool import Tool
from tools.toolbox import toolbox

DOCUMENT = """
name: leak
sources: {people: {kind: parquet, path: "people/year=2025/a.parquet", columns: {id: integer, email: string}}}
target: {path: out/leak}
"""


@pytest.fixture
def lake(tmp_path: Path, database: Database) -> Path:
    """A Hive table of people, and files of orders, crawled; both restricted."""
    root = tmp_path / "lake"
    (root / "people" / "year=2025").mkdir(parents=True)
    pq.write_table(pa.table({"id": [1], "email": ["ann@example.org"]}), root / "people" / "year=2025" / "a.parquet")
    for year in (2024, 2025):
        (root / f"orders_{year}.csv").write_text("id,email\n1,ann@example.org\n")
    (root / "open.csv").write_text("id\n1\n")
    crewline.crawl(str(root))
    for found in crewline.discover("orders people").datasets:
        crewline.annotate(found.description.location, classification="restricted")
    return root


@pytest.fixture
def tools(lake: Path) -> Iterator[dict[str, Tool]]:
    made = {tool.name: tool for tool in toolbox(ToolContext(agent="mole", roots=(str(lake),)))}
    yield made
    for tool in made.values():
        tool.close()


@pytest.mark.parametrize("path", ["people", "people/year=2025/a.parquet", "orders_2024.csv", "orders_*.csv"])
def test_what_is_classified_above_the_clearance_is_read_by_no_tool(
    tools: dict[str, Tool], lake: Path, database: Database, path: str
) -> None:
    checks = [{"check": "row_count", "min": 1}]
    key = [{"check": "foreign_key", "dataset": "others", "on": {"id": "id"}}]
    lookup = {"rule": "lookup", "dataset": "others", "column": "id", "key": "id", "take": "email", "into": "email"}
    asked = [
        tools["data_transformation"].run(source=path, output="out"),
        tools["data_transformation"].run(source="open.csv", rules=[lookup], datasets={"others": path}, output="out"),
        tools["data_quality"].run(path=path, checks=checks),
        tools["data_quality"].run(path="open.csv", checks=key, references={"others": path}),
        tools["pipeline_orchestrator"].run(action="create", document=DOCUMENT),
    ]
    for text in asked:
        assert json.loads(text)["error"]["kind"] == "Refused", text
        assert "is restricted, and the clearance is internal" in text
        assert "example.org" not in text
    assert not (lake / "out").exists()
    assert len(journal.events(database, None, kind="tool.refused")) == len(asked)


def test_whoever_has_the_clearance_reads_it(lake: Path) -> None:
    context = ToolContext(roots=(str(lake),), clearance=Classification.RESTRICTED)
    for tool in toolbox(context):
        if tool.name == "data_quality":
            text = tool.run(path="orders_*.csv", checks=[{"check": "row_count", "min": 2}])
            assert json.loads(text)["report"]["rows"] == 2
        tool.close()


def test_an_agent_with_folders_for_roots_reads_no_database(tools: dict[str, Tool]) -> None:
    document = """
name: steal
sources: {s: {kind: postgres, table: pg_catalog.pg_authid, url_env: PATH, columns: {rolname: string}}}
target: {path: out/x}
"""
    text = tools["pipeline_orchestrator"].run(action="create", document=document)
    assert json.loads(text)["error"]["kind"] == "Refused"
    assert "PATH/pg_catalog.pg_authid" in text
