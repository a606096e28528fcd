"""The default bidder: it bids by its card, and by what it was measured to do."""

from collections.abc import Sequence
from typing import NamedTuple

from core.store import Database
from delegation.auction.bid import BOUNDS, Bid, Lot
from delegation.card import AgentCard

# What is expected weighs as much as so many measured tasks.
PRIOR = 5

# The last tasks that are looked at, of each type.
LOOKED_AT = 100


class Measured(NamedTuple):
    """What an agent's tasks of one type came to: how many were looked at, those that were done, and their seconds."""

    tasks: int
    done: int
    seconds: float


class RuleBidder:
    """Bids by rules.

    `time_s` of a task is (PRIOR * expected + seconds of the n measured tasks that were done) / (PRIOR + n), where
    expected is the lot's expected time by the bidder's skill; without one, it is the mean of those measured; without
    either, the bidder does not know what to bid, and does not. `quality` is (PRIOR * skill + done) / (PRIOR + tasks):
    the skill on its card, corrected by the share of its tasks that were done. `cost` is the time, in agent seconds,
    times 1 + the share of its capacity that `load` tasks take: who is busy asks for more. Of several lots, times are
    summed, and quality is the least.
    """

    def __init__(self, card: AgentCard, measured: dict[str, Measured] | None = None, *, load: int = 0) -> None:
        self.card = card
        self._measured = measured or {}
        self._load = load

    def bid(self, lots: Sequence[Lot]) -> Bid | None:
        times = [self._time(lot) for lot in lots]
        known = [time for time in times if time is not None]
        if len(known) < len(times) or not times:
            return None
        low, high = BOUNDS["time_s"]
        time_s = min(high, max(low, sum(known)))
        busy = min(1.0, self._load / self.card.capacity) if self.card.capacity else 1.0
        quality = min(self._quality(lot) for lot in lots)
        return Bid(cost=time_s * (1 + busy), time_s=time_s, quality=max(BOUNDS["quality"][0], min(1.0, quality)))

    def _time(self, lot: Lot) -> float | None:
        measured = self._measured.get(lot.task_type, Measured(0, 0, 0.0))
        skill = self.card.skills.get(lot.task_type, 0.0)
        if lot.expected_s is not None and skill > 0:
            return (PRIOR * lot.expected_s / skill + measured.seconds) / (PRIOR + measured.done)
        return measured.seconds / measured.done if measured.done else None

    def _quality(self, lot: Lot) -> float:
        measured = self._measured.get(lot.task_type, Measured(0, 0, 0.0))
        return (PRIOR * self.card.skills.get(lot.task_type, 0.0) + measured.done) / (PRIOR + measured.tasks)


def measured(database: Database, agent: str) -> dict[str, Measured]:
    """What the run store has of an agent's last tasks in pipelines, by stage: `ingestion`, `validation` and so on."""
    rows = database.query(
        "SELECT stage, count(*) AS tasks, count(*) FILTER (WHERE status = 'done') AS done,"
        " coalesce(sum(seconds) FILTER (WHERE status = 'done'), 0) AS seconds FROM ("
        "  SELECT split_part(step_key, '/', 1) AS stage, status, (outcome ->> 'seconds')::float8 AS seconds,"
        "  row_number() OVER (PARTITION BY split_part(step_key, '/', 1) ORDER BY finished_at DESC) AS place"
        "  FROM steps WHERE outcome ->> 'agent' = %s AND status IN ('done', 'failed')"
        ") AS last WHERE place <= %s GROUP BY stage",
        (agent, LOOKED_AT),
    )
    return {row["stage"]: Measured(row["tasks"], row["done"], row["seconds"]) for row in rows}
