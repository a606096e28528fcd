"""The quality tool: checks for agents, within their bounds."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools import DataQualityTool, ToolContext
from tools.context import Thresholds


@pytest.fixture
def tool(tmp_path: Path) -> Iterator[DataQualityTool]:
    (tmp_path / "o.csv").write_text("id,n\n1,5\n2,x\n")
    (tmp_path / "ids.csv").write_text("id\n1\n")
    tool = DataQualityTool(context=ToolContext(roots=(str(tmp_path),), thresholds=Thresholds(consistency=0.9)))
    yield tool
    tool.close()


def called(tool: DataQualityTool, **arguments: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(tool.run(**arguments))
    return answer


def test_an_agent_gets_verdicts_samples_and_what_is_below_its_thresholds(tool: DataQualityTool) -> None:
    """Mappings may come as lists of entries, as strict models write them."""
    key = {"check": "foreign_key", "dataset": "ids", "on": [{"name": "id", "value": "id"}]}
    shares = {"check": "distribution", "column": "n", "shares": [{"name": "5", "value": 0.5}], "tolerance": 0.5}
    answer = called(
        tool,
        path="o.csv",
        checks=[key, shares],
        columns=[{"name": "n", "value": {"type": "integer"}}],
        references=[{"name": "ids", "value": "ids.csv"}],
    )
    verdicts = {verdict["check"]: verdict for verdict in answer["report"]["verdicts"]}
    assert {name: verdict["failed"] for name, verdict in verdicts.items()} == {
        "type(n)": 1,
        "foreign_key(id)": 1,
        "distribution(n)": None,
    }
    assert verdicts["foreign_key(id)"]["sample"][0]["id"] == "2"
    assert (answer["report"]["quality"], answer["below"]) == ({"consistency": 0.5}, {"consistency": 0.9})


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"path": "o.csv", "checks": [{"check": "not_null"}]}, "InvalidArguments"),
        ({"path": "o.csv", "checks": []}, "InvalidArguments"),
        ({"path": "gone.csv", "checks": [{"check": "row_count", "min": 1}]}, "SourceError"),
        (
            {"path": "o.csv", "checks": [{"check": "expression", "expression": "read_text('/etc/passwd') = ''"}]},
            "ExpressionError",
        ),
        ({"path": "o.csv", "checks": [{"check": "matches", "column": "n", "pattern": "("}]}, "CheckError"),
    ],
)
def test_what_cannot_be_checked_is_told_shortly(tool: DataQualityTool, arguments: dict[str, Any], kind: str) -> None:
    error = called(tool, **arguments)["error"]
    assert error["kind"] == kind
    assert len(error["message"]) < 600


@pytest.mark.usefixtures("configuration")
def test_files_outside_of_the_roots_are_refused_by_whatever_way(tool: DataQualityTool, tmp_path: Path) -> None:
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "out.parquet").symlink_to("/etc/passwd")
    checks = [{"check": "row_count", "min": 1}]
    for path in ("/etc/passwd", "../../etc/passwd", "link.csv", "*.csv", "lake"):
        assert called(tool, path=path, checks=checks)["error"]["kind"] == "Refused", path
    checks = [{"check": "foreign_key", "dataset": "d", "on": {"id": "id"}}]
    assert called(tool, path="o.csv", checks=checks, references={"d": "link.csv"})["error"]["kind"] == "Refused"
    tool.close()


def test_a_wrong_check_is_told_once_and_lists_are_called_lists(tmp_path: Path) -> None:
    tool = DataQualityTool(context=ToolContext(roots=(str(tmp_path),)))

    def told(checks: Any) -> str:
        message: str = json.loads(tool.run(path="a.csv", checks=checks))["error"]["message"]
        return message

    assert told([{"check": "nope"}]).count("checks") == 1
    assert told([{"check": "unique", "columns": "id"}]) == "checks.0.unique.columns: Input should be a list (got 'id')"
    assert told("a") == "checks: Input should be a list (got 'a')"
    assert told([]).startswith("checks: List should have at least 1 item")
