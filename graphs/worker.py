"""Workers: who performs the branches of a graph, by kind."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from core.stop import Stop
from core.task import Outcome
from graphs.branch import Branch


@dataclass(frozen=True)
class Result:
    """What a worker returns: `values`, plain JSON, and what they are worth, 0 to 1, where that was measured."""

    values: Mapping[str, Any]
    quality: float | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Attempt:
    """What a worker is given with a branch.

    `run_id` is the graph's run, `number` counts the attempts at the branch from 1. Everything that it writes goes
    under `path`, a folder of this attempt alone, made when it is first asked for. `stop` says when to give up, because
    the run stops or the branch's time is up. `needed` has the outcomes of the branches that this one needs.
    """

    run_id: str
    number: int
    stop: Stop
    folder: Path
    needed: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder


Answer = Result | Outcome


class Worker(Protocol):
    """Performs branches of some kinds, up to `capacity` at a time.

    `perform` returns a Result, or an Outcome where rows are to be accounted; as a coroutine, or plainly, and then it
    is called on a thread of its own. Whatever it raises becomes the branch's failure, save for what is about the run
    as a whole (Interrupted, LeaseLost, StoreUnavailable). It can be called again for the same branch: what it does
    outside of `attempt.path` must be harmless to do twice.
    """

    @property
    def name(self) -> str: ...

    @property
    def kinds(self) -> frozenset[str]: ...

    @property
    def capacity(self) -> int: ...

    def perform(self, branch: Branch, attempt: Attempt) -> Answer | Awaitable[Answer]: ...


@dataclass(frozen=True)
class FunctionWorker:
    """A function, plain or a coroutine's, as a worker."""

    name: str
    kinds: frozenset[str]
    function: Callable[[Branch, Attempt], Answer | Awaitable[Answer]]
    capacity: int = 8

    @property
    def perform(self) -> Callable[[Branch, Attempt], Answer | Awaitable[Answer]]:
        return self.function
