"""Reflection: what a run teaches, in five steps, when it has ended."""

from core import journal
from core.spec import PipelineSpec
from core.store.database import Connection, Database
from crews.experience.memory import keep, locked, remember
from crews.experience.observation import Observation, observed
from crews.experience.pattern import patterns
from crews.experience.trend import trends
from tools.orchestration import history


def reflect(
    database: Database, run_id: str, spec: PipelineSpec, *, status: str, quality: float | None, seconds: float
) -> Observation:
    """Learn from a run that has ended, and write into its journal what was learned. Harmless to do twice.

    1. Analyse: its steps and journal become an observation.
    2. Find patterns: what the observations of the pipeline have in common.
    3. Assess trends: how its runs change.
    4. Adapt: what holds now is what later runs go by; what does not hold any more is left.
    5. Integrate: all is kept, and of the observations the oldest are pruned.
    """
    run = history.read(database, run_id)
    told = journal.events(database, run_id)
    observation = observed(run, spec, told, status=status, quality=quality, seconds=seconds)

    # The same if the transaction is done twice, so that it is told once.
    event = journal.Event(run_id=run_id, kind="experience.reflected", actor="experience")

    def integrate(connection: Connection) -> None:
        locked(connection)
        observations = remember(connection, observation)
        found = patterns(observations)
        new = keep(connection, spec.name, found)
        data = {
            "observation": observation.model_dump(mode="json", exclude={"work", "agents", "repairs"}),
            "holds": [pattern.id for pattern in found],
            "new": new,
            "trends": [trend.model_dump(mode="json") for trend in trends(observations)],
        }
        journal.write(connection, event.model_copy(update={"data": data}))

    database.transaction(integrate)
    return observation
