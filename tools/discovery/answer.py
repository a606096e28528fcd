"""The answer to a discovery."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from tools.discovery.annotations import Annotations
from tools.discovery.catalog import Failure
from tools.discovery.compatibility import Join
from tools.discovery.dataset import Description
from tools.discovery.governance import Compliance, Governance
from tools.discovery.metrics import Metrics

# Columns of a dataset that an answer shows: an agent reads all of it.
MAX_COLUMNS = 50


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Scores(_Part):
    """What the score was made of (see `ranking`); None where it is not known, which counts as 0."""

    quality: float | None
    relevance: float | None
    freshness: float | None
    schema_completeness: float | None
    source_weight: float


class RankedDataset(_Part):
    """A found dataset. Its `description` shows the first 50 of `columns` columns."""

    score: float
    scores: Scores
    domain: str | None
    columns: int
    description: Description
    annotations: Annotations
    metrics: Metrics
    governance: Governance


class Distributions(_Part):
    """Counts of all found datasets. Quality is high from 0.8, medium from 0.6, unknown where nobody has measured it."""

    by_domain: dict[str, int]
    by_source: dict[str, int]
    by_quality: dict[str, int]


class QualitySummary(_Part):
    """Measured completeness over all found datasets."""

    mean: float | None
    lowest: float | None
    highest: float | None
    measured: int
    unknown: int


class Discovery(_Part):
    """What was found, best first.

    `found` counts all datasets that match; `capped` says that there are more than were looked at. `matched` is `all`
    where each has all words, `any` where no dataset has all of them, `everything` where the query has no words that say
    anything. `corrections` are the words that were taken for others. `left_out` counts for each filter what it alone
    would leave out, told when there is room for more results. `withheld` counts datasets that the agent may not see.
    `failures` are the sources, and parts of sources, that could not be read, and of which the answer may therefore lack
    something.
    """

    query: str
    matched: str
    corrections: dict[str, str]
    found: int
    capped: bool
    withheld: int
    left_out: dict[str, int]
    datasets: list[RankedDataset]
    distributions: Distributions
    quality: QualitySummary
    compatibility: list[Join]
    governance: Compliance
    failures: list[Failure]
    crawled_at: datetime | None
    answered_at: datetime
    cached: bool = False

    def shown(self) -> dict[str, Any]:
        """As plain JSON values, without what is not known."""
        return self.model_dump(mode="json", exclude_none=True)
