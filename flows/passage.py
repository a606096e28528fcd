"""A run's passages through the gate: each is judged once, and its decision recorded."""

from core.task import Outcome, Task
from flows.approval import answer, shown
from flows.gate import Route, Verdict, judge, settle
from flows.planning import planned
from flows.replanning.changes import Changes
from flows.replanning.replan import replan
from flows.session import Session
from flows.state import Checkpoint, PipelineState


def passed(
    session: Session,
    state: PipelineState,
    tasks: list[Task],
    outcomes: dict[str, Outcome],
    approved_by: str | None,
) -> tuple[Verdict, Route]:
    """The verdict of this passage and the route that is open: as recorded, or made and recorded now."""
    ledger, checkpoint = session.ledger, state.checkpoint_data
    key = f"gate/{checkpoint.passes}"
    recorded = ledger.recorded(key)
    if recorded is None:
        gate = session.spec.gate
        verdict = judge(gate, tasks, outcomes)
        recovery, agents = state.error_recovery, state.team_assignments
        kinds = failures(outcomes)
        changes = replan(session, planned(session), recovery, agents, tasks, outcomes) if kinds else None
        route, reason = settle(
            gate,
            verdict,
            recovery,
            failures=kinds,
            repairable=bool(_repairable(session, verdict, checkpoint)),
            approvable=approved_by is not None,
            change=changes.possible if changes else None,
        )
        if changes:
            tell(session, changes, route)
        approval = None
        if route == Route.WAIT:
            last = ledger.recorded(f"gate/{checkpoint.passes - 1}") or {}
            waited_for = last.get("approval") if last.get("route") == Route.WAIT else None
            seen = shown(session, verdict, tasks, outcomes)
            route, reason, approval = answer(session, seen, reason, approved_by=approved_by, waited_for=waited_for)
        step = ledger.begin(key, actor="gate")
        recorded = {"verdict": verdict.model_dump(mode="json"), "route": route, "approval": approval}
        recorded |= {"changes": changes.model_dump(mode="json")} if changes else {}
        told = {
            "route": route,
            "reason": reason,
            "quality": verdict.quality.model_dump(),
            "critical": verdict.critical,
            "failed": verdict.failed,
            **({"approval": approval} if approval else {}),
        }
        ledger.commit(step, recorded, actor="gate", told=told)
    return Verdict.model_validate(recorded["verdict"]), Route(recorded["route"])


def tell(session: Session, changes: Changes, route: Route) -> None:
    """Put the trace of a replan into the journal: why each task failed, and what the next round changes."""
    ledger = session.ledger
    for analysis in changes.analyses:
        ledger.tell("replan.analysed", step=analysis.task, failure=analysis.kind, reason=analysis.reason)
    if route == Route.RETRY:
        for change in changes.told:
            ledger.tell("replan.made", change=change)
    else:
        spent = ["the retries are spent"] if changes.possible else changes.unmet
        ledger.tell("replan.refused", reason="; ".join(spent))


def changes_of(session: Session, checkpoint: Checkpoint) -> Changes:
    """What the last passage decided to change before the next round."""
    recorded = session.ledger.recorded(f"gate/{checkpoint.passes - 1}") or {}
    return Changes.model_validate(recorded.get("changes") or {})


def failures(outcomes: dict[str, Outcome]) -> set[str]:
    """The kinds of failure among the failed tasks."""
    return {outcome.failure.kind for outcome in outcomes.values() if outcome.failure}


def repairable(session: Session, checkpoint: Checkpoint) -> list[str]:
    """The datasets that the last passage found worth repairing, and that repair was not tried on yet."""
    recorded = session.ledger.recorded(f"gate/{checkpoint.passes - 1}")
    assert recorded is not None, "the gate was passed, so its decision is on record"
    return sorted(_repairable(session, Verdict.model_validate(recorded["verdict"]), checkpoint))


def _repairable(session: Session, verdict: Verdict, checkpoint: Checkpoint) -> set[str]:
    given = {name for names in checkpoint.repaired for name in names}
    # Where earlier runs taught it, the first round repaired already.
    given |= {task.dataset for task in planned(session).tasks if task.repair}
    return {violation.dataset for violation in verdict.violations if not violation.handled} - given
