"""How all pipelines are doing, from what their runs were measured to be."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from pydantic import BaseModel

from core.classification import Classification
from core.report import RunReport
from core.run import Run, Status, of_pipeline
from core.spec import Gate, Sla
from core.store.database import Database
from tools.context import ToolContext
from tools.orchestration.service import Alert, Breach, Metric, alerts, breaches, measure

# Runs of each pipeline that are looked at, newest first.
WINDOW = 50


class Spread(BaseModel):
    """The median of a measure, and its 95th percentile (the smallest measured value that 95 in 100 do not exceed)."""

    median: float
    p95: float


class Health(BaseModel):
    """A pipeline over its last runs; None where nothing was measured.

    `success_rate` is the share of published runs among those that have ended. `latency_s` is over published runs,
    `records_per_hour` is their median, `error_share` the share of all their rows. `freshness_s` is the age of what is
    published, in seconds. `breaches` counts, for each metric, the runs that raised its alert; `open` are the alerts of
    the last run that has ended.
    """

    name: str
    version: str
    classification: Classification
    runs: int
    statuses: dict[Status, int]
    last_run: str | None
    last_status: Status | None
    last_at: datetime | None
    success_rate: float | None
    latency_s: Spread | None
    records_per_hour: float | None
    error_share: float | None
    quality: float | None
    freshness_s: float | None
    breaches: dict[Metric, int]
    open: list[Breach]


class Overview(BaseModel):
    """All pipelines, by name, and how many the asking agent has no clearance for."""

    at: datetime
    pipelines: list[Health]
    withheld: int


def monitor(database: Database, context: ToolContext) -> Overview:
    """All pipelines on record that the context's clearance admits, each over its last runs."""
    now = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    rows = database.query(
        "SELECT DISTINCT ON (name) name, version, spec -> 'governance' ->> 'classification' AS classification"
        " FROM pipelines ORDER BY name, seen_at DESC"
    )
    shown = []
    for row in rows:
        classification = Classification(row["classification"] or Classification.INTERNAL)
        if classification.rank <= context.clearance.rank:
            runs = of_pipeline(database, row["name"], limit=WINDOW)
            shown.append(_health(row["name"], row["version"], classification, runs, now))
    return Overview(at=now, pipelines=shown, withheld=len(rows) - len(shown))


def _health(name: str, version: str, classification: Classification, runs: list[Run], now: datetime) -> Health:
    ended = [run for run in runs if run.status in ("published", "failed")]
    published = [run for run in ended if run.status == "published"]
    measures = {run.run_id: measure(run) for run in ended}
    raised = {run.run_id: breaches(_watched(run), measures[run.run_id]) for run in ended}
    of_published = [measures[run.run_id] for run in published]
    last = published[0].finished_at if published else None
    return Health(
        name=name,
        version=version,
        classification=classification,
        runs=len(runs),
        statuses=dict(Counter(run.status for run in runs)),
        last_run=runs[0].run_id if runs else None,
        last_status=runs[0].status if runs else None,
        last_at=runs[0].created_at if runs else None,
        success_rate=len(published) / len(ended) if ended else None,
        latency_s=spread([m.latency_s for m in of_published]),
        records_per_hour=_median([m.records_per_hour for m in of_published]),
        error_share=_errors(ended),
        quality=next((m.quality for m in measures.values() if m.quality is not None), None),
        freshness_s=(now - last).total_seconds() if last else None,
        breaches=dict(Counter(breach.metric for found in raised.values() for breach in found)),
        open=raised[ended[0].run_id] if ended else [],
    )


def spread(values: Iterable[float | None]) -> Spread | None:
    """Median and 95th percentile of what was measured; None for nothing."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return None
    return Spread(median=statistics.median(ordered), p95=ordered[math.ceil(0.95 * len(ordered)) - 1])


def _median(values: Iterable[float | None]) -> float | None:
    found = spread(values)
    return found.median if found else None


def _errors(ended: list[Run]) -> float | None:
    records = [RunReport.model_validate(run.report).records for run in ended if run.report]
    rows = sum(account.rows_in for account in records)
    return sum(account.quarantined + account.held for account in records) / rows if rows else None


def _watched(run: Run) -> list[Alert]:
    # Of a spec that was run long ago, no more is read than is needed.
    return alerts(Sla.model_validate(run.spec.get("sla", {})), Gate.model_validate(run.spec.get("gate", {})))
