"""A staged pipeline, compiled to a LangGraph graph: one node for each stage, a checkpoint after each."""

import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from langgraph.runtime import Runtime
from langgraph.types import Durability
from typing_extensions import TypedDict

from core.errors import InputError, RunNotFound, SpecChanged, StoreUnavailable
from core.stop import Stop
from graphs.staged.circuit import Circuit
from graphs.staged.name import check_name
from graphs.staged.plain import plain
from graphs.staged.record import PipelineRun, StageRecord, Status
from graphs.staged.stage import Stage
from graphs.staged.trying import Live, Setting, Visit

# Of what is kept in checkpoints; a run kept by another version is refused.
VERSION = 1

# Channels of the state that are no stage's.
RESERVED = frozenset({"definition", "status"})


class Pipeline:
    """Stages that run one after the other. Made by `StagedPipeline.build`.

    With a checkpointer the state is saved after each stage, and the thread id is the run id. It holds plain JSON alone,
    of at most a MiB for each stage: what is larger goes to a file, and its path into the state. A run belongs to one
    process at a time, and that is for the caller to see to. `graph` is the compiled LangGraph graph.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        setting: Setting,
        circuits: dict[str, Circuit],
        checkpointer: BaseCheckpointSaver[Any] | None,
    ) -> None:
        self.name = setting.pipeline
        self._stages = tuple(stages)
        self._setting = setting
        self._circuits = circuits
        self._checkpointer = checkpointer
        self.graph = self._drawn().compile(checkpointer=checkpointer, name=self.name)

    async def run(self, value: Any = None, *, run_id: str | None = None, stop: Stop | None = None) -> PipelineRun:
        """Run all stages on the value, plain JSON, and return what came of it: success, failed or cancelled.

        `stop`, requested from any thread, cancels it: the stage under way is given up at once. Raises StateError for a
        value that is no plain JSON, InputError for a run id that is taken or no name, and what is about the run as a
        whole: StoreUnavailable, LeaseLost, Interrupted. After these, as after a crash, `resume` goes on.
        """
        value = plain(value, f"The input of {self.name}")
        run_id = run_id if run_id is not None else f"{self.name}-{uuid.uuid4().hex[:12]}"
        check_name(run_id, "run")
        if self._checkpointer and await self._values(run_id):
            raise InputError(f"There is a run {run_id} already.", remedy="Resume it, or choose another run id.")
        first = self._stages[0].name
        # Within an object, for the saver keeps bare texts and numbers as JSON of PostgreSQL, which changes some.
        definition = {**self._definition, "input": value}
        state = {"definition": definition, "status": "running", **_running(StageRecord(stage=first))}
        return await self._invoke(state, Live(run_id, stop or Stop()))

    async def resume(self, run_id: str, *, stop: Stop | None = None) -> PipelineRun:
        """Go on with a run that failed, was cancelled, or whose process died, at the stage that it was in.

        Stages that are done are not done again; the one that failed gets all its tries anew. A run that succeeded is
        returned as it is. Raises RunNotFound, SpecChanged if the stages are no longer the same, and what `run` raises.
        """
        values = await self._kept(run_id)
        live = Live(run_id, stop or Stop())
        found = self._run(run_id, values)
        if found.status == "success":
            return found
        if found.status != "running":
            await self._reopen(run_id, found)
        return await self._invoke(None, live)

    async def inspect(self, run_id: str) -> PipelineRun:
        """The run as its last checkpoint has it. Raises RunNotFound, and SpecChanged as `resume` does."""
        return self._run(run_id, await self._kept(run_id))

    def mermaid(self) -> str:
        """The graph as a Mermaid diagram."""
        return self.graph.get_graph().draw_mermaid()

    @property
    def _definition(self) -> dict[str, Any]:
        return {"version": VERSION, "pipeline": self.name, "stages": [stage.name for stage in self._stages]}

    def _drawn(self) -> StateGraph[Any, Any, Any, Any]:
        channels = {_channel(stage.name): dict[str, Any] for stage in self._stages}
        kept = {"definition": dict[str, Any], "status": str, **channels}
        # The names are known at run time only, which type checkers do not provide for.
        schema: Any = TypedDict
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(schema("State", kept))
        graph.add_edge(START, self._stages[0].name)
        for stage, after in zip(self._stages, [*(stage.name for stage in self._stages[1:]), END], strict=True):
            graph.add_node(stage.name, self._node(stage, after))
            graph.add_conditional_edges(stage.name, _next(after), sorted({after, END}))
        return graph

    def _node(self, stage: Stage, after: str) -> Any:
        async def node(state: dict[str, Any], config: RunnableConfig, runtime: Runtime[Live]) -> dict[str, Any]:
            live = runtime.context
            if not isinstance(live, Live):
                # The graph is called by somebody else than this pipeline: the LangGraph server, say.
                live = Live(str(config["configurable"].get("thread_id", self.name)))
            records = self._records(state)
            index = self._stages.index(stage)
            visit = Visit(
                stage,
                self._setting,
                live,
                self._circuits.get(stage.name),
                _input(state),
                tuple(records[:index]),
                list(records[index].tries),
            )
            record = await visit.record()
            going_on = "success" if after == END else "running"
            status = record.status if record.stopped else going_on
            changes = {"status": status, _channel(stage.name): record.model_dump(mode="json")}
            if status == "running":
                changes |= _running(records[index + 1])
            return changes | _with_late([*records[:index], record], live)

        return node

    async def _invoke(self, state: dict[str, Any] | None, live: Live) -> PipelineRun:
        config = _thread(live.run_id)
        # By default it is thousands; one step for each stage, and LangGraph wants one to spare.
        config["recursion_limit"] = len(self._stages) + 1
        durability: Durability | None = "sync" if self._checkpointer else None
        with _reaching_checkpoints(live.run_id):
            values = await self.graph.ainvoke(state, config, context=live, durability=durability)
        return self._run(live.run_id, values)

    async def _reopen(self, run_id: str, found: PipelineRun) -> None:
        """Make the stage that the run ended in the next one, as if the one before it had just ended."""
        names = [stage.name for stage in self._stages]
        index = next(index for index, record in enumerate(found.stages) if record.stopped)
        changes = {"status": "running", **_running(found.stages[index])}
        with _reaching_checkpoints(run_id):
            await self.graph.aupdate_state(_thread(run_id), changes, as_node=names[index - 1] if index else START)

    async def _kept(self, run_id: str) -> dict[str, Any]:
        if not self._checkpointer:
            raise InputError(f"{self.name} keeps no runs.", remedy="Build it with a checkpointer.")
        values = await self._values(run_id)
        if not values:
            raise RunNotFound(run_id)
        self._check_definition(run_id, values.get("definition") or {})
        return values

    async def _values(self, run_id: str) -> dict[str, Any]:
        with _reaching_checkpoints(run_id):
            return dict((await self.graph.aget_state(_thread(run_id))).values)

    def _check_definition(self, run_id: str, kept: dict[str, Any]) -> None:
        now = self._definition
        changes = [f"{key} was {kept.get(key)}, is {now[key]}" for key in now if kept.get(key) != now[key]]
        if changes:
            raise SpecChanged(run_id, changes)

    def _records(self, state: dict[str, Any]) -> list[StageRecord]:
        kept = [(stage.name, state.get(_channel(stage.name))) for stage in self._stages]
        return [StageRecord.model_validate(record or {"stage": name}) for name, record in kept]

    def _run(self, run_id: str, values: dict[str, Any]) -> PipelineRun:
        records = tuple(self._records(values))
        status: Status = values["status"]
        return PipelineRun(run_id=run_id, pipeline=self.name, status=status, input=_input(values), stages=records)


@contextmanager
def _reaching_checkpoints(run_id: str) -> Iterator[None]:
    """Turn what a lost database raises, which comes of no stage, into StoreUnavailable."""
    try:
        yield
    except psycopg.OperationalError as error:
        raise StoreUnavailable(
            f"The checkpoints of {run_id} cannot be reached: {str(error).strip()}",
            remedy="Resume the run when the database is back.",
        ) from error


def _input(state: dict[str, Any]) -> Any:
    return (state.get("definition") or {}).get("input")


def _channel(stage: str) -> str:
    # No stage's name has a colon in it.
    return f"{stage}:record"


def _running(record: StageRecord) -> dict[str, Any]:
    running = record.model_copy(update={"status": "running", "skipped": False, "output": None})
    return {_channel(record.stage): running.model_dump(mode="json")}


def _with_late(records: Sequence[StageRecord], live: Live) -> dict[str, Any]:
    """The records of the stages whose abandoned tries have ended meanwhile, with these."""
    changed = {}
    for record in records:
        if own := [entry for entry in live.late if entry.stage == record.stage]:
            tries = (*record.tries, *own)
            changed[_channel(record.stage)] = record.model_copy(update={"tries": tries}).model_dump(mode="json")
    live.late.clear()
    return changed


def _next(after: str) -> Callable[[dict[str, Any]], Awaitable[str]]:
    # A coroutine, though it waits for nothing: LangGraph would put a plain function on a thread.
    async def route(state: dict[str, Any]) -> str:
        return after if state["status"] == "running" else END

    return route


def _thread(run_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": run_id}}
