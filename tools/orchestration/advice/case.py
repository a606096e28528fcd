"""A piece of advice: the change, and the case for it."""

from typing import Any, Literal

from pydantic import BaseModel

Kind = Literal[
    "complexity", "branches", "memory", "filter_earlier", "unused_columns", "key", "first_pass", "enhancements"
]

# What gains a smaller share of a run's time is not worth a change.
WORTH = 0.02


class Advice(BaseModel):
    """A change, with what was measured, and what it may gain: the seconds that a run would take less.

    `formula` says how the gain was worked out; it holds as far as its assumption does. `gain_s` is None where nothing
    measured tells how much time would be saved.
    """

    kind: Kind
    change: str
    evidence: dict[str, Any]
    gain_s: float | None = None
    formula: str = ""
    caveat: str


class FailedAttempt(BaseModel):
    """An attempt at a task that failed, as the journal tells."""

    run_id: str
    step: str
    error: str
    message: str
    kind: str
