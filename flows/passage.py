"""A run's passages through the gate: each is judged once, and its decision recorded."""

from collections.abc import Iterable

from core.task import Outcome, Task, Violation
from flows.approval import answer, shown
from flows.gate import Route, Verdict, judge, of_threshold, settle
from flows.planning import planned
from flows.replanning.application import tell
from flows.replanning.changes import Changes
from flows.replanning.replan import analysed, replan
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
        recovery, kinds = state.error_recovery, failures(outcomes)
        changes = _replanned(session, state, tasks, outcomes, verdict) if kinds else None
        route, reason = settle(
            gate,
            verdict,
            recovery,
            failures=kinds,
            repairable=bool(_unrepaired(session, verdict.violations, checkpoint)),
            approvable=approved_by is not None,
            change=changes.possible if changes else None,
        )
        if changes:
            _tell(session, changes, route)
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


def _replanned(
    session: Session, state: PipelineState, tasks: list[Task], outcomes: dict[str, Outcome], verdict: Verdict
) -> Changes:
    failed = [analysed(task, one) for task in tasks if (one := outcomes.get(task.key)) and one.failure]
    repairable = short_of(session, state, verdict)
    return replan(session, planned(session), state, tasks, outcomes, failed, repairable=repairable)


def _tell(session: Session, changes: Changes, route: Route) -> None:
    """Put the trace of a replan into the journal: why each task failed, and what the next round changes."""
    ledger = session.ledger
    for analysis in changes.analyses:
        ledger.tell("replan.analysed", step=analysis.task, failure=analysis.kind, reason=analysis.reason)
    if route == Route.RETRY:
        tell(session, changes.told)
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


def last_verdict(session: Session, checkpoint: Checkpoint) -> Verdict | None:
    """What the gate saw at the last passage, if there was one."""
    recorded = session.ledger.recorded(f"gate/{checkpoint.passes - 1}")
    return Verdict.model_validate(recorded["verdict"]) if recorded else None


def short_of(session: Session, state: PipelineState, verdict: Verdict | None) -> dict[str, list[str]]:
    """The datasets of a verdict that fall short of what the gate asks, and in what, and that repair can be tried on."""
    gate = session.spec.gate
    if verdict is None or state.error_recovery.enhancements >= gate.enhancements:
        return {}
    open_ = _unrepaired(session, verdict.violations, state.checkpoint_data)
    missed: dict[str, list[str]] = {}
    for violation in verdict.violations:
        if of_threshold(violation) and violation.dataset in open_:
            missed.setdefault(violation.dataset, []).append(violation.check)
    return missed


def repairable(session: Session, checkpoint: Checkpoint) -> list[str]:
    """The datasets that the last passage found worth repairing, and that repair was not tried on yet."""
    verdict = last_verdict(session, checkpoint)
    assert verdict is not None, "the gate was passed, so its decision is on record"
    return sorted(_unrepaired(session, verdict.violations, checkpoint))


def _unrepaired(session: Session, violations: Iterable[Violation], checkpoint: Checkpoint) -> set[str]:
    given = {name for names in checkpoint.repaired for name in names}
    # Where earlier runs taught it, the first round repaired already.
    given |= {task.dataset for task in planned(session).tasks if task.repair}
    return {violation.dataset for violation in violations if not violation.handled} - given
