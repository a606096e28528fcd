"""Runs: one execution of one pipeline, and everything that is known of it."""

import re
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import InputError, RunNotFound
from core.spec import PipelineSpec
from core.store.database import Connection, Database
from core.store.value import json_in_order

# A pipeline's run ends well as published, a graph's as done.
Status = Literal["created", "running", "interrupted", "waiting", "failed", "published", "done"]
FINISHED = frozenset({"published", "done"})

_COLUMNS = (
    "run_id, kind, pipeline, spec, fingerprint, document, base_dir, status, token, holder, heartbeat_at,"
    " created_at, finished_at, report, error"
)


class Run(BaseModel):
    """A run as the store has it. `report` is there once it has ended, `error` when it did not end well.

    The run of a graph has the graph's name as `pipeline`, and what the graph was asked to do as `spec`.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str
    kind: Literal["pipeline", "graph"] = "pipeline"
    pipeline: str
    spec: dict[str, Any]
    fingerprint: str
    document: str | None
    base_dir: str
    status: Status
    token: int
    holder: dict[str, Any] | None
    heartbeat_at: datetime | None
    created_at: datetime
    finished_at: datetime | None
    report: dict[str, Any] | None
    error: str | None


def new_id(pipeline: str) -> str:
    """A new run's id, such as `retail-20260314-091500-3f9a01`."""
    return f"{pipeline}-{datetime.now(UTC).strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"


def create(database: Database, run_id: str, spec: PipelineSpec, *, base_dir: str, document: str | None) -> None:
    """Put a new run of a pipeline on record. Harmless to do twice."""
    told = {"fingerprint": spec.fingerprint, "document": document}
    _insert(database, run_id, "pipeline", spec.name, spec.content(), spec.fingerprint, document, base_dir, told)


def check_id(run_id: str) -> None:
    """Raise InputError for an id that somebody chose, and that could not be the name of a folder."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}", run_id):
        raise InputError(
            f"{run_id!r} cannot be the id of a run.",
            remedy="Use letters, digits, dots, hyphens and underscores, beginning with a letter or digit.",
        )


def create_graph(database: Database, run_id: str, graph: str, definition: dict[str, Any]) -> None:
    """Put a new run of a graph on record, with what it was asked to do. Harmless to do twice. Raises InputError."""
    check_id(run_id)
    _insert(database, run_id, "graph", graph, definition, "", None, "", {"graph": graph})


def _insert(
    database: Database,
    run_id: str,
    kind: str,
    name: str,
    spec: dict[str, Any],
    fingerprint: str,
    document: str | None,
    base_dir: str,
    told: dict[str, Any],
) -> None:
    created = journal.Event(run_id=run_id, kind="run.created", actor="flow", data=told)

    def work(connection: Connection) -> None:
        new = connection.execute(
            "INSERT INTO runs (run_id, kind, pipeline, spec, fingerprint, document, base_dir)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run_id) DO NOTHING",
            (run_id, kind, name, json_in_order(spec), fingerprint, document, base_dir),
        )
        if new.rowcount:
            journal.write(connection, created)

    database.transaction(work)


def get(database: Database, run_id: str) -> Run:
    """The run. Raises RunNotFound."""
    rows = database.query(f"SELECT {_COLUMNS} FROM runs WHERE run_id = %s", (run_id,))
    if not rows:
        raise RunNotFound(run_id)
    return Run(**rows[0])


def newest(database: Database, limit: int = 50) -> list[Run]:
    """The last runs, newest first."""
    rows = database.query(f"SELECT {_COLUMNS} FROM runs ORDER BY created_at DESC, run_id DESC LIMIT %s", (limit,))
    return [Run(**row) for row in rows]


def of_pipeline(database: Database, pipeline: str, *, version: str | None = None, limit: int = 50) -> list[Run]:
    """The last runs of a pipeline, newest first; with `version`, only those of the spec with this fingerprint."""
    rows = database.query(
        f"SELECT {_COLUMNS} FROM runs WHERE pipeline = %s AND (%s::text IS NULL OR fingerprint = %s)"
        " ORDER BY created_at DESC, run_id DESC LIMIT %s",
        (pipeline, version, version, limit),
    )
    return [Run(**row) for row in rows]
