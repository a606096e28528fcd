"""Memory: observations and patterns in the store, and what a person undid."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from core import journal
from core.errors import InputError
from core.store.database import Connection, Database
from core.store.value import json_in_order, jsonb
from crews.experience.observation import Observation
from crews.experience.pattern import Pattern

# Beyond so many observations of all pipelines, the oldest are dropped down to so many (systems C6).
MOST, KEPT = 500, 400

# All who reflect wait for one another: it takes a few milliseconds.
_LOCK = 0x63726577_65787065


class Known(BaseModel):
    """A pattern as it stands: whether the runs on record still speak for it, and since when it is undone, if it is."""

    model_config = ConfigDict(frozen=True)

    pattern: Pattern
    holds: bool
    undone_at: datetime | None
    learned_at: datetime

    @property
    def active(self) -> bool:
        """Whether runs go by it."""
        return self.holds and self.undone_at is None


class Memory:
    """What was learned, in one store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def observations(self, pipeline: str) -> list[Observation]:
        """Those of a pipeline, the newest first."""
        rows = self._database.query(_OBSERVATIONS, (pipeline,))
        return [Observation.model_validate(row["observation"]) for row in rows]

    def known(self, pipeline: str | None = None) -> list[Known]:
        """The patterns of a pipeline, or of all, by id."""
        rows = self._database.query(
            "SELECT document, holds, undone_at, learned_at FROM patterns WHERE %s::text IS NULL OR pipeline = %s"
            " ORDER BY pattern",
            (pipeline, pipeline),
        )
        return [_known(row) for row in rows]

    def undo(self, pattern: str) -> Known:
        """Let no run go by a pattern any more, whatever speaks for it, until `redo`. Raises InputError."""
        return self._mark(pattern, "experience.undone", undone=True)

    def redo(self, pattern: str) -> Known:
        """Let runs go by it again, as long as it holds. Raises InputError."""
        return self._mark(pattern, "experience.redone", undone=False)

    def _mark(self, pattern: str, kind: str, *, undone: bool) -> Known:
        event = journal.Event(run_id=None, kind=kind, actor="person", data={"pattern": pattern})

        def mark(connection: Connection) -> dict[str, Any] | None:
            row = connection.execute(
                "UPDATE patterns SET undone_at = CASE WHEN %s THEN coalesce(undone_at, clock_timestamp()) END"
                " WHERE pattern = %s RETURNING document, holds, undone_at, learned_at",
                (undone, pattern),
            ).fetchone()
            if row is not None:
                journal.write(connection, event)
            return row

        row = self._database.transaction(mark)
        if row is None:
            raise InputError(f"There is no pattern '{pattern}'.", remedy="See them with: crewline experience")
        return _known(row)


def locked(connection: Connection) -> None:
    """Be the only one who reflects, until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def remember(connection: Connection, observation: Observation) -> list[Observation]:
    """Keep an observation, and forget the oldest if there are too many; return those of its pipeline, newest first.

    A run that is observed again, as one that was resumed after it had failed, is kept as it is now.
    """
    connection.execute(
        "INSERT INTO experiences (run_id, pipeline, observation) VALUES (%s, %s, %s)"
        " ON CONFLICT (run_id) DO UPDATE SET observation = excluded.observation, reflected_at = clock_timestamp()",
        (observation.run_id, observation.pipeline, jsonb(observation.model_dump(mode="json"))),
    )
    row = connection.execute("SELECT count(*) AS n FROM experiences").fetchone()
    if row and row["n"] > MOST:
        connection.execute(
            "DELETE FROM experiences WHERE seq <= (SELECT seq FROM experiences ORDER BY seq DESC OFFSET %s LIMIT 1)",
            (KEPT,),
        )
    rows = connection.execute(_OBSERVATIONS, (observation.pipeline,)).fetchall()
    return [Observation.model_validate(row["observation"]) for row in rows]


def keep(connection: Connection, pipeline: str, found: list[Pattern]) -> list[str]:
    """Keep what holds for a pipeline now; what was known and does not hold any more is kept as such. Returns the ids of
    those that were not known, or did not hold, before."""
    before = connection.execute(
        "SELECT pattern FROM patterns WHERE pipeline = %s AND holds FOR UPDATE", (pipeline,)
    ).fetchall()
    connection.execute("UPDATE patterns SET holds = false WHERE pipeline = %s", (pipeline,))
    for pattern in found:
        connection.execute(
            "INSERT INTO patterns (pattern, pipeline, document, holds) VALUES (%s, %s, %s, true)"
            " ON CONFLICT (pattern) DO UPDATE SET document = excluded.document, holds = true",
            (pattern.id, pipeline, json_in_order(pattern.model_dump(mode="json"))),
        )
    return sorted({pattern.id for pattern in found} - {row["pattern"] for row in before})


_OBSERVATIONS = "SELECT observation FROM experiences WHERE pipeline = %s ORDER BY seq DESC"


def _known(row: dict[str, Any]) -> Known:
    return Known(
        pattern=Pattern.model_validate(row["document"]),
        holds=row["holds"],
        undone_at=row["undone_at"],
        learned_at=row["learned_at"],
    )
