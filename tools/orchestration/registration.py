"""Pipelines on record: what each is made of, and what it is held to.

A pipeline is known by its name. Specs of one name are versions of it; a version is the spec's fingerprint.
"""

from datetime import datetime

from pydantic import BaseModel

from core import journal
from core.errors import InputError
from core.run import Run
from core.spec import Governance, PipelineSpec, Sla
from core.spec.document import parse
from core.spec.source import PostgresSource
from core.store.database import Connection, Database
from core.store.value import json_in_order, jsonb
from core.task import Dimension, Stage
from tools.context import ToolContext
from tools.orchestration.examination import target_path
from tools.orchestration.requirements import SHARES, Level, Plan, units_of
from tools.orchestration.service import METRICS, Alert, Metric, alerts

# Of the fingerprint, what is shown in ids.
_DIGITS = 12


class Examined(BaseModel):
    """What the sources were like when they were last looked at. Rows of text files are estimated."""

    level: Level
    tasks: dict[Stage, int]
    rows: dict[str, int]


class Origin(BaseModel):
    """A source: its kind, where it is, its declared columns, and its rows if it was looked at."""

    kind: str
    place: str
    columns: dict[str, str]
    rows: int | None = None


class Sink(BaseModel):
    """Where a pipeline publishes."""

    path: str
    format: str
    partition_by: tuple[str, ...] = ()


class Monitoring(BaseModel):
    """What is measured of each run, and when it calls for attention."""

    metrics: tuple[Metric, ...] = METRICS
    alerts: list[Alert]


class Pipeline(BaseModel):
    """A pipeline on record.

    `stages` are the stages of each dataset that have work, such as `validation/orders`, in the order in which they can
    be done; `dependencies` names for each those whose output it needs. `agents` says who performed each stage in the
    last run, `resources` the share of the machine that a task of a stage gets.
    """

    id: str
    name: str
    version: str
    description: str
    agents: dict[str, str]
    stages: list[str]
    dependencies: dict[str, list[str]]
    resources: dict[Stage, float]
    sources: dict[str, Origin]
    sinks: list[Sink]
    monitoring: Monitoring
    thresholds: dict[Dimension, float]
    sla: Sla
    governance: Governance
    examined: Examined | None
    registered_by: str
    registered_at: datetime


class Registered:
    """A row of the store: a version of a pipeline, with its spec."""

    def __init__(self, database: Database, row: dict[str, object]) -> None:
        self._database = database
        self._row = row
        self.name = str(row["name"])
        self.version = str(row["version"])
        self.base_dir = str(row["base_dir"])
        self.spec = parse(row["spec"], document=f"spec of pipeline {self.name}")

    def pipeline(self) -> Pipeline:
        """All that is on record of it."""
        spec, row = self.spec, self._row
        examined = Examined.model_validate(row["examined"]) if row["examined"] else None
        dependencies = dependencies_of(spec)
        return Pipeline(
            id=f"{self.name}@{self.version[:_DIGITS]}",
            name=self.name,
            version=self.version,
            description=spec.description,
            agents=_agents(self._database, self.name, self.version),
            stages=list(dependencies),
            dependencies=dependencies,
            resources=SHARES,
            sources=_origins(spec, self.base_dir, examined),
            sinks=[
                Sink(
                    path=str(target_path(spec, self.base_dir)),
                    format=spec.target.format,
                    partition_by=spec.target.partition_by,
                )
            ],
            monitoring=Monitoring(alerts=alerts(spec.sla, spec.gate)),
            thresholds=spec.gate.thresholds,
            sla=spec.sla,
            governance=spec.governance,
            examined=examined,
            registered_by=row["registered_by"],
            registered_at=row["registered_at"],
        )


def register(database: Database, spec: PipelineSpec, plan: Plan, *, base_dir: str, by: str) -> bool:
    """Put a version of a pipeline on record, and say whether it is new. The same content again changes nothing but when
    it was last seen, where it stands, and what its sources were like."""
    tasks = {stage: sum(task.stage == stage for task in plan.tasks) for stage in Stage}
    examined = Examined(level=plan.level, tasks={s: n for s, n in tasks.items() if n}, rows=plan.rows)
    event = journal.Event(
        run_id=None, kind="pipeline.registered", actor=by, data={"name": spec.name, "version": spec.fingerprint}
    )

    def work(connection: Connection) -> bool:
        row = connection.execute(
            "INSERT INTO pipelines (name, version, spec, base_dir, examined, registered_by)"
            " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (name, version) DO UPDATE"
            " SET base_dir = excluded.base_dir, examined = excluded.examined, seen_at = clock_timestamp()"
            " RETURNING registered_at = seen_at AS new",
            (
                spec.name,
                spec.fingerprint,
                json_in_order(spec.content()),
                base_dir,
                jsonb(examined.model_dump(mode="json")),
                by,
            ),
        ).fetchone()
        new = bool(row and row["new"]) or journal.written(connection, event)
        if new:
            journal.write(connection, event)
        return new

    return database.transaction(work)


def find(database: Database, pipeline: str, context: ToolContext | None = None) -> Registered:
    """The pipeline by its name, in the version that was seen last, or by its id in that version.

    Raises InputError if there is none; Refused, if its data is classified above the context's clearance.
    """
    name, _, version = pipeline.partition("@")
    rows = database.query(
        "SELECT name, version, spec, base_dir, examined, registered_by, registered_at FROM pipelines"
        " WHERE name = %s AND starts_with(version, %s) ORDER BY seen_at DESC LIMIT 1",
        (name, version),
    )
    if not rows:
        known = database.query("SELECT DISTINCT name FROM pipelines ORDER BY name LIMIT 20")
        there = ", ".join(row["name"] for row in known) or "none yet"
        raise InputError(f"There is no pipeline '{pipeline}'.", remedy=f"Name one of those on record: {there}.")
    found = Registered(database, rows[0])
    if context:
        context.admit(found.name, found.spec.governance.classification)
    return found


def of_run(database: Database, run: Run, context: ToolContext) -> Registered:
    """The pipeline that the run is one of: in the run's version, or, if that is not on record, as it was seen last."""
    rows = database.query(
        "SELECT version FROM pipelines WHERE name = %s AND version = %s", (run.pipeline, run.fingerprint)
    )
    return find(database, f"{run.pipeline}@{run.fingerprint}" if rows else run.pipeline, context)


def dependencies_of(spec: PipelineSpec) -> dict[str, list[str]]:
    """For the stages of each dataset that have work, in order: those whose output they need."""
    latest: dict[str, str] = {}
    needed: dict[str, list[str]] = {}
    for stage, dataset in units_of(spec):
        joined = {join.dataset for owner, _, join in spec.joins() if owner == dataset}
        others = sorted(joined) if stage == Stage.ENRICHMENT else []
        unit = f"{stage}/{dataset}"
        needed[unit] = [latest[name] for name in (dataset, *others) if name in latest]
        latest[dataset] = unit
    return needed


def _origins(spec: PipelineSpec, base_dir: str, examined: Examined | None) -> dict[str, Origin]:
    return {
        name: Origin(
            kind=source.kind,
            place=source.table if isinstance(source, PostgresSource) else source.path,
            columns={column: declared.type for column, declared in source.columns.items()},
            rows=examined.rows.get(name) if examined else None,
        )
        for name, source in spec.sources.items()
    }


def _agents(database: Database, name: str, version: str) -> dict[str, str]:
    rows = database.query(
        "SELECT outcome FROM steps JOIN runs USING (run_id) WHERE pipeline = %s AND fingerprint = %s"
        " AND step_key = 'assignment' AND steps.status = 'done' ORDER BY created_at DESC LIMIT 1",
        (name, version),
    )
    given: dict[str, str] = rows[0]["outcome"] if rows else {}
    return {place.partition("/")[0]: agent for place, agent in given.items()}
