"""Alerts: conditions on record, each raised once, and cleared when it holds no more."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from core import journal
from core.store.database import Connection, Database
from core.store.value import jsonb, text
from delegation.monitor.condition import Condition, Kind

# Any constant will do, as long as it never changes: monitors of all processes take turns.
LOCK = 0x616C7274

_COLUMNS = "alert, kind, subject, host, run_id, message, measured, raised_at, seen_at, cleared_at"


class Alert(BaseModel):
    """A condition from when it was raised to when it was cleared, as it was last seen."""

    model_config = ConfigDict(frozen=True)

    alert: int
    kind: Kind
    subject: str
    host: str | None
    run_id: str | None
    message: str
    measured: dict[str, Any]
    raised_at: datetime
    seen_at: datetime
    cleared_at: datetime | None


def settle(
    database: Database, found: Sequence[Condition], *, seen_at: datetime, host: str
) -> tuple[list[Alert], list[Alert]]:
    """Raise what was found and is not open yet, clear what is open and was not found; return both, as told in the
    journal.

    `seen_at` is when the examination began: what others found, or cleared, since then stands. Of another machine than
    `host` nothing is cleared that only that one can tell.
    """
    conditions = {(condition.kind, text(condition.subject)): condition for condition in found}

    def work(connection: Connection) -> tuple[list[Alert], list[Alert]]:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        standing = {(alert.kind, alert.subject): alert for alert in _select(connection, "cleared_at IS NULL", ())}
        later = _select(connection, "cleared_at > %s", (seen_at,))
        settled = standing.keys() | {(alert.kind, alert.subject) for alert in later}
        raised = [_raise(connection, conditions[key], seen_at) for key in conditions if key not in settled]
        for key in conditions.keys() & standing.keys():
            _see(connection, standing[key], conditions[key], seen_at)
        cleared = [
            _clear(connection, alert)
            for key, alert in standing.items()
            if key not in conditions and alert.host in (None, host) and alert.seen_at < seen_at
        ]
        return raised, cleared

    return database.transaction(work)


def open_alerts(database: Database) -> list[Alert]:
    """The alerts that stand, oldest first."""
    return database.transaction(lambda connection: _select(connection, "cleared_at IS NULL", ()))


def undelivered(database: Database, destination: str) -> list[tuple[str, Alert]]:
    """What a destination is still to be told, in order: alerts that stand, and the end of those that it was told of."""
    told = "SELECT 1 FROM alert_deliveries d WHERE d.alert = alerts.alert AND destination = %s AND change = "
    return database.transaction(
        lambda connection: [
            *(
                ("cleared", alert)
                for alert in _select(
                    connection,
                    f"cleared_at IS NOT NULL AND EXISTS ({told} 'raised') AND NOT EXISTS ({told} 'cleared')",
                    (destination, destination),
                )
            ),
            *(
                ("raised", alert)
                for alert in _select(connection, f"cleared_at IS NULL AND NOT EXISTS ({told} 'raised')", (destination,))
            ),
        ]
    )


def delivered(database: Database, alert: Alert, change: str, destination: str) -> None:
    """Put on record that the destination was told."""
    database.transaction(
        lambda connection: connection.execute(
            "INSERT INTO alert_deliveries (alert, change, destination) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING",
            (alert.alert, change, destination),
        )
    )


def _raise(connection: Connection, condition: Condition, seen_at: datetime) -> Alert:
    row = connection.execute(
        "INSERT INTO alerts (kind, subject, host, run_id, message, measured, seen_at)"
        f" VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}".encode(),
        (
            condition.kind,
            text(condition.subject),
            condition.host,
            condition.run_id,
            text(condition.message),
            jsonb(condition.measured),
            seen_at,
        ),
    ).fetchone()
    assert row is not None
    alert = Alert(**row)
    _tell(connection, alert, "raised")
    return alert


def _see(connection: Connection, alert: Alert, condition: Condition, seen_at: datetime) -> None:
    connection.execute(
        "UPDATE alerts SET seen_at = %s, run_id = %s, message = %s, measured = %s WHERE alert = %s AND seen_at <= %s",
        (seen_at, condition.run_id, text(condition.message), jsonb(condition.measured), alert.alert, seen_at),
    )


def _clear(connection: Connection, alert: Alert) -> Alert:
    row = connection.execute(
        f"UPDATE alerts SET cleared_at = clock_timestamp() WHERE alert = %s RETURNING {_COLUMNS}".encode(),
        (alert.alert,),
    ).fetchone()
    assert row is not None
    _tell(connection, alert, "cleared")
    return Alert(**row)


def _tell(connection: Connection, alert: Alert, change: str) -> None:
    told = alert.model_dump(mode="json", include={"alert", "kind", "subject", "message", "measured"})
    journal.write(connection, journal.Event(run_id=alert.run_id, kind=f"alert.{change}", actor="monitor", data=told))


def _select(connection: Connection, where: str, parameters: tuple[Any, ...]) -> list[Alert]:
    rows = connection.execute(f"SELECT {_COLUMNS} FROM alerts WHERE {where} ORDER BY alert".encode(), parameters)
    return [Alert(**row) for row in rows.fetchall()]
