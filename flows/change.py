"""Sources whose columns are no longer what they were, where the spec asks for a consensus about that."""

from typing import Any, NamedTuple

from core.schema import Schema, SchemaColumn
from core.store import Database
from delegation import approvals
from delegation.consensus.consensus import Consensus
from delegation.consensus.source import SourceDecision, judge_source, uses
from delegation.consensus.voters import schema_voters
from flows.approval import approvers
from flows.session import Session
from tools.sources import reader

Names = dict[str, tuple[str | None, ...]]


class Settled(NamedTuple):
    """The columns that were found, and what was decided about those that are gone; see Plan."""

    schemas: dict[str, Schema]
    names: dict[str, Names]


def settled(session: Session, approved_by: str | None) -> Settled:
    """What a run has to know of its changed sources before it looks at them.

    The voters judge each change against what the last published run of the pipeline found. Raises AwaitingApproval
    if one breaks the pipeline: the run waits for a person, and goes on, once approved, with the cells of columns that
    are gone left empty. `approved_by` is who approves by resuming. Raises Refused if it was denied; SourceError.
    """
    schemas: dict[str, Schema] = {}
    names: dict[str, Names] = {}
    known = last_schemas(session.lease.database, session.spec.name)
    for source, declared in session.spec.sources.items():
        if declared.on_schema_change == "consensus":
            columns = list(declared.columns)
            found = reader(source, declared, session.surroundings).schemas()
            names[source] = _decided(session, source, found, known.get(source, {}), approved_by)
            schemas[source] = _as_declared(columns, found, names[source])
    return Settled(schemas, names)


def last_schemas(database: Database, pipeline: str) -> dict[str, Schema]:
    """The columns that the last published run of a pipeline found in sources whose changes are judged."""
    rows = database.query(
        "SELECT outcome -> 'schemas' AS schemas FROM steps JOIN runs USING (run_id)"
        " WHERE pipeline = %s AND runs.status = 'published' AND step_key = 'plan' AND steps.status = 'done'"
        " ORDER BY runs.finished_at DESC LIMIT 1",
        (pipeline,),
    )
    found = (rows[0]["schemas"] if rows else None) or {}
    return {
        source: {name: SchemaColumn.model_validate(column) for name, column in schema.items()}
        for source, schema in found.items()
    }


def _decided(session: Session, source: str, found: list[Schema], known: Schema, approved_by: str | None) -> Names:
    declared = session.spec.sources[source].columns
    if not known and all(schema.keys() >= declared.keys() for schema in found):
        # Nothing is missing, and nobody knows what there was before.
        return {}
    decision = judge_source(
        Consensus(session.lease.database, schema_voters()),
        source,
        declared=list(declared),
        known=known,
        found=found,
        uses=uses(session.spec, source),
        run_id=session.run_id,
    )
    if decision is None:
        return {}
    names: Names = dict(decision.names)
    if decision.action == "wait":
        _require(session, source, decision, found, approved_by)
        gone = {column for schema in found for column in declared if column not in schema}
        names |= {column: (*names.get(column, ()), None) for column in gone}
    session.ledger.tell("source.changed", source=source, action=decision.action, names=names, reason=decision.reason)
    return names


def _require(
    session: Session, source: str, decision: SourceDecision, found: list[Schema], approver: str | None
) -> None:
    """Raise AwaitingApproval unless a person approved of going on with what is found now; Refused if it was denied.

    `approver`, who resumed the run, decides what was asked before, and nothing that nobody has seen yet.
    """
    database, spec = session.lease.database, session.spec
    asked = {request.approval for request in approvals.requests(database, run_id=session.run_id)}
    subject = f"read the changed source {source} in {session.run_id}"
    schemas = [{name: column.model_dump() for name, column in schema.items()} for schema in found]
    request: dict[str, Any] = {
        "seen": {"pipeline": spec.name, "source": source, "found": schemas, "reason": decision.reason},
        "reason": decision.reason,
        "asked_by": "consensus",
        "path": approvers(spec),
        "timeout_s": spec.gate.approval_timeout_s,
        "run_id": session.run_id,
    }
    standing = approvals.ask(database, subject, **request)
    if approver and standing.status == "pending" and standing.approval in asked:
        why = "given when the run was resumed"
        approvals.decide(database, standing.approval, approved=True, by=approver, reason=why)
    approvals.require(database, subject, **request)


def _as_declared(declared: list[str], found: list[Schema], names: Names) -> Schema:
    """What was found, as one schema by the declared names: a type only where all parts agree on it."""
    merged: Schema = {}
    for schema in found:
        by_name = dict(schema)
        for column in declared:
            others = [other for other in names.get(column, ()) if other in schema and column not in schema]
            for other in others[:1]:
                by_name[column] = by_name.pop(other or "")
        for name, found_column in by_name.items():
            merged[name] = _both(merged[name], found_column) if name in merged else found_column
    return merged


def _both(one: SchemaColumn, other: SchemaColumn) -> SchemaColumn:
    known = one.nullable is not None and other.nullable is not None
    return SchemaColumn(
        type=one.type if one.type == other.type else None,
        nullable=one.nullable or other.nullable if known else None,
    )
