"""The transformation in the hands of an agent: what it is answered, and what it cannot do."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from crewai import LLM, Agent, Crew, Task

from core.settings import Settings
from tests.model import ScriptedModel
from tools import DataTransformationTool, ToolContext
from tools.toolbox import toolbox


@pytest.fixture
def tool(tmp_path: Path, configuration: Settings) -> DataTransformationTool:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "orders.csv").write_text("id,state\n1, Open\n2,done\n")
    return DataTransformationTool(context=ToolContext(roots=(str(folder),)))


def test_an_agent_of_crewai_transforms_a_file(tool: DataTransformationTool, model: ScriptedModel) -> None:
    """Mappings come as a strict schema has them: as lists of names and values."""
    derive = {"rule": "derive", "columns": [{"name": "label", "value": "lower(trim(state)) || id"}]}
    model.calls_amiss("data_transformation", {"source": "orders.csv", "output": "out", "rules": [derive]})
    model.calls_amiss("data_transformation", {"source": "orders.csv", "output": "out", "rules": [{"rule": "drop"}]})
    model.says("Done.")
    llm = LLM(model="openai/scripted", base_url=model.url, api_key="none")
    agent = Agent(role="engineer", goal="clean", backstory="None.", llm=llm, tools=[tool], max_retry_limit=0)
    task = Task(description="Clean orders.csv.", expected_output="What was done.", agent=agent)
    assert Crew(agents=[agent], tasks=[task]).kickoff().raw == "Done."
    answer, refusal = model.answers
    assert answer["records"] == 2
    assert pq.read_table(answer["output"])["label"].to_pylist() == ["open1", "done2"]
    assert refusal["error"]["kind"] == "InvalidArguments"
    assert "rules.0" in refusal["error"]["message"]


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"source": "orders.csv"}, "InvalidArguments", "output"),
        ({"source": "../secret.csv", "output": "out"}, "Refused", "outside of the allowed roots"),
        ({"source": "orders.csv", "output": "/etc/out"}, "Refused", "outside of the allowed roots"),
        ({"source": "nope.csv", "output": "out"}, "SourceError", "no file matches"),
        ({"source": "orders.csv", "output": "out", "exec": "rm"}, "InvalidArguments", "unknown argument"),
        (
            {"source": "orders.csv", "output": "out", "rules": [{"rule": "filter", "where": "id > 1"}]},
            "RuleError",
            "rule 0 (filter)",
        ),
        (
            {"source": "orders.csv", "output": "out", "rules": [{"rule": "filter", "where": "(select 1) > 0"}]},
            "RuleError",
            "is not allowed in an expression",
        ),
        ({"source": "orders.csv", "output": "out", "target_schema": {"id": "integer"}}, "SchemaError", "is extra"),
    ],
)
def test_what_cannot_be_done_comes_back_as_a_short_error(
    tool: DataTransformationTool, arguments: dict[str, object], kind: str, words: str
) -> None:
    text = tool.run(**arguments)
    error = json.loads(text)["error"]
    assert error["kind"] == kind
    assert words in error["message"]
    assert len(text) < 1000
    assert "Traceback" not in text
    tool.close()


def test_the_toolbox_has_it() -> None:
    assert "data_transformation" in {tool.name for tool in toolbox(ToolContext())}
