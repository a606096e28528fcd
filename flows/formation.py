"""The team of a run: formed for the stages that have work, of the agents that can perform them (systems C3)."""

from collections.abc import Iterable, Sequence
from typing import Any

from core.task import Stage, Task
from crews import Level, Need, Team, candidates, form
from delegation.load import Loads
from flows.experience import taught
from flows.planning import planned
from flows.session import Session
from tools.orchestration.requirements import Level as Complexity

# The skill that each stage asks for.
SKILLS = {
    Stage.INGESTION: "data_ingestion",
    Stage.VALIDATION: "data_quality",
    Stage.TRANSFORMATION: "data_transformation",
    Stage.ENRICHMENT: "data_transformation",
    Stage.AGGREGATION: "data_analysis",
}

# The level at which a plan of each complexity asks for it.
LEVELS: dict[Complexity, Level] = {
    "simple": Level.INTERMEDIATE,
    "standard": Level.ADVANCED,
    "complex": Level.EXPERT,
}


def formed(session: Session, tasks: Sequence[Task], loads: Loads) -> Team:
    """The best team for the tasks, as the agents are measured and loaded now.

    Raises InputError for a stage that no agent can perform.
    """
    staff = session.staff
    profiles = {agent.id: agent.profile for agent in staff.agents.values()}
    performs = {agent.id: frozenset(map(str, agent.stages)) for agent in staff.agents.values()}
    database = session.lease.database
    plan = planned(session)
    factor = taught(plan).factor
    pool = candidates(database, profiles, performs=performs, loads=loads, factor=factor)
    team = form(needs(tasks, plan.level), pool)
    return team.without(staff.left_out)


def needs(tasks: Iterable[Task], level: Complexity) -> list[Need]:
    """A need for each stage that has tasks, in the order of the stages."""
    datasets: dict[Stage, dict[str, None]] = {}
    for task in tasks:
        datasets.setdefault(task.stage, {})[task.dataset] = None
    return [
        Need(
            name=stage,
            skill=SKILLS[stage],
            level=LEVELS[level],
            why=f"a {level} plan, {', '.join(datasets[stage])}"[:500],
        )
        for stage in Stage
        if stage in datasets
    ]


def told(team: Team) -> dict[str, Any]:
    """The team for the journal, with why it was chosen in words."""
    return {"reason": team.reason, **team.model_dump(mode="json", exclude={"analysis"})}
