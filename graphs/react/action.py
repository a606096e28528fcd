"""The actions that a reasoner can choose from, and the tools that perform them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Action(StrEnum):
    """What a step can do: look at a source's schema, at what checks find, at what a change would do, at where the gate
    sends a run; or conclude."""

    ANALYZE_SCHEMA = "analyze_schema"
    VALIDATE_DATA = "validate_data"
    TRANSFORM_DATA = "transform_data"
    ROUTE_PIPELINE = "route_pipeline"
    FINAL_RESULT = "final_result"


class Arguments(BaseModel):
    """What an action is given. A tool's own arguments are a subclass, each field with a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Conclusion(Arguments):
    """What a final result is given: the conclusion in words, and the names of the facts that it rests on."""

    conclusion: str = Field(min_length=1, description="What is the matter, and why, in plain words.")
    evidence: list[str] = Field(default=[], description="The names of the facts that the conclusion rests on.")


@dataclass(frozen=True)
class Tool:
    """Performs an action. `perform` takes what the reasoner gave as `arguments`, and the facts that are known, and
    returns facts: plain JSON by name.

    A fact's name says what it is about, and stays the same: observing it again is nothing new. Raises CrewlineError for
    what cannot be observed, which is an observation too.
    """

    action: Action
    description: str
    arguments: type[Arguments]
    perform: Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]
