"""What waits for a person, and the person's decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crewline.facade.store import database

if TYPE_CHECKING:
    from delegation.approvals import Approval


def approvals(*, closed: bool = False) -> list[Approval]:
    """The requests that wait for a decision, oldest first; with `closed`, those that were decided or ran out too."""
    from delegation.approvals import requests

    with database() as store:
        return requests(store, closed=closed)


def approve(approval_id: str, *, by: str, reason: str) -> Approval:
    """Approve a request, as the person `by`. A run that waits for it goes on by `resume`.

    Raises ApprovalNotFound; ApprovalClosed if it was decided, ran out of time, or is void; InputError without a name
    or a reason.
    """
    return _decide(approval_id, approved=True, by=by, reason=reason)


def deny(approval_id: str, *, by: str, reason: str) -> Approval:
    """Deny a request, as the person `by`. A run that waits for it fails by `resume`. Raises as `approve` does."""
    return _decide(approval_id, approved=False, by=by, reason=reason)


def _decide(approval_id: str, *, approved: bool, by: str, reason: str) -> Approval:
    from delegation.approvals import decide

    with database() as store:
        return decide(store, approval_id, approved=approved, by=by, reason=reason)
