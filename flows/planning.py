"""The plan of a run: made once, when the sources were looked at; recorded, and the same ever after."""

from collections.abc import Iterator

from core.spec import PostgresSource
from flows.change import settled
from flows.experience import informed
from flows.replanning.domain import AS_WRITTEN, ELSEWHERE
from flows.session import Session
from tools.engine.engine import Engine
from tools.engine.files import find
from tools.orchestration.amendment import amendments
from tools.orchestration.examination import examine
from tools.orchestration.registration import register
from tools.orchestration.requirements import Plan, make_plan


def planned(session: Session, *, approved_by: str | None = None) -> Plan:
    """The plan on record, as it was amended since; made now, if there is none. Raises SpecError, SourceError,
    TargetError; AwaitingApproval if a source has changed so that a person must decide, and `approved_by` names none."""
    if session.plan is None:
        recorded = session.ledger.recorded("plan")
        plan = _made(session, approved_by) if recorded is None else Plan.model_validate(recorded)
        session.plan = plan.amended(amendments(session.lease.database, session.run_id))
        session.surroundings = session.surroundings.model_copy(update={"names": session.plan.names})
    return session.plan


def _made(session: Session, approved_by: str | None) -> Plan:
    ledger = session.ledger
    changed = settled(session, approved_by)
    surroundings = session.surroundings.model_copy(update={"names": changed.names})
    step = ledger.begin("plan", actor="flow")
    # What fits on one engine fits on the other, and Spark would take seconds for each stage.
    with Engine(session.limits, step.path, session.stop) as engine:
        inspections = examine(engine, session.spec, surroundings)
    plan = make_plan(session.spec, inspections, threads=session.threads).model_copy(update=changed._asdict())
    plan = informed(session, plan)
    register(session.lease.database, session.spec, plan, base_dir=session.surroundings.base_dir, by="flow")
    told = {
        "level": plan.level,
        "profile": plan.profile.model_dump(),
        "tasks": [task.key for task in plan.tasks],
        "rows": plan.rows,
        "notes": plan.notes,
    }
    for way, change in _otherwise(session, plan):
        ledger.tell("replan.made", change=change, way=way)
    ledger.commit(step, plan.model_dump(mode="json"), actor="flow", told=told)
    return plan


def _otherwise(session: Session, plan: Plan) -> Iterator[tuple[str, str]]:
    """What of the sources is read otherwise than the spec says, and why."""
    for name, source in session.spec.sources.items():
        if isinstance(source, PostgresSource):
            continue
        if source.also_at and not find(source.path, session.surroundings.base_dir):
            there = ", ".join(part.path for part in plan.parts[name])
            yield ELSEWHERE, f"{name} is read from {there}, as {source.path} has no file"
        for part in plan.parts[name]:
            if part.dialect:
                how = " and ".join(f"{field} {value!r}" for field, value in part.dialect.items())
                yield AS_WRITTEN, f"{part.path} of {name} is read with {how}: else it lacks declared columns"
