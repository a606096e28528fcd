"""Carrying changes into a run's state: from then on its rounds are otherwise."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from core.errors import InputError, Refused
from core.task import Task
from delegation import Workload
from flows.assignment import handed_over
from flows.replanning.changes import Change, Changes
from flows.session import Session
from flows.state import PipelineState


def apply(
    session: Session,
    state: PipelineState,
    changes: Changes,
    tasks: list[Task],
    workload: Workload,
    approved_by: str | None,
) -> None:
    """Let the next round be otherwise. To do so again, with the state of then, comes to the same."""
    recovery = state.error_recovery
    recovery.alone = recovery.alone or changes.alone
    recovery.pieces = {**recovery.pieces, **changes.pieces}
    for task in tasks:
        if task.place in changes.agents:
            _hand_over(session, state, task, changes.agents[task.place], workload, approved_by)
    if changes.repair:
        state.checkpoint_data.repaired.append(changes.repair)
        recovery.enhancements += 1
    if changes.room:
        for folder in attempts_in_vain(session):
            shutil.rmtree(folder)
    if changes.amendments:
        # They are on record with the changes, and the plan is read from there.
        session.plan = None


def tell(session: Session, changes: list[Change]) -> None:
    """Put into the journal what is changed, for whom, and why."""
    for change in changes:
        session.ledger.tell("replan.made", step=change.task, change=change.told, failure=change.kind, way=change.way)


def attempts_in_vain(session: Session) -> Iterator[Path]:
    """The folders of attempts at tasks of the run that have ended, and whose files nothing refers to."""
    rows = session.lease.database.query(
        "SELECT step_key, attempt, token, status FROM steps WHERE run_id = %s AND status IN ('done', 'failed')",
        (session.run_id,),
    )
    for row in rows:
        folder = session.ledger.root / row["step_key"]
        kept = folder / f"attempt-{row['attempt']}-{row['token']}" if row["status"] == "done" else None
        yield from (attempt for attempt in sorted(folder.glob("attempt-*-*")) if attempt != kept)


def _hand_over(
    session: Session, state: PipelineState, task: Task, agent: str, workload: Workload, approved_by: str | None
) -> None:
    """Another agent does the task, if the policy lets it; whoever has tried is not asked again."""
    tried = state.error_recovery.tried.setdefault(task.place, [])
    tried.append(state.team_assignments[task.place])
    try:
        handed_over(session, workload, task, agent, approved_by)
    except (Refused, InputError) as error:
        tried.append(agent)
        session.ledger.tell("replan.refused", step=task.key, reason=error.what)
    else:
        state.team_assignments[task.place] = agent
