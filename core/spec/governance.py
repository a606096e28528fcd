"""Who answers for a pipeline, and how sensitive its data is."""

from pydantic import Field

from core.classification import Classification
from core.spec.part import Part


class Governance(Part):
    """Who owns a pipeline, and the classification of its data: agents without the clearance are refused.

    What nobody has classified counts as internal.
    """

    owner: str | None = Field(default=None, min_length=1)
    classification: Classification | None = None
