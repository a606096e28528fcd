"""What all parts of a pipeline document have in common."""

from pydantic import BaseModel, ConfigDict


class Part(BaseModel):
    """A part of the document: unknown keys are refused, numbers are finite, and it does not change once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
