"""History: what agents were measured to do, in all runs; read from the ledger, never stated."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.store.database import Database
from delegation.performance import WINDOW, Performance, performances


class Record(BaseModel):
    """An agent over its last `WINDOW` attempts at tasks that ended, done or failed; None and empty where nothing was
    measured. An attempt that failed counts, even if the next one, or another agent's, was done.

    `success_rate` is the share of them that were done; `quality` the mean of what those are worth that measured it
    themselves. What a task finds wrong with data is not held against who finds it. `throughput_rps` is in rows per
    second of work, `specialisation` as in delegation.performance.

    `worths` has one number for each attempt, the oldest first: 0 if it failed, its quality where that was measured,
    else 1. `runs` has one for each of the tasks' runs that has ended and in which others worked too, the oldest first:
    1 if it was published or done, else 0.
    """

    model_config = ConfigDict(frozen=True)

    agent: str
    worths: tuple[float, ...] = ()
    runs: tuple[float, ...] = ()
    done: int = 0
    quality: float | None = None
    throughput_rps: float | None = None
    specialisation: dict[str, float] = {}

    @property
    def tasks(self) -> int:
        return len(self.worths)

    @property
    def success_rate(self) -> float | None:
        return self.done / self.tasks if self.tasks else None


def records(database: Database, agents: Iterable[str]) -> dict[str, Record]:
    """The record of each of these agents, as it stands now; costs three queries."""
    names = sorted(set(agents))
    tasks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in database.query(_ENDED, {"agents": names, "window": WINDOW}):
        tasks[row["agent"]].append(row)
    runs: dict[str, list[float]] = defaultdict(list)
    of_agents = [(agent, run_id) for agent, own in tasks.items() for run_id in dict.fromkeys(r["run_id"] for r in own)]
    for row in database.query(_TOGETHER, {"agents": [a for a, _ in of_agents], "runs": [run for _, run in of_agents]}):
        runs[row["agent"]].append(float(row["well"]))
    measured = performances(database, names)
    return {name: _record(name, tasks[name], runs[name], measured[name]) for name in names}


def _record(agent: str, tasks: list[dict[str, Any]], runs: list[float], performance: Performance) -> Record:
    done = [task for task in tasks if task["status"] == "done"]
    qualities = [task["quality"] for task in done if task["quality"] is not None]
    return Record(
        agent=agent,
        worths=tuple(_worth(task) for task in tasks),
        runs=tuple(runs),
        done=len(done),
        quality=sum(qualities) / len(qualities) if qualities else None,
        throughput_rps=performance.throughput_rps,
        specialisation=performance.specialisation,
    )


def _worth(task: dict[str, Any]) -> float:
    if task["status"] != "done":
        return 0.0
    return 1.0 if task["quality"] is None else float(task["quality"])


# The last attempts of each agent that ended, the oldest first. Done and failed ones are found by an index each: what
# failed by the journal, as the ledger keeps the last attempt at a step alone.
_ENDED = """
SELECT a.agent, run_id, status, quality FROM unnest(%(agents)s::text[]) AS a (agent), LATERAL (
    SELECT * FROM (
        (SELECT run_id, step_key, status, finished_at, (outcome ->> 'quality')::float8 AS quality FROM steps
         WHERE status = 'done' AND outcome ->> 'agent' = a.agent ORDER BY finished_at DESC LIMIT %(window)s)
        UNION ALL
        (SELECT run_id, step AS step_key, 'failed' AS status, at AS finished_at, NULL FROM journal
         WHERE kind = 'step.failed' AND actor = a.agent AND run_id IS NOT NULL ORDER BY seq DESC LIMIT %(window)s)
    ) AS ended ORDER BY finished_at DESC, run_id, step_key LIMIT %(window)s
) AS last ORDER BY a.agent, finished_at, run_id DESC, step_key DESC
"""

# Of agents and runs, those runs that have ended and in which others worked too.
_TOGETHER = """
SELECT agent, status IN ('published', 'done') AS well
FROM unnest(%(agents)s::text[], %(runs)s::text[]) AS given (agent, run_id) JOIN runs USING (run_id)
WHERE status IN ('published', 'done', 'failed') AND EXISTS (
    SELECT FROM steps WHERE steps.run_id = runs.run_id AND outcome ->> 'agent' <> agent)
ORDER BY agent, created_at, run_id
"""
