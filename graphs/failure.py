"""Failures of branches and stages, and whether trying again makes sense."""

from typing import Literal

import psycopg

from core.errors import (
    CircuitOpen,
    CrewlineError,
    InputError,
    Interrupted,
    LeaseLost,
    OutOfMemory,
    Refused,
    StateError,
    StoreUnavailable,
    TimedOut,
)
from core.task import Failure
from tools.sources import SourceUnavailable

# These are about the run as a whole, not about the stage or branch that met them.
ABOUT_THE_RUN = (Interrupted, LeaseLost, StoreUnavailable)

LONGEST_MESSAGE = 2000


class BranchTimeout(CrewlineError):
    """A branch took longer than it may, or too long for those who wait for it."""


class InvalidResult(CrewlineError):
    """A worker returned what is no result."""


# The world outside may be another one next time.
_TRANSIENT = (BranchTimeout, TimedOut, CircuitOpen, SourceUnavailable, psycopg.OperationalError, OSError)

# What says itself that it would fail again the same way, or should not be tried for a while.
_SETTLED = (CircuitOpen, InputError, Refused, StateError)


def worth_retrying(error: BaseException) -> bool:
    """Whether another try may end otherwise: true of whatever does not say that it would not."""
    return isinstance(error, Exception) and not isinstance(error, (*ABOUT_THE_RUN, *_SETTLED))


def failure_of(error: BaseException) -> Failure:
    """The error as an outcome keeps it."""
    text = _text(error) or type(error).__name__
    # Names of files that are no UTF-8 come as surrogates, which cannot be kept.
    message = text.encode(errors="backslashreplace").decode()[:LONGEST_MESSAGE]
    return Failure(error=type(error).__name__, message=message, kind=_kind(error))


def _text(error: BaseException) -> str:
    try:
        return str(error).strip()
    except Exception:  # noqa: BLE001 - an error that fails to say what it is must not hide that it was there
        return ""


def _kind(error: BaseException) -> Literal["resource", "transient", "permanent"]:
    if isinstance(error, (OutOfMemory, MemoryError)):
        return "resource"
    return "transient" if isinstance(error, _TRANSIENT) else "permanent"
