"""The service level: what runs were measured to be, and where that falls short of what the spec promises."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.report import RunReport
from core.run import Run
from core.spec import Gate, Sla

Metric = Literal["latency_s", "records_per_hour", "error_share", "quality"]


class Alert(BaseModel):
    """A metric, and the bound beyond which it calls for attention."""

    model_config = ConfigDict(frozen=True)

    metric: Metric
    operator: Literal["above", "below"]
    bound: float


class Breach(Alert):
    """An alert that a run raised, with the value that was measured."""

    measured: float


class Measures(BaseModel):
    """What a run that has ended came to; None where nothing was measured.

    `latency_s` is the time from the run's start to its end in seconds, interruptions included; `records_per_hour` the
    rows that came in, over that time; `error_share` the share of these rows that was quarantined or not delivered;
    `quality` the gate's overall score.
    """

    latency_s: float | None = None
    records_per_hour: float | None = None
    error_share: float | None = None
    quality: float | None = None


METRICS: tuple[Metric, ...] = ("latency_s", "records_per_hour", "error_share", "quality")


def alerts(sla: Sla, gate: Gate) -> list[Alert]:
    """What a service level and a gate call for attention to."""
    return [
        Alert(metric="latency_s", operator="above", bound=sla.latency_s),
        Alert(metric="records_per_hour", operator="below", bound=sla.records_per_hour),
        Alert(metric="error_share", operator="above", bound=sla.error_share),
        Alert(metric="quality", operator="below", bound=gate.publish),
    ]


def measure(run: Run) -> Measures:
    """What the run's record says; all None while the run has not ended."""
    if run.finished_at is None:
        return Measures()
    latency = (run.finished_at - run.created_at).total_seconds()
    if run.report is None:
        return Measures(latency_s=latency)
    report = RunReport.model_validate(run.report)
    rows = report.records.rows_in
    return Measures(
        latency_s=latency,
        records_per_hour=rows / latency * 3600 if latency else None,
        error_share=(report.records.quarantined + report.records.held) / rows if rows else None,
        quality=report.quality.overall,
    )


def breaches(watched: list[Alert], measures: Measures) -> list[Breach]:
    """The alerts that these measures raise. What was not measured raises none."""
    found = []
    for alert in watched:
        measured = getattr(measures, alert.metric)
        if measured is None:
            continue
        if measured > alert.bound if alert.operator == "above" else measured < alert.bound:
            found.append(Breach(**alert.model_dump(), measured=measured))
    return found
