"""The tool: what an agent may ask of it, what it gets back, and that nothing else happens."""

import json
from pathlib import Path
from typing import Any

import pytest
from crewai import LLM, Agent, Crew, Task
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from core import journal
from core import run as runs
from core.store import Database
from flows import DataPipelineFlow
from tests import shop
from tests.model import ScriptedModel
from tools import PipelineOrchestratorTool, ToolContext
from tools.orchestration.tool import OrchestrationRequest

ACTIONS = ("create", "status", "monitor", "optimize", "lineage")


@pytest.fixture
def tool(tmp_path: Path, database: Database) -> Any:
    made = PipelineOrchestratorTool(context=ToolContext(agent="planner", roots=(str(tmp_path),)))
    made._database = database
    return made


def called(tool: PipelineOrchestratorTool, **arguments: Any) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(tool.run(**arguments))
    return result


def test_each_action_answers_with_json(tmp_path: Path, tool: PipelineOrchestratorTool, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    assert called(tool, action="create", path="shop/shop.yaml")["created"]
    again = called(tool, action="create", document=shop.SPEC, base_dir="shop")
    assert (again["created"], again["pipeline"]["name"]) == (False, "shop")
    report = DataPipelineFlow(document, database=database).kickoff()
    assert called(tool, action="status", pipeline="shop")["runs"][0]["run_id"] == report.run_id
    assert called(tool, action="status", run=report.run_id)["pipeline"]["registered_by"] == "planner"
    (health,) = called(tool, action="monitor")["pipelines"]
    assert (health["name"], health["success_rate"]) == ("shop", 1.0)
    found = called(tool, action="optimize", pipeline="shop")
    assert (found["enough"], found["advice"]) == (False, [])
    assert called(tool, action="lineage", run=report.run_id)["subject"] == f"run:{report.run_id}"
    assert called(tool, action="lineage", pipeline="shop")["subject"] == "pipeline:shop"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "action: Field required"),
        ({"action": "delete"}, "action: Input should be"),
        ({"action": "status"}, "status needs pipeline or run"),
        ({"action": "status", "pipeline": "a", "run": "b"}, "status needs pipeline or run"),
        ({"action": "create"}, "create needs path or document"),
        ({"action": "create", "path": "a", "base_dir": "b"}, "base_dir is for a document"),
        ({"action": "monitor", "pipeline": "a"}, "monitor does not take pipeline; it takes nothing else"),
        ({"action": "optimize", "run": "a"}, "optimize does not take run; it takes pipeline"),
        ({"action": "lineage", "pipeline": 3}, "pipeline: Input should be a valid string"),
        ({"action": "monitor", "exec": "rm"}, "exec: unknown argument"),
    ],
)
def test_a_wrong_combination_of_arguments_is_told_in_a_line(
    tool: PipelineOrchestratorTool, arguments: dict[str, Any], says: str
) -> None:
    error = called(tool, **arguments)["error"]
    assert error["kind"] == "InvalidArguments"
    assert says in error["message"]
    assert len(error["message"]) < 400


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"action": "create", "path": "/etc/passwd"}, "Refused"),
        ({"action": "create", "path": "../shop.yaml"}, "Refused"),
        ({"action": "create", "document": shop.SPEC, "base_dir": "/"}, "Refused"),
        ({"action": "create", "path": "nothing.yaml"}, "SpecError"),
        ({"action": "create", "document": "name: x"}, "SpecError"),
        ({"action": "status", "pipeline": "nothing"}, "InputError"),
        ({"action": "status", "run": "nobody"}, "RunNotFound"),
        ({"action": "lineage", "run": "x' OR '1'='1"}, "InvalidArguments"),
        ({"action": "optimize", "pipeline": "%"}, "InvalidArguments"),
        ({"action": "optimize", "pipeline": "a\0b"}, "InvalidArguments"),
        ({"action": "create", "document": "name: \ud800"}, "InvalidArguments"),
        ({"action": "create", "path": "\ud800.yaml"}, "InvalidArguments"),
    ],
)
def test_what_cannot_be_done_comes_back_as_a_short_error_and_leaves_nothing(
    tool: PipelineOrchestratorTool, database: Database, arguments: dict[str, Any], kind: str
) -> None:
    error = called(tool, **arguments)["error"]
    assert error["kind"] == kind
    assert "Traceback" not in error["message"]
    assert not database.query("SELECT 1 FROM pipelines")
    refused = journal.events(database, None, kind="tool.refused")
    assert [event.actor for event in refused] == (["planner"] if kind == "Refused" else [])


_words = st.one_of(st.none(), st.text(max_size=40), st.sampled_from(["shop", "../x", "name: x", "*a", "{", "shop@"]))


# The pool of connections draws from `random` in threads of its own.
@pytest.mark.filterwarnings("ignore:Do not use the `random` module:hypothesis.errors.HypothesisDeprecationWarning")
@hypothesis_settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    arguments=st.fixed_dictionaries(
        {"action": st.sampled_from([*ACTIONS, "run", "", None])},
        optional=dict.fromkeys(["pipeline", "run", "path", "document", "base_dir", "other"], _words),
    )
)
def test_whatever_it_is_given_it_answers_with_json(tool: PipelineOrchestratorTool, arguments: dict[str, Any]) -> None:
    answer = json.loads(tool._run(**arguments))
    assert isinstance(answer, dict)
    assert "Traceback" not in json.dumps(answer)
    assert not runs.newest(tool.database())


def test_an_agent_registers_a_pipeline_and_asks_how_it_does(
    tmp_path: Path, tool: PipelineOrchestratorTool, model: ScriptedModel
) -> None:
    """A real agent in a real crew; only the model's words are scripted."""
    shop.build(tmp_path / "shop")
    model.calls("pipeline_orchestrator", action="status").calls(
        "pipeline_orchestrator", action="create", path="shop/shop.yaml"
    ).calls("pipeline_orchestrator", action="monitor").says("It is registered, and was never run.")
    llm = LLM(model="openai/scripted", base_url=model.url, api_key="none")
    agent = Agent(role="planner", goal="order", backstory="None.", llm=llm, tools=[tool], max_retry_limit=0)
    task = Task(description="Register shop.", expected_output="Its state.", agent=agent)
    assert Crew(agents=[agent], tasks=[task]).kickoff().raw == "It is registered, and was never run."
    amiss, created, overview = model.answers
    assert amiss["error"]["message"].startswith("arguments: status needs pipeline or run")
    assert created["created"]
    assert [(health["name"], health["runs"]) for health in overview["pipelines"]] == [("shop", 0)]


def test_every_argument_says_what_it_is_for() -> None:
    properties = OrchestrationRequest.model_json_schema()["properties"]
    assert all(part.get("description") for part in properties.values())
