"""Who chooses what to do next: the seam between rules and a language model."""

from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from graphs.react.action import Action
from graphs.react.step import Step


class Thought(BaseModel):
    """What to do next, and why."""

    model_config = ConfigDict(frozen=True)

    thought: str
    action: Action
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """What a reasoner goes by. `allowed` are the actions that are open to it now; `barred` the moves that led round in
    a circle, and are closed; `advice` is the analyzer's."""

    goal: str
    facts: dict[str, Any]
    steps: tuple[Step, ...]
    allowed: tuple[Action, ...]
    barred: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()

    @property
    def done(self) -> frozenset[str]:
        """The moves that were made."""
        return frozenset(step.move for step in self.steps)


class Reasoner(Protocol):
    """Chooses the next action. Raises ModelError where a model cannot be asked, or says what is of no use."""

    name: str

    def think(self, situation: Situation) -> Thought: ...


class Nobody:
    """A reasoner to look at a graph with, not to run it."""

    name = "nobody"

    def think(self, situation: Situation) -> Thought:
        raise InputError("Nobody knows what to do next.", remedy="Give a reasoner, or name a run.")
