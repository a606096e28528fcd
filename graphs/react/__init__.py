"""Reasoning in a loop of thought, action and observation, with checkpoints (systems G6)."""

from typing import TYPE_CHECKING

from core.face import face

if TYPE_CHECKING:
    from graphs.react.action import Action, Tool
    from graphs.react.analyzer import Analysis, analyze
    from graphs.react.model import ModelReasoner
    from graphs.react.reasoner import Reasoner, Situation, Thought
    from graphs.react.step import Step
    from graphs.react.workflow import ReAct, Reasoning

_HOMES = {
    "Action": "graphs.react.action",
    "Analysis": "graphs.react.analyzer",
    "ModelReasoner": "graphs.react.model",
    "ReAct": "graphs.react.workflow",
    "Reasoner": "graphs.react.reasoner",
    "Reasoning": "graphs.react.workflow",
    "Situation": "graphs.react.reasoner",
    "Step": "graphs.react.step",
    "Thought": "graphs.react.reasoner",
    "Tool": "graphs.react.action",
    "analyze": "graphs.react.analyzer",
}

__all__ = [
    "Action",
    "Analysis",
    "ModelReasoner",
    "ReAct",
    "Reasoner",
    "Reasoning",
    "Situation",
    "Step",
    "Thought",
    "Tool",
    "analyze",
]

__getattr__ = face(__name__, _HOMES)
