"""The plan of a run: made once, when the sources were looked at; recorded, and the same ever after."""

from flows.requirements import Plan, make_plan, units_of
from flows.session import Session
from tools.engine.engine import Engine
from tools.publication.target import check_target
from tools.sources import reader
from tools.transformation.rehearsal import rehearse


def planned(session: Session) -> Plan:
    """The plan on record; made now, if there is none. Raises SpecError, SourceError, TargetError."""
    ledger = session.ledger
    recorded = ledger.recorded("plan")
    if recorded is not None:
        return Plan.model_validate(recorded)
    step = ledger.begin("plan", actor="flow")
    with Engine(session.limits, step.path, session.stop, session.spec.engine) as engine:
        rehearse(engine, session.spec, list(units_of(session.spec)))
    check_target(session.target)
    inspections = {
        name: reader(name, source, session.surroundings).inspect() for name, source in session.spec.sources.items()
    }
    plan = make_plan(session.spec, inspections)
    told = {
        "level": plan.level,
        "profile": plan.profile.model_dump(),
        "tasks": [task.key for task in plan.tasks],
        "rows": plan.rows,
        "notes": plan.notes,
    }
    ledger.commit(step, plan.model_dump(mode="json"), actor="flow", told=told)
    return plan
