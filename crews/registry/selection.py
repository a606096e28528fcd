"""Selection: who does it best, by what it says it can, by what was measured of it, and by how free it is."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from core.store import Database
from crews.registry.definition import AgentDefinition, Capability
from delegation import Workload, performances

# The weights of a score; those by which templates of agents are chosen, too (systems C5).
CAPABILITY, PERFORMANCE, AVAILABILITY = 0.4, 0.4, 0.2

# What is thought of an agent of which nothing was measured; it weighs as much as so many attempts that were.
UNKNOWN = 0.5
PRIOR = 5

# The last attempts of an agent that are looked at.
LOOKED_AT = 100


class Standing(BaseModel):
    """What was measured of an agent. None where nothing was.

    `success` is the share of its last `attempts` that were done, `throughput_rps` its rows in over seconds of work.
    `availability` is the share of its capacity that is free now.
    """

    model_config = ConfigDict(frozen=True)

    attempts: int = 0
    success: float | None = None
    throughput_rps: float | None = None
    availability: float = 1.0


class Score(BaseModel):
    """`total` is 0.4 capability + 0.4 performance + 0.2 availability.

    `capability` is how well the agent says it can do it. `performance` is
    `(5 * 0.5 + attempts * success) / (5 + attempts)`, so that a single attempt does not decide; where the throughput of
    several candidates was measured, the mean of that and of its share of the best throughput.
    """

    model_config = ConfigDict(frozen=True)

    agent: str
    capability: float
    performance: float
    availability: float
    total: float


def standings(database: Database, agents: Sequence[str]) -> dict[str, Standing]:
    """What the store has of these agents: from the last attempts of each, in all runs, and from the workload."""
    rows = database.query(
        "SELECT a.agent, count(*) AS attempts, avg((kind = 'step.committed')::int)::float AS success"
        " FROM unnest(%s::text[]) AS a (agent), LATERAL (SELECT kind FROM journal"
        "  WHERE actor = a.agent AND kind IN ('step.committed', 'step.failed') ORDER BY seq DESC LIMIT %s) AS last"
        " GROUP BY a.agent",
        (list(agents), LOOKED_AT),
    )
    tried = {row["agent"]: row for row in rows}
    measured = performances(database, list(agents))
    loads = Workload(database).loads(list(agents))
    return {
        agent: Standing(
            attempts=tried[agent]["attempts"] if agent in tried else 0,
            success=tried[agent]["success"] if agent in tried else None,
            throughput_rps=measured[agent].throughput_rps,
            availability=max(0.0, 1 - loads[agent].share) if agent in loads else 1.0,
        )
        for agent in agents
    }


def ranked(
    candidates: Sequence[AgentDefinition], capability: Capability, standings: Mapping[str, Standing]
) -> list[Score]:
    """The candidates with their scores, the best first; equal ones in the order of their ids."""
    known = {one.id: standings.get(one.id, Standing()) for one in candidates}
    rates = [of.throughput_rps for of in known.values() if of.throughput_rps]
    best = max(rates) if len(rates) > 1 else None
    scores = [_score(one, capability, known[one.id], best) for one in candidates]
    return sorted(scores, key=lambda score: (-score.total, score.agent))


def _score(candidate: AgentDefinition, capability: Capability, standing: Standing, best: float | None) -> Score:
    level = candidate.capabilities[capability]
    performance = (PRIOR * UNKNOWN + standing.attempts * (standing.success or 0.0)) / (PRIOR + standing.attempts)
    if best and standing.throughput_rps:
        performance = (performance + standing.throughput_rps / best) / 2
    total = CAPABILITY * level + PERFORMANCE * performance + AVAILABILITY * standing.availability
    return Score(
        agent=candidate.id,
        capability=level,
        performance=performance,
        availability=standing.availability,
        total=total,
    )
