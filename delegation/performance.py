"""Performance: how fast agents are, measured from what they last did."""

from pydantic import BaseModel, ConfigDict

from core.store.database import Database

# Outcomes of each agent that are looked at, newest first.
WINDOW = 50


class Performance(BaseModel):
    """An agent over its last outcomes; None and absent where nothing was measured.

    `throughput_rps` is rows that came in over seconds of work. `specialisation` has, for each kind of task that others
    do too, how much faster it is than all of them together, itself included: its throughput / theirs - 1.
    """

    model_config = ConfigDict(frozen=True)

    agent: str
    tasks: int = 0
    throughput_rps: float | None = None
    specialisation: dict[str, float] = {}


class _Work(BaseModel):
    """Work of one kind, summed up."""

    tasks: int
    rows: int
    seconds: float

    @property
    def throughput_rps(self) -> float | None:
        return self.rows / self.seconds if self.seconds else None


def performances(database: Database, agents: list[str]) -> dict[str, Performance]:
    """How each of these agents did in its last `WINDOW` finished tasks, from the ledger's outcomes of all runs."""
    rows = database.query(
        "SELECT a.agent, kind, count(*) AS tasks, sum(rows)::bigint AS rows, sum(seconds) AS seconds"
        " FROM unnest(%s::text[]) AS a (agent), LATERAL ("
        "  SELECT split_part(step_key, '/', 1) AS kind, (outcome -> 'rows' ->> 'rows_in')::bigint AS rows,"
        "  (outcome ->> 'seconds')::float AS seconds FROM steps"
        "  WHERE status = 'done' AND outcome ->> 'agent' = a.agent ORDER BY finished_at DESC LIMIT %s) AS done"
        " GROUP BY a.agent, kind ORDER BY a.agent, kind",
        (agents, WINDOW),
    )
    work: dict[str, dict[str, _Work]] = {agent: {} for agent in agents}
    for row in rows:
        work[row["agent"]][row["kind"]] = _Work(tasks=row["tasks"], rows=row["rows"], seconds=row["seconds"])
    return {agent: _measured(agent, own, list(work.values())) for agent, own in work.items()}


def _measured(agent: str, own: dict[str, _Work], everyone: list[dict[str, _Work]]) -> Performance:
    specialisation = {}
    for kind, work in own.items():
        of_kind = [other[kind] for other in everyone if kind in other]
        all_of_kind = _sum(of_kind).throughput_rps
        if len(of_kind) > 1 and work.throughput_rps is not None and all_of_kind:
            specialisation[kind] = work.throughput_rps / all_of_kind - 1
    total = _sum(list(own.values()))
    return Performance(
        agent=agent, tasks=total.tasks, throughput_rps=total.throughput_rps, specialisation=specialisation
    )


def _sum(work: list[_Work]) -> _Work:
    return _Work(tasks=sum(w.tasks for w in work), rows=sum(w.rows for w in work), seconds=sum(w.seconds for w in work))
