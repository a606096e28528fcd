"""A step of reasoning: what was thought, done and observed, and what that was worth."""

import json
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from graphs.react.action import Action


class Step(BaseModel):
    """`learned` are the facts that were not known before, or otherwise, by name; `error` says why nothing was observed.

    `quality`, 0 to 1, is measured: of the facts observed, the share that was new; of a conclusion, the share of the
    facts it names as evidence that were observed. Nothing observed is worth 0. `reasoner` says who chose the action,
    `notes` what kept another from choosing.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    thought: str
    action: Action
    arguments: dict[str, Any]
    learned: dict[str, Any] = {}
    error: str | None = None
    quality: float = Field(ge=0, le=1, allow_inf_nan=False)
    reasoner: str
    notes: list[str] = []

    @property
    def move(self) -> str:
        """What was done: two steps of the same move did the same to the same."""
        return move(self.action, self.arguments)


def move(action: Action, arguments: dict[str, Any]) -> str:
    """An action with its arguments, as one text."""
    return f"{action}({json.dumps(arguments, sort_keys=True, ensure_ascii=False)})"


def novelty(known: dict[str, Any], observed: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """What of the observed facts is new, and which share of them that is."""
    learned = {name: value for name, value in observed.items() if name not in known or known[name] != value}
    return learned, len(learned) / len(observed) if observed else 0.0


def grounding(known: dict[str, Any], evidence: list[str]) -> float:
    """The share of the named evidence that is known; of no evidence, 0."""
    return sum(name in known for name in evidence) / len(evidence) if evidence else 0.0
