"""A run's tasks and their agents: who performs which, as the policy allows, and once there is room for it."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from core.errors import AtCapacity, CrewlineError
from core.task import Task
from crews import Team
from delegation import Assigner, Assignment, Decision, Workload, approvals
from delegation import record as record_decisions
from flows.formation import formed, told
from flows.session import Session
from flows.teams import COORDINATOR, assigner_for
from flows.terms import classification_of

# How often agents that have too much to do are looked at again, seconds.
BUSY_S = 0.5

# The journal's word for a task that waits for an agent with room for it.
WAITS = "workload.waits"


class Staffing(NamedTuple):
    """The team of a run, and which of them gets each task."""

    team: Team
    assignments: list[Assignment]


def staffed(
    session: Session,
    workload: Workload,
    tasks: Sequence[Task],
    *,
    assigner: Assigner | None = None,
    approved_by: str | None = None,
) -> dict[str, str]:
    """Who does each task, by its place: as it is on record, or as it is decided and recorded now. See `assigned`."""
    ledger = session.ledger
    recorded = ledger.recorded("assignment")
    if recorded is None:
        step = ledger.begin("assignment", actor="flow")
        team, assignments = assigned(session, workload, tasks, assigner=assigner, approved_by=approved_by)
        ledger.tell("team.formed", step="assignment", **told(team))
        recorded = {assignment.task: assignment.agent for assignment in assignments}
        reasons = [assignment.model_dump() for assignment in assignments]
        ledger.commit(step, recorded, actor="flow", told={"assignments": reasons})
    return recorded


def assigned(
    session: Session,
    workload: Workload,
    tasks: Sequence[Task],
    *,
    assigner: Assigner | None = None,
    approved_by: str | None = None,
) -> Staffing:
    """The best team for the tasks, and an assignment to its members for each, in order, with all decisions on record.

    While every agent that could get a task has as many as it may have, this waits: the journal says so once. Raises
    InputError, Refused; AwaitingApproval where a rule asks for one, and `approved_by` names nobody; Interrupted when
    the run is stopped.
    """

    def approve(asking: Mapping[str, Decision]) -> None:
        _approve(session, asking, approved_by)

    waited = False
    while True:
        decisions: list[Decision] = []
        loads = workload.loads()
        team = formed(session, tasks, loads)
        agents = {agent: session.staff.agents[agent].stages for agent in team.agents}
        chosen = assigner or assigner_for(session, loads, decisions.extend, approve)
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


def handed_over(session: Session, workload: Workload, task: Task, agent: str, approved_by: str | None = None) -> None:
    """Hand a task that another could not do to this agent, as the policy allows, with its decisions on record.

    Raises Refused, InputError where it does not; AwaitingApproval as `assigned` does.
    """
    decisions: list[Decision] = []

    def approve(asking: Mapping[str, Decision]) -> None:
        _approve(session, asking, approved_by)

    chosen = assigner_for(session, workload.loads(), decisions.extend, approve)
    try:
        chosen.assign([task], {agent: session.staff.agents[agent].stages})
    finally:
        _record(session, decisions)


def _approve(session: Session, asking: Mapping[str, Decision], approved_by: str | None) -> None:
    """Return once a person has approved the hand-overs, all together. Raises AwaitingApproval, Refused.

    `approved_by` decides it at once, if it was on record before.
    """
    rules = sorted({str(decision.rule) for decision in asking.values()})
    request: dict[str, Any] = {
        "seen": {
            "pipeline": session.spec.name,
            "run": session.run_id,
            "from": COORDINATOR,
            "classification": classification_of(session),
            "tasks": {place: decision.delegate for place, decision in asking.items()},
        },
        "reason": f"asked for by {', '.join(rules)}",
        "asked_by": COORDINATOR,
        "path": list(dict.fromkeys(name for decision in asking.values() for name in decision.escalates_to)),
        "timeout_s": session.spec.gate.approval_timeout_s,
        "run_id": session.run_id,
    }
    database, subject = session.lease.database, f"delegate the tasks of {session.run_id}"
    known = {pending.approval for pending in approvals.requests(database, run_id=session.run_id)}
    asked = approvals.ask(database, subject, **request)
    if approved_by and asked.status == "pending" and asked.approval in known:
        approvals.decide(
            database, asked.approval, approved=True, by=approved_by, reason="given when the run was resumed"
        )
    approvals.require(database, subject, **request)


def _record(session: Session, decisions: Sequence[Decision]) -> None:
    record_decisions(session.lease.database, decisions, run_id=session.run_id)
