"""What people say of a dataset. It stands over what the source says, and survives every crawl."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from core.classification import Classification
from core.errors import InputError
from tools.discovery.words import words


class Annotations(BaseModel):
    """All fields are optional. `retention` and `update_frequency` are texts such as `7 years`, `hourly`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    owner: str | None = Field(default=None, max_length=200)
    domain: str | None = Field(default=None, max_length=100)
    description: str | None = Field(default=None, max_length=2000)
    sla_tier: str | None = Field(default=None, max_length=100)
    classification: Classification | None = None
    access_level: str | None = Field(default=None, max_length=100)
    retention: str | None = Field(default=None, max_length=100)
    update_frequency: str | None = Field(default=None, max_length=100)
    compliance_tags: tuple[str, ...] | None = None

    @field_validator("compliance_tags", mode="before")
    @classmethod
    def _listed(cls, value: object) -> object:
        return tuple(tag.strip() for tag in value.split(",") if tag.strip()) if isinstance(value, str) else value

    @field_validator("domain")
    @classmethod
    def _a_word(cls, value: str | None) -> str | None:
        if value is not None and not words(value):
            raise ValueError("has no word in it")
        return value


def changed(before: Annotations, values: dict[str, str]) -> Annotations:
    """The annotations with these set; an empty value takes one away. Raises InputError for what cannot be set."""
    merged = before.model_dump() | {key: value.strip() or None for key, value in values.items()}
    try:
        return Annotations.model_validate(merged)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise InputError(
            f"The annotation cannot be made: {problems}.",
            remedy=f"What can be set: {', '.join(sorted(Annotations.model_fields))}.",
        ) from error
