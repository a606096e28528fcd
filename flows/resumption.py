"""Taking a run up where it was left, and leaving it so that it can be taken up again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from core.errors import CrewlineError, Interrupted, WorkError
from core.report import RunReport
from flows.persistence import last_state
from flows.session import Session


def saved_state(session: Session) -> dict[str, Any] | None:
    """What the flow's state was when the run was left; None for a new run."""
    saved = last_state(session.lease.database, session.run_id) or {}
    saved.pop("id", None)
    return saved or None


@asynccontextmanager
async def held(session: Session) -> AsyncIterator[None]:
    """Work on a run: what stops the work leaves the run in a state from which it can be resumed, and is raised."""
    try:
        yield
    except asyncio.CancelledError:
        session.stop.request("cancelled")
        await asyncio.to_thread(session.lease.give_up, Interrupted("Stopped: cancelled."))
        raise
    except Exception as error:
        own = own_error(error)
        await asyncio.to_thread(session.lease.give_up, own)
        raise own from error


def conclude(session: Session, report: RunReport) -> None:
    """Put on record what the run came to, and let go of it. Raises LeaseLost."""
    session.lease.release(report.status, report=report.model_dump(mode="json", by_alias=True))


def own_error(error: BaseException) -> BaseException:
    """The error of ours that CrewAI may have wrapped, or one for the machine's troubles; else the error itself."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, CrewlineError):
            return seen
        if isinstance(seen, (OSError, MemoryError)):
            words = str(seen).strip().split("\n")[0] or type(seen).__name__
            return WorkError(f"The machine could not do the work: {words}.", remedy="Free the disk or the memory.")
        seen = seen.__cause__
    return error
