"""A round of execution: what it needs is looked at, what does not hold is planned around, and its tasks are run."""

import time

from core.task import Outcome, Task
from delegation import Workload
from flows.passage import last_verdict, short_of
from flows.performance import branches_for, workers_for
from flows.planning import planned
from flows.replanning.application import apply, attempts_in_vain, tell
from flows.replanning.changes import Analysis, Changes
from flows.replanning.precondition import unmet
from flows.replanning.replan import replan
from flows.session import Session
from flows.state import PipelineState
from graphs import Options, ParallelWorkflow, conduct
from graphs.loop import concluded
from tools.orchestration.requirements import branches, tasks_of


def tasks_now(session: Session, state: PipelineState) -> tuple[list[Task], dict[str, Outcome]]:
    """The tasks of the round that the run is in, and what came of them so far."""
    tasks = _tasks(session, state)
    return tasks, session.ledger.outcomes([task.key for task in tasks])


def prepare(session: Session, state: PipelineState, workload: Workload, approved_by: str | None) -> None:
    """Look at what the next round needs, and let it be otherwise where that does not hold and there is a way around it.

    This is done once before each round; what then is not as it should be is for the gate to see.
    """
    tasks, outcomes = tasks_now(session, state)
    key = f"replan/{state.checkpoint_data.passes}"
    recorded = session.ledger.recorded(key)
    if recorded is None:
        changes = _planned_around(session, state, tasks, outcomes)
        if not changes.told:
            return
        step = session.ledger.begin(key, actor="flow")
        session.ledger.commit(step, {"changes": changes.model_dump(mode="json")}, actor="flow")
    else:
        changes = Changes.model_validate(recorded["changes"])
    apply(session, state, changes, tasks, workload, approved_by)


def perform(session: Session, state: PipelineState, workload: Workload) -> None:
    """Run the tasks of the round that are not done, and note in the state how that went."""
    tasks = _tasks(session, state)
    alone, agents = state.error_recovery.alone, state.team_assignments
    width = _width(session, state)
    state.active_tasks = [task.key for task in tasks]
    session.ledger.tell("round.started", tasks=state.active_tasks, branches=width, threads=session.threads)
    started = time.monotonic()
    workers = workers_for(
        session,
        planned(session),
        tasks,
        agents,
        workload,
        alone=alone,
        width=width,
        pieces=state.error_recovery.pieces,
    )
    work = conduct(
        # A task that fails is the gate's to judge, and to try again.
        ParallelWorkflow(workers, options=Options(concurrency=width, attempts=1, revisions=0)),
        session.ledger,
        f"{session.run_id}/{state.checkpoint_data.passes}",
        *branches_for(tasks, agents),
        stop=session.stop,
        url=session.lease.database.url,
    )
    state.take_note(tasks, concluded(work).outcomes, time.monotonic() - started, width)


def _planned_around(session: Session, state: PipelineState, tasks: list[Task], outcomes: dict[str, Outcome]) -> Changes:
    """The changes for what does not hold; what there is no way around is told."""
    alone, ledger = state.error_recovery.alone, session.ledger
    # As of the last passage: how far a round has come that is taken up again must make no difference.
    short = short_of(session, state, last_verdict(session, state.checkpoint_data))
    lacking = unmet(session, planned(session), tasks, outcomes, short, alone=alone, width=_width(session, state))
    if not lacking:
        return Changes()
    ledger.tell("replan.unmet", reason="; ".join(one.reason for one in lacking))
    garbage = any(True for _ in attempts_in_vain(session))

    def around(analyses: list[Analysis]) -> Changes:
        return replan(session, planned(session), state, tasks, outcomes, analyses, repairable=short, garbage=garbage)

    changes, closed = around(lacking), list[str]()
    if not changes.possible:
        # Something has no way around it: what has is changed all the same.
        single = {one: around([one]) for one in lacking}
        changes = around([one for one, found in single.items() if found.possible])
        closed = [reason for found in single.values() for reason in found.unmet]
    tell(session, changes.told)
    if closed:
        ledger.tell("replan.refused", reason="; ".join(dict.fromkeys(closed)))
    return changes


def _tasks(session: Session, state: PipelineState) -> list[Task]:
    return tasks_of(planned(session), state.checkpoint_data.repaired)


def _width(session: Session, state: PipelineState) -> int:
    """How many tasks run at a time."""
    return 1 if state.error_recovery.alone else branches(session.threads)
