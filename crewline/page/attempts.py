"""All attempts at a run's steps, as the journal tells of them; and the pauses in which nobody worked on the run."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from core.store.database import Database

State = Literal["done", "failed", "running", "lost"]
_ENDS: dict[str, State] = {"step.committed": "done", "step.failed": "failed"}
# A run that nobody works on, and what it is called then.
_PAUSES = {
    "run.waiting": "waited for a person",
    "run.interrupted": "was interrupted",
    "run.failed": "had failed",
}


@dataclass
class Attempt:
    """An attempt at a step: who made it, from when to when, how it ended. One that is `lost` never came to an end."""

    step: str
    actor: str
    number: int
    start: datetime
    end: datetime | None = None
    state: State = "running"
    message: str = ""

    @property
    def seconds(self) -> float | None:
        return (self.end - self.start).total_seconds() if self.end else None


@dataclass
class Pause:
    """A time in which nobody worked on the run, and why."""

    start: datetime
    end: datetime
    why: str


@dataclass
class Course:
    """The attempts and the pauses of a run, in their order. `end` is the last that is known of it."""

    attempts: list[Attempt]
    pauses: list[Pause]
    end: datetime | None


def read(database: Database, run_id: str, *, live: bool, now: datetime) -> Course:
    """The course of a run. `live`: somebody works on it now, so what has no end is still under way."""
    rows = database.query(
        "SELECT at, kind, actor, step, data ->> 'attempt' AS attempt, data ->> 'message' AS message FROM journal"
        " WHERE run_id = %s AND (kind = ANY(%s) OR starts_with(kind, 'run.')) ORDER BY seq",
        (run_id, ["step.started", *_ENDS]),
    )
    return arranged(rows, live=live, now=now)


def arranged(rows: Iterable[dict[str, Any]], *, live: bool, now: datetime) -> Course:
    """Put the beginnings and ends of attempts together."""
    attempts: list[Attempt] = []
    pauses: list[Pause] = []
    under_way: dict[str, Attempt] = {}
    left: tuple[datetime, str] | None = None
    last: datetime | None = None
    for row in rows:
        at, kind = row["at"], row["kind"]
        if kind == "run.claimed":
            # Whoever held the run before has left it; what it had begun came to nothing.
            _lose(under_way, left[0] if left else last or at)
            since, why = left or (last or at, "had no holder")
            if attempts:
                pauses.append(Pause(since, at, why))
            left = None
        elif kind in _PAUSES:
            left = (at, _PAUSES[kind])
        elif kind == "step.started":
            _lose({row["step"]: earlier} if (earlier := under_way.pop(row["step"], None)) else {}, at)
            under_way[row["step"]] = Attempt(row["step"], row["actor"], int(row["attempt"] or 1), at)
            attempts.append(under_way[row["step"]])
            left = None
        elif kind in _ENDS and (attempt := under_way.pop(row["step"], None)):
            attempt.end, attempt.state = at, _ENDS[kind]
            attempt.message = row["message"] or ""
        last = at
    if not live:
        _lose(under_way, last)
    return Course(attempts, pauses, now if live else last)


def _lose(under_way: dict[str, Attempt], at: datetime | None) -> None:
    for attempt in under_way.values():
        attempt.end, attempt.state = at, "lost"
    under_way.clear()
