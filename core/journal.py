"""The journal: append-only events of a run. Timeline, lineage, progress and reports are views of it."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from core.store.database import Connection, Database
from core.store.value import json_in_order


class Event(BaseModel):
    """Something that happened in a run, or outside of any (`run_id` None).

    `kind` is `noun.verb`; `data` is plain JSON, small, and never rows.
    """

    model_config = ConfigDict(frozen=True)

    run_id: str | None
    kind: str
    actor: str
    step: str | None = None
    data: dict[str, Any] = Field(default_factory=dict)
    event: uuid.UUID = Field(default_factory=uuid.uuid4)
    at: datetime | None = None


Listener = Callable[[Event], None]


def write(connection: Connection, *events: Event) -> None:
    """Write within the caller's transaction, so that the events stand exactly when what they tell of stands."""
    connection.execute(
        "INSERT INTO journal (event, run_id, kind, actor, step, data)"
        # One document for all: as arrays, each value would be escaped by itself.
        " SELECT * FROM json_to_recordset(%s)"
        " AS told (event uuid, run_id text, kind text, actor text, step text, data jsonb)"
        " ON CONFLICT (event) DO NOTHING",
        (json_in_order([_told(event) for event in events]),),
    )


def _told(event: Event) -> dict[str, Any]:
    fields = {"event": str(event.event), "run_id": event.run_id, "kind": event.kind}
    return {**fields, "actor": event.actor, "step": event.step, "data": event.data}


def written(connection: Connection, event: Event) -> bool:
    """Whether the event stands. Then what it tells of does: its transaction was committed, if its answer was lost too.

    Ask with the run locked: the lost transaction may be about to commit, and holds that lock until it has.
    """
    return connection.execute("SELECT 1 FROM journal WHERE event = %s", (event.event,)).fetchone() is not None


def events(database: Database, run_id: str | None, *, kind: str = "") -> list[Event]:
    """The events of a run, or outside of any, in order; with `kind`, only those whose kind begins so."""
    of, parameters = ("run_id = %s", (run_id, kind)) if run_id else ("run_id IS NULL", (kind,))
    rows = database.query(
        "SELECT event, run_id, at, kind, actor, step, data FROM journal"
        f" WHERE {of} AND starts_with(kind, %s) ORDER BY seq",
        parameters,
    )
    return [Event(**row) for row in rows]
