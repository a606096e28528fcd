"""What was exchanged between agents: who asked whom for which data, and what came back."""

from pydantic import BaseModel, ConfigDict

from core.store import Database
from delegation.messages.message import COLUMNS, Message, of_row


class Exchange(BaseModel):
    """Agents and datasets, and who told whom how often about which: (sender, recipient, kind, dataset, messages).

    Only what was confirmed was exchanged; `open` counts the messages that are still under way, `dead` those that were
    given up. A message about no dataset has None for one.
    """

    model_config = ConfigDict(frozen=True)

    agents: tuple[str, ...]
    datasets: tuple[str, ...]
    edges: tuple[tuple[str, str, str, str | None, int], ...]
    open: int
    dead: int


def conversation(database: Database, id: str) -> list[Message]:
    """The messages of a conversation, in their order."""
    rows = database.query(f"SELECT {COLUMNS} FROM messages WHERE conversation = %s ORDER BY place, seq", (id,))
    return [of_row(row) for row in rows]


def exchanged(
    database: Database, *, dataset: str | None = None, agent: str | None = None, run_id: str | None = None
) -> Exchange:
    """What was exchanged about a dataset, by an agent, or in a run; or all that was."""
    rows = database.query(
        "SELECT sender, recipient, kind, dataset, status, count(*) AS n"
        " FROM messages LEFT JOIN LATERAL unnest(datasets) AS dataset ON true"
        " WHERE (%(dataset)s::text IS NULL OR datasets @> ARRAY[%(dataset)s::text])"
        " AND (%(agent)s::text IS NULL OR %(agent)s IN (sender, recipient))"
        " AND (%(run_id)s::text IS NULL OR run_id = %(run_id)s)"
        " GROUP BY sender, recipient, kind, dataset, status ORDER BY min(seq)",
        {"dataset": dataset, "agent": agent, "run_id": run_id},
    )
    confirmed = [row for row in rows if row["status"] == "confirmed"]
    return Exchange(
        agents=tuple(dict.fromkeys(name for row in confirmed for name in (row["sender"], row["recipient"]))),
        datasets=tuple(dict.fromkeys(row["dataset"] for row in confirmed if row["dataset"])),
        edges=tuple((r["sender"], r["recipient"], r["kind"], r["dataset"], r["n"]) for r in confirmed),
        open=sum(row["n"] for row in rows if row["status"] == "open"),
        dead=sum(row["n"] for row in rows if row["status"] == "dead"),
    )
