"""A language model as the reasoner: it calls one of the tools that are open to it, and nothing else."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from core.errors import ModelError
from core.llm import TIMEOUT_S, Llm, chat
from graphs.react.action import Action, Conclusion, Tool
from graphs.react.reasoner import Situation, Thought
from graphs.react.step import grounding

_SYSTEM = (
    "You find out why something is as it is, step by step. In each step you call exactly one of the tools given."
    " Say in a sentence what you think before you call it. Facts come from tools alone: never make one up."
    " Do not repeat a call whose answer you have. When the facts explain the matter, or no tool can add to them, call"
    " final_result, and name as evidence the facts that your conclusion rests on."
)

# Facts are told up to this many characters each: a model's context is not for data.
_LONGEST = 2_000


class ModelReasoner:
    """Asks a model, by LangChain's client, what to do next. `tools` are those it may call, by action."""

    name = "model"

    def __init__(self, llm: Llm, tools: Mapping[Action, Tool], *, timeout_s: float = TIMEOUT_S) -> None:
        self._llm = llm
        self._tools = tools
        self._timeout_s = timeout_s

    def think(self, situation: Situation) -> Thought:
        """The model's choice. Raises ModelError when it is down, or calls nothing, an action that is not open to it, or
        one with arguments that are none; and when it concludes from nothing that was observed."""
        from openai import OpenAIError

        open_to_it = [_described(self._tools[action]) for action in situation.allowed]
        asked = chat(self._llm, timeout_s=self._timeout_s).bind_tools(open_to_it, tool_choice="required")
        try:
            answer = asked.invoke([("system", _SYSTEM), ("user", _told(situation))])
        except OpenAIError as error:
            raise ModelError(self._llm.model, f"could not be asked: {error}") from error
        return self._chosen(answer, situation)

    def _chosen(self, answer: Any, situation: Situation) -> Thought:
        if not answer.tool_calls:
            broken = [call.get("error") or call.get("name") for call in answer.invalid_tool_calls]
            raise ModelError(self._llm.model, f"called no action{f', but said {broken[0]}' if broken else ''}")
        call = answer.tool_calls[0]
        if call["name"] not in situation.allowed:
            raise ModelError(self._llm.model, f"called '{str(call['name'])[:60]}', which is not open to it")
        action = Action(call["name"])
        try:
            arguments = self._tools[action].arguments.model_validate(call["args"])
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:3])
            raise ModelError(self._llm.model, f"called {action} with arguments that are none: {problems}") from error
        if isinstance(arguments, Conclusion) and not grounding(situation.facts, arguments.evidence):
            raise ModelError(self._llm.model, "concluded from nothing that was observed")
        said = answer.content if isinstance(answer.content, str) else ""
        return Thought(thought=said[:_LONGEST], action=action, arguments=arguments.model_dump(mode="json"))


def _described(tool: Tool) -> dict[str, Any]:
    parameters = tool.arguments.model_json_schema()
    function = {"name": str(tool.action), "description": tool.description, "parameters": parameters}
    return {"type": "function", "function": function}


def _told(situation: Situation) -> str:
    taken = [
        {"thought": s.thought, "call": s.move, "learned": list(s.learned), "error": s.error} for s in situation.steps
    ]
    told = {
        "goal": situation.goal,
        "facts": {name: _short(value) for name, value in situation.facts.items()},
        "steps_taken": taken,
        "closed_to_you": list(situation.barred),
        "advice": list(situation.advice),
    }
    return json.dumps(told, ensure_ascii=False, default=str)


def _short(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= _LONGEST else text[:_LONGEST] + "..."
