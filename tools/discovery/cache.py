"""The cache of answers: in PostgreSQL, for all processes.

An answer holds while the catalog is the one that it was made from, for five minutes at most (samples are read from the
sources themselves), and no longer than until one of its datasets falls out of the freshness that was asked for.
"""

import hashlib
from datetime import UTC, datetime, timedelta

from core.store.database import Connection, Database
from core.store.value import json_in_order
from tools.context import ToolContext
from tools.discovery.answer import Discovery
from tools.discovery.request import DiscoveryRequest

LIFETIME = timedelta(minutes=5)


def question(request: DiscoveryRequest, context: ToolContext) -> str:
    """What an answer depends on, beside the catalog: what is asked, and what who asks may see."""
    bounds = context.model_dump_json(include={"roots", "clearance"})
    return hashlib.sha256(f"{request.model_dump_json()}\n{bounds}".encode()).hexdigest()


def recall(database: Database, question: str) -> Discovery | None:
    """The answer that was given before, if it still holds."""
    rows = database.query(
        "SELECT answer FROM catalog_answers JOIN catalog_version USING (version)"
        " WHERE question = %s AND expires_at > clock_timestamp()",
        (question,),
    )
    return Discovery.model_validate(rows[0]["answer"]).model_copy(update={"cached": True}) if rows else None


def keep(database: Database, question: str, answer: Discovery, version: int, window: timedelta | None) -> None:
    """Keep an answer that was made from this version of the catalog."""
    expires = datetime.now(UTC) + LIFETIME
    if window is not None:
        # All of them were within the window when they were found; the first to leave it ends the answer.
        oldest = min((d.description.updated_at for d in answer.datasets if d.description.updated_at), default=None)
        expires = min(expires, oldest + window) if oldest else expires

    def work(connection: Connection) -> None:
        connection.execute("DELETE FROM catalog_answers WHERE expires_at < clock_timestamp()")
        connection.execute(
            "INSERT INTO catalog_answers (question, version, expires_at, answer) VALUES (%s, %s, %s, %s)"
            " ON CONFLICT (question) DO UPDATE SET version = excluded.version, expires_at = excluded.expires_at,"
            " answer = excluded.answer",
            (question, version, expires, json_in_order(answer.model_dump(mode="json"))),
        )

    database.transaction(work)
