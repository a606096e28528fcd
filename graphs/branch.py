"""Branches: what a graph is asked to do, each a unit of work for one worker; and the points where they meet."""

import json
import re
from collections.abc import Iterable, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from core.errors import InputError

Priority = Literal["high", "medium", "low"]

# The share of its branches that a sync point makes do with once its time is up (systems G1).
QUORUM = 0.75


# Keys become folders. What is long or odd belongs into the payload.
_SEGMENT = re.compile(r"(?!attempt-)[\w@:+=,-][\w@:+=,.-]*")
_LONGEST_SEGMENT = 200

# Under these a graph keeps what it decides itself.
_OWN = ("parallel", "adaptive")


def _check_key(key: str) -> str:
    segments = key.split("/")
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise ValueError(
            "a key has letters, digits and _@:+=,.- with / between parts, and no part begins with a dot or attempt-"
        )
    if any(len(segment.encode()) > _LONGEST_SEGMENT for segment in segments):
        raise ValueError(f"a part of it is longer than {_LONGEST_SEGMENT} bytes")
    if segments[0] in _OWN and len(segments) > 1:
        raise ValueError(f"{segments[0]}/ is the graph's own")
    return key


def _check_payload(payload: dict[str, Any]) -> dict[str, Any]:
    try:
        json.dumps(payload, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"it is no plain JSON: {error}") from error
    return payload


Key = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_check_key)]


class Branch(BaseModel):
    """One unit of work. `key` names it within its graph, and is its step in the ledger: letters, digits and `_@:+=,.-`,
    with `/` between parts.

    A worker registered for `kind` performs it, on `payload`, which is plain JSON: references, never rows. `needs` are
    the keys of branches, or the names of sync points, that must be done before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: Key
    kind: str = Field(min_length=1)
    payload: Annotated[dict[str, Any], AfterValidator(_check_payload)] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()
    priority: Priority = "medium"
    timeout_s: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="Seconds of work; the graph's limit if unset."
    )


class SyncPoint(BaseModel):
    """A point where branches meet: what needs it goes on when enough of them have arrived.

    A branch has arrived when it is done. All arrived: the point is complete. `timeout_s` seconds after the first of
    them was sent: with at least `quorum` of them it counts as reached, marked partial; with fewer, what is missing is
    sent once more. Without a `timeout_s` it waits for all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200)
    branches: tuple[str, ...] = Field(min_length=1)
    quorum: float = Field(default=QUORUM, gt=0, le=1)
    timeout_s: float | None = Field(default=None, gt=0, allow_inf_nan=False)


def check_branches(branches: Sequence[Branch], syncs: Sequence[SyncPoint]) -> None:
    """Raise InputError for keys that come twice, needs that nobody meets, and dependencies in a circle."""
    keys = _unique([branch.key for branch in branches], "branch")
    names = _unique([sync.name for sync in syncs], "sync point")
    if both := sorted(keys & names):
        raise InputError(f"{', '.join(both)}: a branch and a sync point of the same name.", remedy="Rename one.")
    for sync in syncs:
        _known(sync.branches, keys, f"The sync point {sync.name}", "waits for")
    all_of_them = keys | names
    for branch in branches:
        _known(branch.needs, all_of_them, f"The branch {branch.key}", "needs")
    order = TopologicalSorter({branch.key: branch.needs for branch in branches})
    for sync in syncs:
        order.add(sync.name, *sync.branches)
    try:
        order.prepare()
    except CycleError as error:
        circle = " -> ".join(reversed(error.args[1]))
        raise InputError(f"The branches wait for one another: {circle}.", remedy="Break the circle.") from error


def _unique(names: Sequence[str], what: str) -> set[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise InputError(f"There are two of the {what} {name}.", remedy="Give each a name of its own.")
        seen.add(name)
    return seen


def _known(named: Iterable[str], known: set[str], who: str, verb: str) -> None:
    if missing := [name for name in named if name not in known]:
        raise InputError(
            f"{who} {verb} {', '.join(missing[:5])}, which nobody runs.", remedy="Add the branch, or correct the name."
        )
