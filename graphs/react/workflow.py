"""The loop as a LangGraph graph on PostgreSQL: reason, act, review, until a conclusion is drawn.

The state holds facts and steps as plain JSON, so a loop whose process died goes on at its last checkpoint. A node may
run twice: tools look, and change nothing.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel, ConfigDict
from typing_extensions import TypedDict

from core.errors import CrewlineError, ModelError
from graphs.checkpoints import Checkpoints
from graphs.react.action import Action, Conclusion, Tool
from graphs.react.analyzer import Analysis, analyze
from graphs.react.reasoner import Reasoner, Situation, Thought
from graphs.react.step import Step, grounding, move, novelty

# Steps of a loop at most, its conclusion among them (systems G6).
MOST_STEPS = 8

# Nodes that a step goes through.
_NODES = 3


class Start(TypedDict, total=False):
    """What a loop begins with: its goal, and the facts that are known already, if there are any."""

    goal: str
    facts: dict[str, Any]


class State(TypedDict):
    """`thought` is the choice to be acted on, with who made it and what was noted; `barred` are closed moves."""

    goal: str
    facts: dict[str, Any]
    steps: list[dict[str, Any]]
    thought: dict[str, Any]
    barred: list[str]
    analysis: dict[str, Any]


class Reasoning(BaseModel):
    """What a loop came to: its steps, the facts, the conclusion as it was given to the last action."""

    model_config = ConfigDict(frozen=True)

    thread: str
    goal: str
    steps: tuple[Step, ...]
    facts: dict[str, Any]
    conclusion: dict[str, Any]
    analysis: Analysis


Listener = Callable[[Step, Analysis], None]


class ReAct:
    """A loop over `tools`, which `rules` can always bring to an end; a `model` is asked first, if there is one.

    What a model cannot be asked for, or says that is of no use, is noted in the step, which the rules then choose.
    Moves that lead round in a circle are closed, for both; the last step can only conclude. `listener` is told each
    step, perhaps twice.
    """

    def __init__(
        self,
        tools: Mapping[Action, Tool],
        rules: Reasoner,
        *,
        model: Reasoner | None = None,
        most_steps: int = MOST_STEPS,
        listener: Listener | None = None,
    ) -> None:
        self._tools = tools
        self._rules = rules
        self._model = model
        self._most_steps = most_steps
        self._listener = listener

    def run(self, goal: str, *, url: str, thread: str, facts: Mapping[str, Any] | None = None) -> Reasoning:
        """Reason about `goal` until a conclusion, with checkpoints in the PostgreSQL at `url`.

        `facts` are those that are known already. A thread that was left is taken up where it was; one that has ended is
        returned as it is. Raises StoreUnavailable.
        """
        return asyncio.run(self._run(Start(goal=goal, facts=dict(facts or {})), url, thread))

    def graph(self, checkpointer: BaseCheckpointSaver[Any] | None = None) -> Any:
        """The compiled LangGraph graph."""
        graph: StateGraph[Any, Any, Any, Any] = StateGraph(State, input_schema=Start)
        graph.add_node("reason", self._reason)
        graph.add_node("act", self._act)
        graph.add_node("review", self._review)
        graph.add_edge(START, "reason")
        graph.add_edge("reason", "act")
        graph.add_edge("act", "review")
        graph.add_conditional_edges("review", _next, ["reason", END])
        return graph.compile(checkpointer=checkpointer, name="react")

    async def _run(self, first: Start, url: str, thread: str) -> Reasoning:
        config: Any = {"configurable": {"thread_id": thread}, "recursion_limit": self._most_steps * _NODES + 1}
        async with Checkpoints(url) as checkpoints:
            saver = checkpoints.saver()
            graph = self.graph(saver)
            before = await graph.aget_state(config)
            if before.next or not before.values:
                await graph.ainvoke(None if before.values else first, config, durability="sync")
                # Nobody goes back to a loop that has ended: its last checkpoint has all that it came to.
                await saver.aprune([thread], strategy="keep_latest")
            values = (await graph.aget_state(config)).values
        steps = _steps(values)
        return Reasoning(
            thread=thread,
            goal=values["goal"],
            steps=steps,
            facts=values["facts"],
            conclusion=steps[-1].arguments,
            analysis=analyze(steps),
        )

    async def _reason(self, state: State) -> dict[str, Any]:
        situation = self._situation(state)
        return {"thought": await asyncio.to_thread(self._thought, situation)}

    def _situation(self, state: State) -> Situation:
        steps = _steps(state)
        analysis = analyze(steps)
        last = len(steps) >= self._most_steps - 1
        return Situation(
            goal=state["goal"],
            facts=state.get("facts") or {},
            steps=steps,
            allowed=(Action.FINAL_RESULT,) if last else tuple(self._tools),
            barred=tuple(state.get("barred") or ()),
            advice=analysis.recommendations,
        )

    def _thought(self, situation: Situation) -> dict[str, Any]:
        notes: list[str] = []
        for reasoner in filter(None, (self._model, self._rules)):
            try:
                thought = reasoner.think(situation)
            except ModelError as error:
                notes.append(str(error))
                continue
            if _closed(thought, situation):
                notes.append(f"{reasoner.name} chose {move(thought.action, thought.arguments)}, which is closed.")
                continue
            return {**thought.model_dump(mode="json"), "reasoner": reasoner.name, "notes": notes}
        # Rules that choose what is closed, too, have nothing else to offer.
        given = Conclusion(conclusion="The steps went round in a circle, and led to no explanation.")
        return {
            "thought": "Nothing is left that was not tried.",
            "action": str(Action.FINAL_RESULT),
            "arguments": given.model_dump(mode="json"),
            "reasoner": "analyzer",
            "notes": notes,
        }

    async def _act(self, state: State) -> dict[str, Any]:
        return await asyncio.to_thread(self._acted, state)

    def _acted(self, state: State) -> dict[str, Any]:
        thought, known = state["thought"], state.get("facts") or {}
        action = Action(thought["action"])
        error: str | None = None
        learned: dict[str, Any] = {}
        quality = 0.0
        if action == Action.FINAL_RESULT:
            quality = grounding(known, thought["arguments"].get("evidence", []))
        else:
            tool = self._tools[action]
            try:
                observed = dict(tool.perform(tool.arguments.model_validate(thought["arguments"]), known))
                learned, quality = novelty(known, observed)
            except CrewlineError as failure:
                error = str(failure)
        step = Step(
            number=len(_steps(state)) + 1,
            learned=learned,
            error=error,
            quality=quality,
            **thought,
        )
        return {"steps": [*(state.get("steps") or ()), step.model_dump(mode="json")], "facts": {**known, **learned}}

    async def _review(self, state: State) -> dict[str, Any]:
        steps = _steps(state)
        analysis = analyze(steps)
        if self._listener:
            await asyncio.to_thread(self._listener, steps[-1], analysis)
        return {
            "analysis": analysis.model_dump(mode="json"),
            "barred": [*(state.get("barred") or ()), *analysis.circle],
        }


def _steps(state: Mapping[str, Any]) -> tuple[Step, ...]:
    return tuple(Step.model_validate(step) for step in state.get("steps") or ())


def _closed(thought: Thought, situation: Situation) -> bool:
    if thought.action == Action.FINAL_RESULT:
        return False
    return thought.action not in situation.allowed or move(thought.action, thought.arguments) in situation.barred


def _next(state: State) -> str:
    return END if state["steps"][-1]["action"] == Action.FINAL_RESULT else "reason"
