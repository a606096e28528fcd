"""A run's tasks and their agents: who performs which, as the policy allows, and once there is room for it."""

from collections.abc import Sequence

from core.errors import AtCapacity, CrewlineError
from core.task import Task
from crews import AGENTS
from delegation import Assigner, Assignment, Decision, Workload
from delegation import record as record_decisions
from flows.session import Session
from flows.teams import assigner_for

# How often agents that have too much to do are looked at again, seconds.
BUSY_S = 0.5

# The journal's word for a task that waits for an agent with room for it.
WAITS = "workload.waits"


def assigned(
    session: Session, workload: Workload, tasks: Sequence[Task], assigner: Assigner | None = None
) -> list[Assignment]:
    """An assignment for each task, in order, with all decisions on record.

    While every agent that could get a task has as many as it may have, this waits: the journal says so once. Raises
    InputError, Refused; Interrupted when the run is stopped.
    """
    agents = {agent.id: agent.stages for agent in AGENTS.values()}
    waited = False
    while True:
        decisions: list[Decision] = []
        chosen = assigner or assigner_for(session, workload.loads(), decisions.extend)
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
            return found


def _record(session: Session, decisions: Sequence[Decision]) -> None:
    record_decisions(session.lease.database, decisions, run_id=session.run_id)
