"""Jobs for deployed agents: kept in PostgreSQL until they are done, taken by one deployment at a time.

A job is done at least once. A deployment that dies loses the jobs that it had: others take them, up to `MOST_ATTEMPTS`
times in all.
"""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core.dataset import DatasetRef
from core.errors import InputError
from core.lease import fence
from core.store import Database
from core.store.database import Connection
from core.store.value import json_in_order, jsonb, text
from core.task import Outcome

# What a deployment is called among runs.
DEPLOYMENT = "deployment"

# A job that every process dies of must not go round for ever.
MOST_ATTEMPTS = 3

_COLUMNS = "job, agent, dataset, source, data, status, run_id, attempts, submitted_at, finished_at, outcome, error"


class JobRecord(BaseModel):
    """A job as it is on record: for which agent, on what, and what came of it. `run_id` is the deployment's that took
    it."""

    model_config = ConfigDict(frozen=True)

    job: uuid.UUID
    agent: str
    dataset: str
    source: str
    data: DatasetRef | None = None
    status: Literal["open", "running", "done", "failed"]
    run_id: str | None = None
    attempts: int = 0
    submitted_at: datetime
    finished_at: datetime | None = None
    outcome: Outcome | None = None
    error: str | None = None


def submit(database: Database, agent: str, source: str, *, dataset: str, data: DatasetRef | None = None) -> JobRecord:
    """Leave a job for an agent, deployed now or later. The data is at `source`, or what another agent left, `data`."""
    job = uuid.uuid4()
    database.transaction(
        lambda connection: connection.execute(
            "INSERT INTO deployed_jobs (job, agent, dataset, source, data) VALUES (%s, %s, %s, %s, %s)"
            " ON CONFLICT (job) DO NOTHING",
            (job, agent, dataset, text(source), jsonb(data.model_dump(mode="json")) if data else None),
        )
    )
    return get(database, job)


def get(database: Database, job: uuid.UUID | str) -> JobRecord:
    """The job as it is now. Raises InputError if there is none of this id."""
    try:
        identity = uuid.UUID(str(job))
        rows = database.query(f"SELECT {_COLUMNS} FROM deployed_jobs WHERE job = %s", (identity,))
    except ValueError:
        rows = []
    if not rows:
        raise InputError(f"There is no job {job}.", remedy="Submit one with: crewline submit AGENT DATASET")
    return JobRecord(**rows[0])


def unfinished(database: Database, agent: str, source: str) -> bool:
    """Whether the agent has a job on this source that is not done yet."""
    sql = "SELECT 1 FROM deployed_jobs WHERE agent = %s AND source = %s AND status IN ('open', 'running') LIMIT 1"
    return bool(database.query(sql, (agent, source)))


def take(
    database: Database, run_id: str, agents: Sequence[str], most: int, known: Collection[uuid.UUID] = ()
) -> list[JobRecord]:
    """Take up to so many open jobs of these agents, the oldest first. `known` are those that the deployment has: others
    that it took before, by an answer that was lost, are among those that are returned."""

    def work(connection: Connection) -> list[dict[str, Any]]:
        return connection.execute(
            "UPDATE deployed_jobs SET status = 'running', run_id = %s, attempts = attempts + 1 WHERE job IN ("
            "  SELECT job FROM deployed_jobs WHERE agent = ANY(%s)"
            "  AND (status = 'open' OR (status = 'running' AND run_id = %s AND job <> ALL(%s)))"
            "  ORDER BY submitted_at, job LIMIT %s FOR UPDATE SKIP LOCKED)"
            f" RETURNING {_COLUMNS}",
            (run_id, list(agents), run_id, list(known), most),
        ).fetchall()

    taken = [JobRecord(**row) for row in database.transaction(work)]
    return sorted(taken, key=lambda job: (job.submitted_at, job.job))


def finish(database: Database, job: JobRecord, outcome: Outcome) -> None:
    """Put on record what came of a job, unless another deployment has it by now."""
    error = outcome.failure.message if outcome.failure else None
    database.transaction(
        lambda connection: connection.execute(
            "UPDATE deployed_jobs SET status = %s, outcome = %s, error = %s, finished_at = clock_timestamp()"
            " WHERE job = %s AND run_id = %s AND attempts = %s AND status = 'running'",
            (
                "done" if outcome.status == "done" else "failed",
                json_in_order(outcome.model_dump(mode="json")),
                text(error) if error else None,
                job.job,
                job.run_id,
                job.attempts,
            ),
        )
    )


def give_back(database: Database, job: JobRecord) -> None:
    """Let others take a job that was not finished, as if it had not been taken."""
    database.transaction(
        lambda connection: connection.execute(
            "UPDATE deployed_jobs SET status = 'open', run_id = NULL, attempts = attempts - 1"
            " WHERE job = %s AND run_id = %s AND attempts = %s AND status = 'running'",
            (job.job, job.run_id, job.attempts),
        )
    )


def take_from_the_dead(database: Database, run_id: str, lease_s: float) -> int:
    """Open the jobs again that deployments had which have died; those that were taken too often have failed.

    Returns how many it was. `run_id` is the deployment that asks.
    """
    found = database.query(
        "SELECT DISTINCT run_id FROM deployed_jobs WHERE status = 'running' AND run_id <> %s", (run_id,)
    )

    def work(connection: Connection) -> int:
        dead = [row["run_id"] for row in found if fence(connection, row["run_id"], lease_s)]
        return connection.execute(
            "UPDATE deployed_jobs SET run_id = CASE WHEN attempts < %(most)s THEN NULL ELSE run_id END,"
            " status = CASE WHEN attempts < %(most)s THEN 'open' ELSE 'failed' END,"
            " error = CASE WHEN attempts < %(most)s THEN NULL ELSE 'every process that had it died' END,"
            " finished_at = CASE WHEN attempts < %(most)s THEN NULL ELSE clock_timestamp() END"
            " WHERE status = 'running' AND run_id = ANY(%(dead)s)",
            {"most": MOST_ATTEMPTS, "dead": dead},
        ).rowcount

    return database.transaction(work) if found else 0
