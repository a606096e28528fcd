"""Failures of branches, and whether trying again makes sense."""

import psycopg

from core.errors import CrewlineError, Interrupted, LeaseLost, OutOfMemory, StoreUnavailable
from core.task import Failure
from tools.sources import SourceUnavailable

# These are about the run as a whole, not about the branch that met them.
FATAL = (Interrupted, LeaseLost, StoreUnavailable)


class BranchTimeout(CrewlineError):
    """A branch took longer than it may, or too long for those who wait for it."""


class InvalidResult(CrewlineError):
    """A worker returned what is no result."""


def failure_of(error: BaseException) -> Failure:
    """What kind of failure an error is."""
    message = str(error).strip() or type(error).__name__
    if isinstance(error, (OutOfMemory, MemoryError)):
        return Failure(error=type(error).__name__, message=message, kind="resource")
    if isinstance(error, (BranchTimeout, SourceUnavailable, psycopg.OperationalError, TimeoutError, ConnectionError)):
        return Failure(error=type(error).__name__, message=message, kind="transient")
    if isinstance(error, OSError) and not isinstance(error, CrewlineError):
        return Failure(error=type(error).__name__, message=message, kind="transient")
    return Failure(error=type(error).__name__, message=message, kind="permanent")
