"""Offsets: where the readers of streams have got to."""

from collections.abc import Mapping

from core import journal
from core.store import Database
from core.store.database import Connection


def of(database: Database, stream: str, reader: str) -> dict[str, int]:
    """The positions after which the reader has seen nothing yet, by part of the stream."""
    rows = database.query(
        "SELECT part, position FROM stream_offsets WHERE stream = %s AND reader = %s", (stream, reader)
    )
    return {row["part"]: row["position"] for row in rows}


def advance(database: Database, stream: str, reader: str, positions: Mapping[str, int]) -> None:
    """Put on record that the reader has got to these positions; what is further already stays. Harmless to do twice."""
    event = journal.Event(
        run_id=None, kind="stream.confirmed", actor=reader, data={"stream": stream, "positions": dict(positions)}
    )

    def work(connection: Connection) -> None:
        changed = connection.execute(
            "INSERT INTO stream_offsets (stream, reader, part, position)"
            " SELECT %s, %s, * FROM unnest(%s::text[], %s::bigint[])"
            " ON CONFLICT (stream, reader, part) DO UPDATE SET position = excluded.position,"
            " confirmed_at = clock_timestamp() WHERE stream_offsets.position < excluded.position",
            (stream, reader, list(positions), list(positions.values())),
        )
        if changed.rowcount:
            journal.write(connection, event)

    database.transaction(work)
