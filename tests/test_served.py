"""The graphs as LangGraph's own servers run them: with their checkpointer, their threads, and no word to Crewline."""

import asyncio
import importlib.util
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from core import journal
from core import run as runs
from core.errors import InputError
from core.store import Database
from graphs import AdaptiveWorkflow, Attempt, Branch, FunctionWorker, ParallelWorkflow, Result
from graphs.served import Graph, serve

ROOT = Path(__file__).parent.parent
NAMED = json.loads((ROOT / "langgraph.json").read_text())["graphs"]
# The loop of reasoning takes a goal, and no branches: its own test is in test_investigation.
WORKFLOWS = ("parallel", "adaptive")
QUALITY = {"path": "orders.csv", "checks": [{"check": "not_null", "column": "id"}]}


@pytest.fixture
def factories(tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What langgraph.json names, loaded as LangGraph loads it, with a working directory that has a file."""
    (tmp_path / "orders.csv").write_text("id,amount\n1,2.50\n2,4.00\n")
    monkeypatch.chdir(tmp_path)
    found, modules = {}, []
    for name, place in NAMED.items():
        file, _, variable = place.partition(":")
        spec = importlib.util.spec_from_file_location(f"served_{name}", ROOT / file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        modules.append(module)
        found[name] = getattr(module, variable)
    yield found
    for module in modules:
        module._database().close()


def with_checkpointer(graph: Graph) -> Graph:
    """As LangGraph's servers give it theirs."""
    return graph.copy(update={"checkpointer": InMemorySaver()})


def thread(name: str) -> RunnableConfig:
    return {"configurable": {"thread_id": name}}


def status(database: Database, run_id: str) -> tuple[str, bool]:
    """How a run stands, and whether somebody works on it."""
    found = runs.get(database, run_id)
    return found.status, found.holder is not None


@pytest.mark.parametrize("name", WORKFLOWS)
def test_each_graph_that_is_named_runs_natively_and_is_on_record(
    factories: dict[str, Any], database: Database, name: str
) -> None:
    async def work() -> dict[str, Any]:
        graph = with_checkpointer(await factories[name]())
        branch = {"key": "orders", "kind": "quality", "payload": QUALITY}
        return await graph.ainvoke({"task_queue": [branch]}, thread("native-1"))

    values = asyncio.run(work())
    assert values["result"]["status"] == "done"
    assert values["workflow_id"] == "native-1"
    assert status(database, "native-1") == ("done", False)
    report = runs.get(database, "native-1").report or {}
    assert report["state"]["completed_branches"] == {"done": 1}
    committed = [event.step for event in journal.events(database, "native-1", kind="step.committed")]
    assert committed == [f"{name}/queue", "orders"]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_question_is_enough_of_an_input(factories: dict[str, Any], database: Database, name: str) -> None:
    """It is researched, in a chat's manner; nothing at all is refused."""

    async def work() -> dict[str, Any]:
        graph = with_checkpointer(await factories[name]())
        with pytest.raises(InputError, match="was given nothing to do"):
            await graph.ainvoke({}, thread("native-2"))
        return await graph.ainvoke({"messages": [{"role": "user", "content": "orders"}]}, thread("native-1"))

    values = asyncio.run(work())
    assert values["result"]["branches"] == {"done": 2}
    assert "datasets" in values["merged"]["values"]
    assert status(database, "native-1") == ("done", False)
    assert status(database, "native-2") == ("failed", False)


def served(function: Callable[[Branch, Attempt], Any], database: Database, **options: Any) -> Graph:
    workers = [FunctionWorker("worker", frozenset({"work"}), function)]
    return with_checkpointer(serve(lambda opener: ParallelWorkflow(workers, opener=opener, **options), database))


def queue(*keys: str) -> dict[str, Any]:
    return {"task_queue": [{"key": key, "kind": "work"} for key in keys]}


def test_a_thread_waits_for_a_person_and_goes_on_with_the_answer(database: Database) -> None:
    """While it waits, nobody holds it; once it is done it takes no more."""

    async def perform(branch: Branch, attempt: Attempt) -> Result:
        return Result({})

    async def work() -> None:
        graph = served(perform, database, review=["validation"])
        values = await graph.ainvoke(queue("a"), thread("t"))
        (asked,) = values["__interrupt__"]
        assert status(database, "t") == ("waiting", False)
        values = await graph.ainvoke(Command(resume={asked.id: "proceed"}), thread("t"))
        assert values["result"]["status"] == "done"
        assert status(database, "t") == ("done", False)
        with pytest.raises(InputError, match="Start another thread"):
            await graph.ainvoke(queue("b"), thread("t"))

    asyncio.run(work())


def test_a_thread_that_was_cancelled_goes_on_where_it_was(database: Database) -> None:
    """Its branches come back in one wave, and one of them opens the ledger for all."""
    performed: list[str] = []
    waiting = asyncio.Event()

    async def perform(branch: Branch, attempt: Attempt) -> Result:
        if branch.key != "a" and not waiting.is_set():
            waiting.set()
            while not attempt.stop.reason:
                await asyncio.sleep(0.01)
            attempt.stop.check()
        performed.append(branch.key)
        return Result({})

    async def work() -> dict[str, Any]:
        graph = served(perform, database)
        running = asyncio.create_task(graph.ainvoke(queue("a", "b", "c", "d"), thread("t"), durability="sync"))
        await waiting.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert status(database, "t") == ("interrupted", False)
        return await graph.ainvoke(None, thread("t"))

    values = asyncio.run(work())
    assert values["result"] == {"status": "done", "branches": {"done": 4}, "quality": None}
    assert sorted(performed) == ["a", "b", "c", "d"]
    claims = journal.events(database, "t", kind="run.claimed")
    assert [event.data["token"] for event in claims] == [1, 2]


def test_a_thread_is_not_given_other_work_under_way(database: Database) -> None:
    def perform(branch: Branch, attempt: Attempt) -> Result:
        raise ValueError("planted")

    async def work() -> None:
        graph = served(perform, database)
        values = await graph.ainvoke(queue("a"), thread("t"))
        assert values["result"]["status"] == "failed"
        with pytest.raises(InputError, match="was started with other branches than b"):
            await graph.ainvoke(queue("b"), thread("t"))

    asyncio.run(work())


def test_a_thread_without_a_ledger_says_how_to_get_one(database: Database) -> None:
    async def work() -> None:
        workers = [FunctionWorker("worker", frozenset({"work"}), lambda branch, attempt: Result({}))]
        graph = ParallelWorkflow(workers).graph(InMemorySaver())
        with pytest.raises(InputError, match=r"graphs\.run, or give the workflow an opener"):
            await graph.ainvoke(queue("a"), thread("t"))

    asyncio.run(work())
    assert AdaptiveWorkflow.name in NAMED
