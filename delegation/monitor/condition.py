"""Conditions: what calls for attention now, as it is measured (systems D10)."""

import socket
import statistics
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field

from core.holder import dead
from core.run import Run, of_pipeline
from core.spec import Gate, Sla
from core.store.database import Database
from tools.orchestration.service import alerts, breaches, measure

Kind = Literal["pipeline_failure", "quality_degradation", "sla_breach", "resource_exhaustion"]

# Runs of each pipeline that are looked at, newest first.
WINDOW = 20

# Quality has degraded when it is this far below the median of the runs before, of which there must be some.
DROP = 0.05
FEWEST = 3

# The shares in use from which on a resource is nearly exhausted. A full disk stops every run; memory is spilled first.
BOUNDS = {"disk": 0.90, "memory": 0.95, "connections": 0.90}


class Condition(BaseModel):
    """Something that calls for attention: one of its kind and subject, whatever else changes. `host` is the machine,
    where only that one can tell."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    subject: str
    message: str
    run_id: str | None = None
    host: str | None = None
    measured: dict[str, Any] = Field(default_factory=dict)


def examine(database: Database, home: Path, *, lease_s: float) -> list[Condition]:
    """All conditions that hold now: of every pipeline that was run, of the database, and of this machine.

    A running run whose holder is dead, or silent for `lease_s` seconds, counts as failed.
    """
    row = database.query(
        "SELECT clock_timestamp() AS now, (SELECT count(*) FROM pg_stat_activity)::float"
        " / current_setting('max_connections')::int AS connections"
    )[0]
    names = database.query("SELECT DISTINCT pipeline FROM runs WHERE kind = 'pipeline' ORDER BY pipeline")
    found: list[Condition] = []
    for name in names:
        last = [run for run in of_pipeline(database, name["pipeline"], limit=WINDOW) if run.kind == "pipeline"]
        if last:
            found += of_runs(last, row["now"], lease_s=lease_s)
    found += exhausted({"connections": row["connections"]}, "PostgreSQL", None)
    disk, memory = psutil.disk_usage(str(home)).percent, psutil.virtual_memory().percent
    found += exhausted({"disk": disk / 100, "memory": memory / 100}, socket.gethostname(), socket.gethostname())
    return found


def of_runs(runs: list[Run], now: datetime, *, lease_s: float) -> list[Condition]:
    """What a pipeline's last runs, newest first, call attention to."""
    ended = [run for run in runs if run.status in ("published", "failed")]
    found = [*_failures(runs[0], ended, now, lease_s), *_degraded(ended), *_breached(runs[0], ended, now)]
    return list({(condition.kind, condition.subject): condition for condition in reversed(found)}.values())[::-1]


def exhausted(used: dict[str, float], owner: str, host: str | None) -> list[Condition]:
    """The resources of an owner of which at least the share in `BOUNDS` is in use."""
    return [
        Condition(
            kind="resource_exhaustion",
            subject=f"{owner} {resource}",
            message=f"{share:.0%} of the {resource} of {owner} is in use, at least {BOUNDS[resource]:.0%}",
            host=host,
            measured={"used": round(share, 4), "bound": BOUNDS[resource]},
        )
        for resource, share in used.items()
        if share >= BOUNDS[resource]
    ]


def _failures(newest: Run, ended: list[Run], now: datetime, lease_s: float) -> Iterator[Condition]:
    if newest.status == "running" and newest.holder and newest.heartbeat_at:
        silent_s = (now - newest.heartbeat_at).total_seconds()
        if silent_s > lease_s or dead(newest.holder):
            yield Condition(
                kind="pipeline_failure",
                subject=newest.pipeline,
                message=f"Run {newest.run_id} was left by its process; crewline resume {newest.run_id} goes on with it",
                run_id=newest.run_id,
                measured={"silent_s": round(silent_s, 1), "holder": newest.holder},
            )
    if ended and ended[0].status == "failed":
        why = ended[0].error or "the quality gate let nothing through"
        yield Condition(
            kind="pipeline_failure",
            subject=ended[0].pipeline,
            message=f"Run {ended[0].run_id} failed: {why}",
            run_id=ended[0].run_id,
            measured={"error": ended[0].error},
        )


def _degraded(ended: list[Run]) -> Iterator[Condition]:
    scores = [(run, quality) for run in ended if (quality := measure(run).quality) is not None]
    if not scores or scores[0][0] is not ended[0]:
        return
    (last, quality), before = scores[0], [score for _, score in scores[1:]]
    median = statistics.median(before) if len(before) >= FEWEST else None
    bound = Gate.model_validate(last.spec.get("gate", {})).publish
    fell = median is not None and quality < median - DROP
    if quality >= bound and not fell:
        return
    words = f"below {bound:g}" if quality < bound else f"more than {DROP:g} below {median:.3f}, the median before"
    yield Condition(
        kind="quality_degradation",
        subject=last.pipeline,
        message=f"The quality of run {last.run_id} is {quality:.3f}, {words}",
        run_id=last.run_id,
        measured={"quality": quality, "bound": bound, "median_before": median},
    )


def _breached(newest: Run, ended: list[Run], now: datetime) -> Iterator[Condition]:
    if newest.status == "running":
        age_s, promised = (now - newest.created_at).total_seconds(), _sla(newest).latency_s
        if age_s > promised:
            yield Condition(
                kind="sla_breach",
                subject=f"{newest.pipeline} latency_s",
                message=f"Run {newest.run_id} has taken {age_s:.0f} s so far, more than {promised:g} s",
                run_id=newest.run_id,
                measured={"measured": round(age_s, 1), "bound": promised},
            )
    for breach in breaches(alerts(_sla(ended[0]), Gate()), measure(ended[0])) if ended else ():
        if breach.metric != "quality":
            yield Condition(
                kind="sla_breach",
                subject=f"{newest.pipeline} {breach.metric}",
                message=f"Run {ended[0].run_id}: {breach.metric} is {breach.measured:.4g},"
                f" {breach.operator} {breach.bound:g}",
                run_id=ended[0].run_id,
                measured={"measured": breach.measured, "bound": breach.bound},
            )


def _sla(run: Run) -> Sla:
    # Of a spec that was run long ago, no more is read than is needed.
    return Sla.model_validate(run.spec.get("sla", {}))
