"""The scripted model of the tests: the clients of CrewAI and of LangChain both talk to it for real."""

import json
from pathlib import Path

import pytest
from crewai import LLM, Agent, Crew, Task
from langchain_openai import ChatOpenAI
from openai import BadRequestError
from pydantic import BaseModel, ValidationError

from tests.model import ScriptedModel, scripted_model
from tests.test_tool import EchoTool


def crew(model: ScriptedModel) -> Crew:
    llm = LLM(model="openai/scripted", base_url=model.url, api_key="none")
    agent = Agent(role="engineer", goal="echo", backstory="None.", llm=llm, tools=[EchoTool()], max_retry_limit=0)
    task = Task(description="Echo a.csv.", expected_output="What was echoed.", agent=agent)
    return Crew(agents=[agent], tasks=[task])


def test_an_agent_of_crewai_calls_a_tool_and_reads_what_it_gave(
    model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model.calls("echo", path="a.csv", labels=[{"name": "x", "value": 1}]).says("It was a.csv.")
    assert crew(model).kickoff().raw == "It was a.csv."
    (answer,) = model.answers
    assert answer["path"] == str(tmp_path / "a.csv")
    assert answer["request"]["labels"] == {"x": 1}


def test_an_agent_that_calls_amiss_is_told_and_goes_on(model: ScriptedModel) -> None:
    model.calls_amiss("echo", {"path": 3, "exec": "rm"}).calls_amiss("echo", "{broken").says("I give up.")
    assert crew(model).kickoff().raw == "I give up."
    error = json.loads(model.results[0])["error"]
    assert error["kind"] == "InvalidArguments"
    assert "Failed to parse tool arguments" in model.results[1]
    assert not any("Traceback" in result for result in model.results)


def test_arguments_that_are_no_object_end_the_crew_in_an_error_of_crewai_as_the_page_says(model: ScriptedModel) -> None:
    """No tool is asked: who mends this in CrewAI lets the page say so."""
    model.calls_amiss("echo", [1, 2])
    with pytest.raises(ValidationError, match="tool_args"):
        crew(model).kickoff()


@pytest.mark.parametrize("streaming", [False, True])
def test_a_client_of_langchain_gets_calls_and_texts(model: ScriptedModel, streaming: bool) -> None:
    class Find(BaseModel):
        """Find datasets."""

        query: str

    chat = ChatOpenAI(model="scripted", base_url=model.url, api_key="none", streaming=streaming)  # type: ignore[arg-type]
    model.calls("Find", query="orders").says("Two.")
    (call,) = chat.bind_tools([Find]).invoke("Find orders.").tool_calls
    assert (call["name"], call["args"]) == ("Find", {"query": "orders"})
    assert chat.invoke("How many?").content == "Two."


def test_a_request_beyond_the_script_fails_the_test() -> None:
    script = scripted_model()
    model = script.__enter__()
    chat = ChatOpenAI(model="scripted", base_url=model.url, api_key="none", max_retries=0)  # type: ignore[arg-type]
    with pytest.raises(BadRequestError, match="no turn was left"):
        chat.invoke("Hello?")
    with pytest.raises(AssertionError, match="no turn was left"):
        script.__exit__(None, None, None)


def test_a_turn_that_is_not_taken_fails_the_test() -> None:
    script = scripted_model()
    script.__enter__().says("Hello.")
    with pytest.raises(AssertionError, match="1 turns were not taken"):
        script.__exit__(None, None, None)
