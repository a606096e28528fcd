"""Definitions of agents: what each can do, what it takes and gives, and where its class is (systems C4)."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from core.spec.column import parse_type
from core.spec.document import load_document
from crews.dynamic.template import Resources
from crews.skills import Profile

Level = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]


class Capability(StrEnum):
    """What an agent can do to data (systems C4)."""

    STREAM_PROCESSING = "stream_processing"
    BATCH_PROCESSING = "batch_processing"
    DATA_TRANSFORMATION = "data_transformation"
    DATA_VALIDATION = "data_validation"
    DATA_AGGREGATION = "data_aggregation"
    DATA_ENRICHMENT = "data_enrichment"


class DataSchema(BaseModel):
    """What data is like where one agent hands it to another. In a document, `records` is short for `{form: records}`.

    `form` names how it lies there. Built in are `stream` (a folder that grows, or a topic), `files` (of any kind) and
    `records` (Parquet whose rows have a `_row`). `columns` are those that an input needs, or an output is sure to have,
    by name and type; most agents take any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    form: str = Field(min_length=1, max_length=200)
    columns: dict[str, Annotated[str, AfterValidator(parse_type)]] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        return {"form": value} if isinstance(value, str) else value

    def fits(self, needed: "DataSchema") -> bool:
        """Whether data like this can be given to who needs that: of its form, with its columns, of their types."""
        return self.form == needed.form and needed.columns.items() <= self.columns.items()

    def __str__(self) -> str:
        columns = ", ".join(f"{name}: {kind}" for name, kind in sorted(self.columns.items()))
        return f"{self.form} with {columns}" if columns else self.form


class AgentDefinition(BaseModel):
    """An agent as the registry knows it, before anything of it is imported.

    `module` and `class` say what to import: a class with `perform(job)`, see crews.registry.job. `capabilities` are
    what it can do, each with how well, 0 to 1; a list of them says 1. `configuration` are arguments of the class;
    `needs` names those that whoever uses the agent has to give. `resources` is what it takes while it works. `profile`
    is what it is good at: with one it can be in teams.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    id: str = Field(pattern=r"^[A-Za-z][\w-]*$", max_length=100)
    description: str = ""
    module: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$", max_length=200)
    class_name: str = Field(alias="class", pattern=r"^[A-Za-z_]\w*$", max_length=200)
    capabilities: dict[Capability, Level] = Field(min_length=1)
    input: DataSchema
    output: DataSchema
    configuration: dict[str, Any] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    resources: Resources = Resources()
    profile: Profile | None = None

    @field_validator("capabilities", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return dict.fromkeys(value, 1.0) if isinstance(value, (list, tuple, set, frozenset)) else value

    @property
    def place(self) -> str:
        """Where its class is, as errors tell it."""
        return f"{self.module}.{self.class_name}"

    def missing(self, given: Mapping[str, Any]) -> list[str]:
        """What it needs, and neither its configuration nor `given` has."""
        return [name for name in self.needs if name not in self.configuration and name not in given]


class Definitions(BaseModel):
    """A document with definitions of agents."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    agents: tuple[AgentDefinition, ...] = Field(min_length=1)


def load_definitions(path: str | Path) -> tuple[AgentDefinition, ...]:
    """The definitions in a YAML document. Raises SpecError with a line for each place that is wrong."""
    return load_document(path, Definitions).agents


def is_within(module: str, allowed: str) -> bool:
    """Whether a module is the allowed one, or stands below it."""
    return re.fullmatch(rf"{re.escape(allowed)}(\.\w+)*", module) is not None
