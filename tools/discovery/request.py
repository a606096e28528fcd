"""What a discovery asks for."""

import re
from datetime import timedelta

from pydantic import Field, field_validator

from tools.arguments import Arguments
from tools.discovery.dataset import SourceType

_UNITS = {"minute": 60, "hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400}
_FRESHNESS = re.compile(rf"last_(?:(\d{{1,4}})_)?({'|'.join(_UNITS)})s?")


class DiscoveryRequest(Arguments):
    """A search for datasets. All filters hold together; an empty list filters nothing."""

    query: str = Field(
        min_length=1,
        max_length=400,
        description="Words to look for in names, domains, tags, columns and descriptions of datasets. Beginnings of "
        "words suffice, and misspelt ones are corrected. Without a word, such as '*', everything is found.",
    )
    max_results: int = Field(default=10, ge=1, le=100, description="How many datasets to return at most.")
    source_types: list[SourceType] = Field(
        default=[SourceType.DATA_LAKE, SourceType.DATA_WAREHOUSE, SourceType.STREAMING],
        description="Kinds of places to look in; an empty list stands for all.",
    )
    quality_threshold: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Least measured completeness, 0 to 1. Datasets whose quality nobody has measured are kept.",
    )
    domains: list[str] = Field(
        default=["customer", "product", "transaction"],
        max_length=50,
        description="Domains of which a dataset must be one; an empty list stands for all.",
    )
    freshness: str | None = Field(
        default=None,
        description="How long ago the data may have changed last, such as last_24_hours, last_7_days, last_month.",
    )

    @field_validator("freshness")
    @classmethod
    def _understood(cls, value: str | None) -> str | None:
        if value is not None and not _FRESHNESS.fullmatch(value):
            raise ValueError(f"must be like last_24_hours, in one of: {', '.join(_UNITS)}s")
        return value

    @property
    def window(self) -> timedelta | None:
        """The freshness as a length of time."""
        match = _FRESHNESS.fullmatch(self.freshness or "")
        return timedelta(seconds=int(match[1] or 1) * _UNITS[match[2]]) if match else None
