"""What agents are told, by the type of specialist (systems C5). A task's own payload wins over it."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.errors import InputError
from tools.arguments import problems


class Parameters(BaseModel):
    """What every agent is told: what its results should be worth, how long a try may take (seconds), and how often it
    may go at a branch whose result is worth less, where another go can find more."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    quality: float = Field(default=0.8, ge=0, le=1)
    time_s: float = Field(default=300.0, gt=0)
    iterations: int = Field(default=3, ge=1, le=100)


class ResearchParameters(Parameters):
    """`focus` is what is researched where the kind of a branch does not say it; of `depth` schema, rows are not told,
    only what describes them; up to so many `sources` are looked at; `fact_checking` compares what sources declare with
    what was measured."""

    focus: Literal["technical", "market", "competitive"] = "technical"
    depth: Literal["schema", "rows"] = "rows"
    sources: int = Field(default=10, ge=1, le=25)
    fact_checking: bool = True


class AnalysisParameters(Parameters):
    """By `methodology`, only what describes columns is told, or what is inferred of them too; `statistics` are the
    summaries of columns, `charts` a file with a Vega-Lite chart; `confidence` is that of intervals and tests."""

    methodology: Literal["descriptive", "inferential"] = "inferential"
    statistics: bool = True
    charts: bool = False
    confidence: float = Field(default=0.95, ge=0.5, lt=1)


class SynthesisParameters(Parameters):
    """At most `length` statements, as a list, or also as `style` text; numbers are rounded for the `audience` of
    managers; `citations` say which branch and agent each is from."""

    style: Literal["list", "text"] = "list"
    audience: Literal["engineers", "managers"] = "engineers"
    length: int = Field(default=20, ge=1, le=1000)
    citations: bool = True


_OF: dict[str, type[Parameters]] = {
    "research": ResearchParameters,
    "analysis": AnalysisParameters,
    "synthesis": SynthesisParameters,
}


def parameters_of(specialist: str, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The parameters of a specialist, as plain JSON, with those that were given. Raises InputError for wrong ones.

    Other specialists than those of Crewline can be told more than what all are.
    """
    model = _OF.get(specialist)
    try:
        if model:
            return model.model_validate(given or {}).model_dump(mode="json")
        own = {name: value for name, value in (given or {}).items() if name in Parameters.model_fields}
        return {**(given or {}), **Parameters.model_validate(own).model_dump(mode="json")}
    except ValidationError as error:
        raise InputError(
            f"The parameters of {specialist} are wrong: {problems(error)}.",
            remedy=f"There are: {', '.join((model or Parameters).model_fields)}.",
        ) from error
