"""A person's approval of a publication: what it is asked for, what the answer means for the run."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.dataset import DatasetRef
from core.errors import ApprovalClosed, Refused
from core.spec import PipelineSpec
from core.stop import Stop
from core.store.database import Database
from core.task import Outcome, Task
from delegation import approvals
from delegation.request import fingerprint
from flows.closing import last_stage, outputs
from flows.gate import Route, Verdict
from flows.session import Session

# Who is asked where neither the gate nor the governance of a spec names anybody: to whom a pipeline's manager
# escalates (systems D1).
LEADS = ("data_engineering_lead", "data_architect")


def shown(session: Session, verdict: Verdict, tasks: list[Task], outcomes: dict[str, Outcome]) -> dict[str, Any]:
    """What a person approves: the result by the digest of its files, where it goes, and what the gate found."""
    result = outputs(last_stage(tasks, session.spec.result), outcomes)
    violations: Counter[str] = Counter()
    for violation in verdict.violations:
        name = f"{violation.dataset}: {violation.check} ({violation.severity})"
        violations[name] += violation.rows or 0
    return {
        "pipeline": session.spec.name,
        "run": session.run_id,
        "spec": session.spec.fingerprint,
        "target": str(session.target),
        "rows": sum(ref.rows for ref in result),
        "digest": _digest(result),
        "quality": verdict.quality.model_dump(),
        "violations": dict(violations),
    }


def approvers(spec: PipelineSpec) -> tuple[str, ...]:
    """Who is asked, one after the other."""
    owner = spec.governance.owner
    return spec.gate.approvers or ((owner,) if owner else ()) + LEADS


def answer(
    session: Session, seen: dict[str, Any], why: str, *, approved_by: str | None, waited_for: str | None
) -> tuple[Route, str, str]:
    """The route that approval opens, why, and the id of the request. It is filed if there is none yet.

    `approved_by` decides it at once, if it is undecided. When the request that the run `waited_for` ran out of time,
    the run fails; the next resume asks again.
    """
    database, gate = session.lease.database, session.spec.gate
    if waited_for and not approved_by:
        earlier = approvals.get(database, waited_for)
        if earlier.status == "expired" and earlier.fingerprint == fingerprint(seen):
            return Route.FAIL, f"{why}; request {waited_for} {earlier.words}", waited_for
    found = approvals.ask(
        database,
        f"publish {session.run_id}",
        seen=seen,
        reason=why,
        asked_by="gate",
        path=approvers(session.spec),
        timeout_s=gate.approval_timeout_s,
        run_id=session.run_id,
    )
    if approved_by and found.status == "pending":
        found = approvals.decide(
            database, found.approval, approved=True, by=approved_by, reason="given when the run was resumed"
        )
    route = {"approved": Route.PUBLISH, "pending": Route.WAIT}.get(found.status, Route.FAIL)
    return route, f"{why}; request {found.approval} {found.words}", found.approval


def confirm(session: Session, passes: int, tasks: list[Task], outcomes: dict[str, Outcome]) -> None:
    """Raise Refused unless what is published now is what was approved, where the last passage needed approval."""
    ledger = session.ledger
    gate = ledger.recorded(f"gate/{passes - 1}") or {}
    if gate.get("approval") is None or ledger.recorded("publish") is not None:
        return
    found = approvals.get(session.lease.database, gate["approval"])
    seen = shown(session, Verdict.model_validate(gate["verdict"]), tasks, outcomes)
    if found.status != "approved" or found.fingerprint != fingerprint(seen):
        raise Refused(
            "flow",
            f"what request {found.approval} approved is no longer what would be published",
            remedy="The files of the run were changed from outside. Start a new run.",
        )


def await_decisions(database: Database, run_id: str, stop: Stop) -> None:
    """Wait while a request of the run is pending: the gate then goes by what became of it. Raises Interrupted."""
    for pending in approvals.requests(database, run_id=run_id):
        approvals.wait(database, pending.approval, stop)


def await_decision(database: Database, approval_id: str, stop: Stop) -> None:
    """Wait while the request is pending. Raises ApprovalClosed if its time ran out, Interrupted when stopped."""
    found = approvals.wait(database, approval_id, stop)
    if found.status in ("expired", "void"):
        raise ApprovalClosed(approval_id, found.status, found.words)


def _digest(refs: Sequence[DatasetRef]) -> str:
    digest = hashlib.sha256()
    for path in (Path(path) for ref in refs for path in ref.paths):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
