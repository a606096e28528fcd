"""Amendments: what of a source is read otherwise than it was planned."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.store.database import Database
from tools.sources import Part

Names = dict[str, tuple[str | None, ...]]


class Amendment(BaseModel):
    """From now on `part` is read where `instead_of` was planned, which has the same place in its source; and columns by
    other `names` too, see Surroundings. With `unfit`, the other could not be read though it was as planned."""

    model_config = ConfigDict(frozen=True)

    source: str
    part: Part
    instead_of: Part
    names: Names = {}
    unfit: bool = False


def amendments(database: Database, run_id: str) -> list[Amendment]:
    """All amendments of a run's plan in the order in which they were made, as they are on record."""
    rows = database.query(
        "SELECT step_key, outcome FROM steps WHERE run_id = %s AND status = 'done'"
        " AND (starts_with(step_key, 'gate/') OR starts_with(step_key, 'replan/')) ORDER BY started_at, step_key",
        (run_id,),
    )
    return amendments_of((row["step_key"], row["outcome"]) for row in rows)


def amendments_of(steps: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Amendment]:
    """The same, of steps that are done, by key and outcome: what a passage through the gate that leads to a retry has
    changed, and what was changed before a round began."""
    return [
        Amendment.model_validate(one)
        for key, outcome in steps
        if key.startswith("replan/") or (key.startswith("gate/") and outcome.get("route") == "retry")
        for one in (outcome.get("changes") or {}).get("amendments", ())
    ]
