"""What deployed agents do, for every process to see: their health, and what was measured of their jobs."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.errors import InputError
from core.holder import dead
from core.settings import settings
from core.store import Database
from core.store.database import Connection

Health = Literal["starting", "healthy", "unhealthy", "lost", "undeployed"]


class DeployedAgent(BaseModel):
    """An agent that is deployed, and its jobs there. None where nothing was measured.

    `response_s` is what it took to answer the last check, at `checked_at`. `lost` is whose process has died, or was
    silent for too long. `throughput_rps` is rows in over seconds of work, `latency_s` the mean from submission to the
    end of a job, `latency_p95_s` what 95% of them stay below; `quality` the mean of what outcomes are worth, where they
    do not say so the share of rows that were not put into quarantine.
    """

    model_config = ConfigDict(frozen=True)

    deployment: str
    agent: str
    source: str | None
    health: Health
    reason: str | None
    response_s: float | None
    checked_at: datetime | None
    deployed_at: datetime
    done: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    rows: int = 0
    throughput_rps: float | None = None
    latency_s: float | None = None
    latency_p95_s: float | None = None
    quality: float | None = None


class DeploymentReport(BaseModel):
    """All agents that are deployed now, or those of one deployment."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    agents: list[DeployedAgent]

    @property
    def healthy(self) -> float | None:
        """The share of agents that are healthy, of those that are still deployed; None without any."""
        there = [agent.health == "healthy" for agent in self.agents if agent.health != "undeployed"]
        return sum(there) / len(there) if there else None

    def as_text(self) -> str:
        """The report in lines of text."""
        if not self.agents:
            return f"{self.at:%H:%M:%S} no agents are deployed"
        done, failed = sum(a.done for a in self.agents), sum(a.failed for a in self.agents)
        rows = sum(a.rows for a in self.agents)
        health = f"{self.healthy:.0%} healthy" if self.healthy is not None else "none of them deployed any more"
        work = f"{done:,} jobs done, {failed:,} failed, {rows:,} rows"
        return "\n".join([f"{self.at:%H:%M:%S} {len(self.agents)} agents, {health}; {work}", *map(_line, self.agents)])


def report(database: Database, run_id: str | None = None) -> DeploymentReport:
    """The agents that are deployed now, in all processes; or those of one deployment, also after its end."""
    rows = database.query(_AGENTS, {"run_id": run_id, "lease_s": settings().lease_s})
    now = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    agents = []
    for row in rows:
        holder, silent, status = row.pop("holder"), row.pop("silent"), row.pop("status")
        gone = run_id is None and (holder is None or silent or dead(holder))
        agents.append(DeployedAgent(**row, health="lost" if gone else status))
    return DeploymentReport(at=now, agents=agents)


def undeploy(database: Database, agent: str) -> int:
    """Ask all deployments that have the agent to undeploy it, once its jobs there are done; return how many that are.

    Raises InputError if none has it.
    """

    def work(connection: Connection) -> int:
        return connection.execute(
            "UPDATE deployed_agents SET leaving = true FROM runs WHERE runs.run_id = deployed_agents.run_id"
            " AND runs.status = 'running' AND agent = %s AND deployed_agents.status <> 'undeployed'",
            (agent,),
        ).rowcount

    asked = database.transaction(work)
    if not asked:
        raise InputError(f"No agent {agent} is deployed.", remedy="See those that are with: crewline agents --watch")
    return asked


def _line(agent: DeployedAgent) -> str:
    parts = [f"  {agent.agent} {agent.health}"]
    if agent.response_s is not None:
        parts.append(f"answers in {agent.response_s * 1000:.1f} ms")
    parts.append(f"{agent.done:,} done, {agent.failed:,} failed, {agent.waiting + agent.running:,} to do")
    if agent.throughput_rps is not None:
        parts.append(f"{agent.throughput_rps:,.0f} rows/s")
    if agent.latency_s is not None and agent.latency_p95_s is not None:
        parts.append(f"{agent.latency_s:.2f} s a job, 95% within {agent.latency_p95_s:.2f} s")
    if agent.quality is not None:
        parts.append(f"quality {agent.quality:.1%}")
    if agent.reason and agent.health != "healthy":
        parts.append(agent.reason)
    return ", ".join(parts)


_AGENTS = """
SELECT d.run_id AS deployment, d.agent, d.source, d.status, d.reason, d.response_s, d.checked_at, d.deployed_at,
    r.holder, clock_timestamp() - r.heartbeat_at > make_interval(secs => %(lease_s)s) AS silent,
    count(*) FILTER (WHERE j.status = 'done') AS done,
    count(*) FILTER (WHERE j.status = 'failed') AS failed,
    count(*) FILTER (WHERE j.status = 'running') AS running,
    (SELECT count(*) FROM deployed_jobs AS open WHERE open.agent = d.agent AND open.status = 'open') AS waiting,
    coalesce(sum((j.outcome -> 'rows' ->> 'rows_in')::bigint) FILTER (WHERE j.status = 'done'), 0)::bigint AS rows,
    sum((j.outcome -> 'rows' ->> 'rows_in')::float8) FILTER (WHERE j.status = 'done')
        / nullif(sum((j.outcome ->> 'seconds')::float8) FILTER (WHERE j.status = 'done'), 0) AS throughput_rps,
    avg(extract(epoch FROM j.finished_at - j.submitted_at)) FILTER (WHERE j.status = 'done')::float8 AS latency_s,
    (percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM j.finished_at - j.submitted_at)::float8)
        FILTER (WHERE j.status = 'done'))::float8 AS latency_p95_s,
    avg(coalesce((j.outcome ->> 'quality')::float8, 1 - (j.outcome -> 'rows' ->> 'quarantined')::float8
        / nullif((j.outcome -> 'rows' ->> 'rows_in')::float8, 0))) FILTER (WHERE j.status = 'done') AS quality
FROM deployed_agents AS d JOIN runs AS r USING (run_id)
LEFT JOIN deployed_jobs AS j ON j.run_id = d.run_id AND j.agent = d.agent
WHERE CASE WHEN %(run_id)s::text IS NULL THEN d.status <> 'undeployed' AND r.status = 'running'
    ELSE d.run_id = %(run_id)s END
GROUP BY d.run_id, d.agent, r.run_id ORDER BY d.agent, d.run_id
"""
