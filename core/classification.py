"""How sensitive data is."""

from enum import StrEnum


class Classification(StrEnum):
    """How sensitive data is, from the least to the most."""

    PUBLIC = "public"
    INTERNAL = "internal"
    CONFIDENTIAL = "confidential"
    RESTRICTED = "restricted"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0."""
        return list(Classification).index(self)
