"""Sources whose columns are no longer what they were, where the spec asks for a consensus about that."""

from typing import NamedTuple

from core.errors import AwaitingApproval, Refused
from core.schema import Schema, SchemaColumn
from core.store import Database
from delegation import approvals
from delegation.consensus.consensus import Consensus, decided
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

    The voters judge each change against what the last published run of the pipeline found. Raises AwaitingApproval if
    one breaks the pipeline: the run waits, and `approved_by` names who lets it go on, with cells of columns that are
    gone left empty. Only what was on record before can have been approved. Raises SourceError.
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
    # Before the voters are asked: what is on record by then, a person can have seen.
    database = session.lease.database
    seen = decided(database, session.run_id)
    decision = judge_source(
        Consensus(database, schema_voters()),
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
        _require(session, source, decision, seen, approved_by)
        gone = {column for schema in found for column in declared if column not in schema}
        names |= {column: (*names.get(column, ()), None) for column in gone}
    session.ledger.tell("source.changed", source=source, action=decision.action, names=names, reason=decision.reason)
    return names


def _require(session: Session, source: str, decision: SourceDecision, seen: set[str], approved_by: str | None) -> None:
    """Raise AwaitingApproval until somebody approves of the change, Refused if it was denied.

    `approved_by` decides it at once, if it was on record before.
    """
    database, subject = session.lease.database, f"read the changed source {source} of {session.run_id}"
    fingerprints = [result.fingerprint for result in decision.results]
    request = approvals.ask(
        database,
        subject,
        seen={"source": source, "run": session.run_id, "reason": decision.reason, "changes": fingerprints},
        reason=decision.reason,
        asked_by="consensus",
        path=approvers(session.spec),
        timeout_s=session.spec.gate.approval_timeout_s,
        run_id=session.run_id,
    )
    if request.status == "pending" and approved_by and seen.issuperset(fingerprints):
        reason = "given when the run was resumed"
        request = approvals.decide(database, request.approval, approved=True, by=approved_by, reason=reason)
    if request.status == "approved":
        by = request.decided_by or ""
        session.ledger.tell("source.approved", actor=by, source=source, approval=request.approval)
        return
    session.ledger.tell("source.waits", source=source, approval=request.approval, reason=decision.reason)
    words = f"{request.words}; {decision.reason}"
    if request.status == "pending":
        raise AwaitingApproval(request.approval, subject, words)
    raise Refused(
        "flow", f"request {request.approval} to {subject} {words}", remedy="Correct the source or the spec, and resume."
    )


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
