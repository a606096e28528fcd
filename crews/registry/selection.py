"""Selection: who does it best, by what it says it can, by what was measured of it, and by how free it is."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from core.store import Database
from crews.history import records
from crews.registry.definition import AgentDefinition, Capability
from delegation import Workload

# The weights of a score; those by which templates of agents are chosen, too (systems C5).
CAPABILITY, PERFORMANCE, AVAILABILITY = 0.4, 0.4, 0.2

# What is thought of an agent of which nothing was measured; it weighs as much as so many tasks that were.
UNKNOWN = 0.5
PRIOR = 5


class Standing(BaseModel):
    """What was measured of an agent. None where nothing was.

    `success` is the share of its last `tasks` that were done, `throughput_rps` its rows in over seconds of work (see
    crews.history). `availability` is the share of its capacity that is free now.
    """

    model_config = ConfigDict(frozen=True)

    tasks: int = 0
    success: float | None = None
    throughput_rps: float | None = None
    availability: float = 1.0


class Score(BaseModel):
    """`total` is 0.4 capability + 0.4 performance + 0.2 availability.

    `capability` is how well the agent says it can do it. `performance` is
    `(5 * 0.5 + tasks * success) / (5 + tasks)`, so that a single task does not decide; where the throughput of
    several candidates was measured, the mean of that and of its share of the best throughput.
    """

    model_config = ConfigDict(frozen=True)

    agent: str
    capability: float
    performance: float
    availability: float
    total: float


def standings(database: Database, agents: Sequence[str]) -> dict[str, Standing]:
    """What the store has of these agents: from the last tasks of each, in all runs, and from the workload."""
    measured = records(database, agents)
    loads = Workload(database).loads(list(agents))
    return {
        agent: Standing(
            tasks=measured[agent].tasks,
            success=measured[agent].success_rate,
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
    performance = (PRIOR * UNKNOWN + standing.tasks * (standing.success or 0.0)) / (PRIOR + standing.tasks)
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
