"""The journal on the page: of each kind of event the first and the last, and how many there are in all."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.store.database import Database
from crewline.page.wording import plain, shown

# Events of one kind that are shown: half from the beginning, half from the end.
MOST_OF_A_KIND = 40
_LONGEST = 420

# What of an event can be told of data that is not for everyone: it has no cells, and no messages that may quote some.
_PLAIN = frozenset(
    {
        "agent", "approval", "attempt", "branches", "bids", "capacity", "complexity", "critical", "decision",
        "delegate", "delegator", "failed", "kind", "level", "pricing", "quality", "records", "route", "rows", "rule",
        "seconds", "source", "status", "task", "task_type", "tasks", "threads", "to", "token", "verdict", "volume",
        "width",
    }
)  # fmt: skip


@dataclass
class Entry:
    """An event as the page shows it."""

    at: datetime
    kind: str
    step: str
    actor: str
    told: str


@dataclass
class Entries:
    """The events that are shown, in order; `kinds` has the number of each kind that there is, `left_out` of those not
    shown."""

    shown: list[Entry]
    kinds: dict[str, int]
    left_out: dict[str, int]


def entries(database: Database, run_id: str, *, open_data: bool) -> Entries:
    """The journal of a run. Without `open_data`, only what of the events can quote no data."""
    rows = database.query(
        "SELECT at, kind, step, actor, data, n, of FROM (SELECT seq, at, kind, step, actor, data,"
        " row_number() OVER (PARTITION BY kind ORDER BY seq) AS n, count(*) OVER (PARTITION BY kind) AS of"
        " FROM journal WHERE run_id = %s) AS numbered WHERE n <= %s OR n > of - %s ORDER BY seq",
        (run_id, MOST_OF_A_KIND // 2, MOST_OF_A_KIND // 2),
    )
    kinds = {row["kind"]: row["of"] for row in rows}
    told = [
        Entry(row["at"], row["kind"], row["step"] or "", row["actor"], _told(row["data"], open_data)) for row in rows
    ]
    left_out = {kind: n - MOST_OF_A_KIND for kind, n in kinds.items() if n > MOST_OF_A_KIND}
    return Entries(told, dict(sorted(kinds.items())), left_out)


def _told(data: dict[str, Any], open_data: bool) -> str:
    kept = data if open_data else {key: value for key, value in data.items() if key in _PLAIN}
    words = [f"{key} {plain(value)}" for key, value in kept.items()]
    if len(kept) < len(data):
        words.append("more is withheld, for the data is not for everyone")
    return shown("; ".join(words), _LONGEST)
