"""A run's tasks and their agents: who performs which, as the policy allows, and once there is room for it."""

from collections.abc import Sequence
from typing import NamedTuple

from core.errors import AtCapacity, CrewlineError
from core.task import Task
from crews import Team
from delegation import Assigner, Assignment, Decision, Workload
from delegation import record as record_decisions
from flows.formation import formed
from flows.session import Session
from flows.teams import assigner_for

# How often agents that have too much to do are looked at again, seconds.
BUSY_S = 0.5

# The journal's word for a task that waits for an agent with room for it.
WAITS = "workload.waits"


class Staffing(NamedTuple):
    """The team of a run, and which of them gets each task."""

    team: Team
    assignments: list[Assignment]


def assigned(session: Session, workload: Workload, tasks: Sequence[Task], assigner: Assigner | None = None) -> Staffing:
    """The best team for the tasks, and an assignment to its members for each, in order, with all decisions on record.

    While every agent that could get a task has as many as it may have, this waits: the journal says so once. Raises
    InputError, Refused; Interrupted when the run is stopped.
    """
    waited = False
    while True:
        decisions: list[Decision] = []
        loads = workload.loads()
        team = formed(session, tasks, loads)
        agents = {agent: session.staff.agents[agent].stages for agent in team.agents}
        chosen = assigner or assigner_for(session, loads, decisions.extend)
        try:
            found = chosen.assign(tasks, agents)
        except AtCapacity as full:
            if not waited:
                # What was allowed before is asked again, and then on record.
                _record(session, [decision for decision in decisions if not decision.allowed])
                session.ledger.tell(WAITS, reason=full.reason, agent=full.agent)
            waited = True
            session.stop.wait(BUSY_S)
        except CrewlineError:
            _record(session, decisions)
            raise
        else:
            _record(session, decisions)
            return Staffing(team, found)


def _record(session: Session, decisions: Sequence[Decision]) -> None:
    record_decisions(session.lease.database, decisions, run_id=session.run_id)
