"""What a pipeline's crews may use."""

from pydantic import Field

from core.spec.part import Part
from core.task import Stage

# The stages in which rules send rows to quarantine for what their cells say, so that somebody could judge these.
JUDGED = (Stage.VALIDATION, Stage.TRANSFORMATION, Stage.ENRICHMENT)


class CrewBudget(Part):
    """What the crews of one run may use, all of them together, however often the run is taken up.

    `tokens` are questions and answers, as the model's server counts them; `seconds` the time that its answers and the
    tools take; `tool_calls` the calls of tools that it asks for.
    """

    tokens: int = Field(default=100_000, ge=1)
    seconds: float = Field(default=300.0, gt=0)
    tool_calls: int = Field(default=60, ge=1)
