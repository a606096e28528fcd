"""What a run does with experience: it goes by what earlier runs of its pipeline taught, and teaches those to come."""

from typing import Any

from core.errors import CrewlineError, LeaseLost, StoreUnavailable
from core.report import RunReport
from core.task import Stage
from crews.experience import Lessons, Pattern, reflect
from crews.experience.observation import PAUSED
from flows.replanning.replan import MOST_PAUSE_S
from flows.session import Session
from tools.orchestration.requirements import Plan


def taught(plan: Plan) -> Lessons:
    """What the run goes by, as it stood when the plan was made."""
    return Lessons.recorded(plan.lessons)


def informed(session: Session, plan: Plan) -> Plan:
    """The plan as earlier runs would have it: what had to be repaired is repaired at once. It is told what is expected.

    Only where the gate may enhance and retry: then whatever it does not publish as it came is given to repair anyway,
    and it judges the same data, only sooner. The repair counts as one of its enhancements.
    """
    lessons, gate = Lessons.of(session.lease.database, session.spec.name), session.spec.gate
    repairs = lessons.repairs(session.spec.sources) if gate.enhancements and gate.retries else []
    datasets = {pattern.lesson["dataset"] for pattern in repairs}
    for pattern in repairs:
        _tell(session, pattern, "the first validation repairs")
    for pattern in lessons.agents:
        _tell(session, pattern, "it counts less when the team is formed")
    expected = lessons.expected_s(sum(plan.rows.values()))
    if lessons.estimate and expected is not None:
        words = f"the run is expected to take {expected:.3g} s"
        _tell(session, lessons.estimate, words, expected_s=round(expected, 3))
    tasks = [
        task.model_copy(update={"repair": True})
        if task.stage == Stage.VALIDATION and task.dataset in datasets
        else task
        for task in plan.tasks
    ]
    return plan.model_copy(update={"tasks": tasks, "lessons": lessons.documents})


def alone_at_once(session: Session, plan: Plan) -> bool:
    """Whether the first round runs one task at a time, each with the whole machine: one of them needed that before."""
    patterns = taught(plan).alone(plan.tasks)
    for pattern in patterns:
        _tell(session, pattern, "the first round runs alone on the machine")
    return bool(patterns)


def pause(session: Session, plan: Plan, seconds: float, *, first: bool) -> None:
    """Wait before a retry, so that what is away may have come back: the first time at least as long as that took
    before, if it is known. Raises Interrupted."""
    if not seconds:
        return
    pattern = taught(plan).pause if first else None
    if pattern:
        seconds = min(max(seconds, float(pattern.lesson["seconds"])), MOST_PAUSE_S)
        _tell(session, pattern, f"the first pause takes {seconds:g} s")
    session.ledger.tell(PAUSED, seconds=seconds)
    session.stop.wait(seconds)


def reflect_on(session: Session, report: RunReport) -> None:
    """Learn from the run. That this did not work out is on record, and is no failure of the run."""
    if report.status not in ("published", "failed"):
        return
    try:
        reflect(
            session.lease.database,
            session.run_id,
            session.spec,
            status=report.status,
            quality=report.quality.overall,
            seconds=report.duration_s,
        )
    except (LeaseLost, StoreUnavailable):
        raise
    except (CrewlineError, ValueError, LookupError, TypeError, ArithmeticError) as error:
        session.ledger.tell("experience.failed", actor="experience", reason=f"{type(error).__name__}: {error}"[:1000])


def _tell(session: Session, pattern: Pattern, decision: str, *, expected_s: float | None = None) -> None:
    expected: dict[str, Any] = {} if expected_s is None else {"expected_s": expected_s}
    session.ledger.tell(
        "experience.applied",
        actor="experience",
        pattern=pattern.id,
        decision=decision,
        reason=pattern.words,
        evidence=[seen.model_dump(mode="json") for seen in pattern.evidence],
        **expected,
    )
