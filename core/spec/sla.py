"""The service level that a pipeline is held to."""

from pydantic import Field

from core.spec.part import Part


class Sla(Part):
    """What a pipeline owes its readers (defaults of systems T4). Runs are measured against it; a breach stops none.

    `latency_s` is the longest time from a run's start to its end, seconds. `records_per_hour` counts the rows that
    came in, over that time. `error_share` is the largest share of them that is quarantined, or held back by a run that
    published nothing.
    """

    latency_s: float = Field(default=300, gt=0)
    records_per_hour: float = Field(default=10_000, ge=0)
    error_share: float = Field(default=0.001, ge=0, le=1)
