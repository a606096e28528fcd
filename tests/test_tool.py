"""Tool: whatever an agent gives it, it gets a short JSON text back."""

import asyncio
import json
import threading
from typing import Annotated, Any, Literal

import pytest
from crewai.utilities.agent_utils import convert_tools_to_openai_schema
from pydantic import BaseModel, Field

from core import journal
from core.errors import InputError
from core.settings import Settings, settings
from core.spec.part import Part
from core.store import Database
from tools.arguments import Arguments
from tools.context import ToolContext
from tools.tool import Tool
from tools.toolbox import toolbox


class Rename(Part):
    rule: Literal["rename"]
    columns: dict[str, str]


class Select(Part):
    rule: Literal["select"]
    columns: tuple[str, ...]


class Request(Arguments):
    path: str
    rules: tuple[Annotated[Rename | Select, Field(discriminator="rule")], ...] = ()
    limit: int = Field(default=10, ge=1)
    labels: dict[str, int] | None = None


class Echo(BaseModel):
    path: str
    request: Request


class EchoTool(Tool):
    name: str = "Echo"
    description: str = "Says what it was given."
    args_schema: type[BaseModel] = Request

    def act(self, request: Request) -> Echo:
        if request.path == "bad":
            raise InputError("There is no file 'bad'.", remedy="Give one that is there.")
        return Echo(path=self.context.path(request.path), request=request)


def called(**arguments: Any) -> dict[str, Any]:
    text = EchoTool().run(**arguments)
    assert isinstance(text, str)
    result: dict[str, Any] = json.loads(text)
    return result


def test_an_answer_is_json() -> None:
    assert called(path="a.csv", limit=3)["request"]["limit"] == 3


def test_an_optional_argument_that_is_null_counts_as_left_out() -> None:
    assert called(path="a.csv", limit=None, rules=None)["request"]["limit"] == 10


def test_mappings_are_taken_as_they_are_and_as_lists_of_entries() -> None:
    entries = [{"name": "a", "value": "b"}]
    expected = [{"rule": "rename", "columns": {"a": "b"}}]
    assert called(path="x", rules=[{"rule": "rename", "columns": entries}])["request"]["rules"] == expected
    assert called(path="x", rules=[{"rule": "rename", "columns": {"a": "b"}}])["request"]["rules"] == expected
    assert called(path="x", labels=[{"name": "a", "value": 1}])["request"]["labels"] == {"a": 1}
    assert called(path="x", labels=[])["request"]["labels"] == {}
    assert called(path="x", rules=[{"rule": "select", "columns": ["a"]}])["request"]["rules"][0]["columns"] == ["a"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "path: Field required"),
        ({"path": 3}, "path: Input should be a valid string (got 3)"),
        ({"path": None}, "path: Input should be a valid string (got None)"),
        ({"path": "a", "limit": 0}, "limit: Input should be greater than or equal to 1 (got 0)"),
        ({"path": "a", "labels": {"\ud800": 1}}, "arguments: a text has half of a surrogate pair"),
        ({"path": "a", "labels": dict.fromkeys(map(str, range(30_000)), 1)}, "arguments: they are 3"),
        ({"path": "a", "exec": "rm"}, "exec: unknown argument (got 'rm')"),
        ({"path": "a", "rules": [{"rule": "drop"}]}, "rules.0: Input tag 'drop' found using 'rule' does not match"),
        ({"path": "a", "labels": [{"name": "a", "value": 1}, {"name": "a", "value": 2}]}, "labels"),
    ],
)
def test_what_is_wrong_with_arguments_is_told_in_a_line(arguments: dict[str, Any], told: str) -> None:
    error = called(**arguments)["error"]
    assert error["kind"] == "InvalidArguments"
    assert error["message"].startswith(told)
    assert len(error["message"]) < 600
    assert "Traceback" not in error["message"]


def test_only_some_of_very_many_mistakes_are_told() -> None:
    message = called(path="a", **{f"x{i}": "y" * 500 for i in range(100)})["error"]["message"]
    assert message.endswith("and 95 more")
    assert len(message) < 600


def test_values_without_names_are_checked_like_those_with() -> None:
    assert json.loads(EchoTool().run("a.csv", []))["request"]["rules"] == []
    assert json.loads(EchoTool().run(3))["error"]["kind"] == "InvalidArguments"
    assert json.loads(EchoTool().run("a", [], 1, None, "more"))["error"]["kind"] == "InvalidArguments"


def test_no_name_of_an_argument_gets_in_the_way() -> None:
    for name in ("self", "values", "arguments", "context"):
        told = json.loads(EchoTool().answer({"path": "a.csv", name: 1}))["error"]["message"]
        assert told == f"{name}: unknown argument (got 1)"


def test_a_nest_of_arguments_without_end_is_refused() -> None:
    nest: list[Any] = []
    for _ in range(100_000):
        nest = [nest]
    assert called(path="a", rules=nest)["error"]["kind"] == "InvalidArguments"


def test_an_error_of_ours_names_its_kind_and_the_way_out() -> None:
    error = called(path="bad")["error"]
    assert error == {"kind": "InputError", "message": "There is no file 'bad'. Give one that is there."}


def test_a_refusal_is_told_and_is_on_record(database: Database, configuration: Settings) -> None:
    tool = EchoTool()
    error = json.loads(tool.run(path="/etc/passwd"))["error"]
    assert error["kind"] == "Refused"
    (event,) = journal.events(database, None, kind="tool.refused")
    assert (event.actor, event.data["tool"]) == ("agent", "Echo")
    assert "/etc/passwd" in event.data["reason"]
    tool.close()


def test_a_refusal_that_cannot_be_recorded_says_so(configuration: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWLINE_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    settings.cache_clear()
    error = called(path="/etc/passwd")["error"]
    assert error["kind"] == "StoreUnavailable"
    assert "Refused" in error["message"]


def test_a_call_that_does_not_notice_that_its_time_is_over_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.tool._PATIENCE_S", 0.1)
    release = threading.Event()

    class DeafTool(EchoTool):
        def act(self, request: Request) -> Echo:
            release.wait(60)
            return super().act(request)

    error = json.loads(DeafTool(context=ToolContext(timeout_s=0.1)).run(path="a.csv"))["error"]
    release.set()
    assert error["kind"] == "Interrupted"
    assert "a call may take 0.1 s" in error["message"]


def test_a_tool_can_be_awaited() -> None:
    assert json.loads(asyncio.run(EchoTool().arun(path="a.csv")))["request"]["path"] == "a.csv"


def test_a_structured_tool_of_it_works_the_same() -> None:
    text = EchoTool().to_structured_tool().invoke({"path": "a.csv", "labels": [{"name": "a", "value": 1}]})
    assert json.loads(text)["request"]["labels"] == {"a": 1}


def closed(schema: Any) -> bool:
    """Whether a strict model can write what the schema asks for: every object has keys, and only those."""
    if isinstance(schema, list):
        return all(map(closed, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" and (not schema.get("properties") or schema.get("additionalProperties", True)):
        return False
    return all(map(closed, schema.values()))


@pytest.mark.parametrize("tool", [EchoTool(), *toolbox(ToolContext())], ids=lambda tool: str(tool.name))
def test_what_models_are_asked_for_they_can_write_in_full(tool: Tool) -> None:
    (seen,), _, _ = convert_tools_to_openai_schema([tool])
    assert seen["function"]["name"] == tool.name.lower()
    assert closed(seen["function"]["parameters"])


def test_optional_arguments_may_be_null_and_say_what_that_means() -> None:
    (seen,), _, _ = convert_tools_to_openai_schema([EchoTool()])
    limit = seen["function"]["parameters"]["properties"]["limit"]
    assert {"type": "null"} in limit["anyOf"]
    assert limit["description"] == "Default: 10."
