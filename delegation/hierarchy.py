"""Hierarchy: a coordinator takes a task apart, workers do the parts, the coordinator puts together what they did."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, Field

from core import journal
from core.errors import InputError
from core.store import Database
from delegation.clock import Clock, SystemClock
from delegation.decision import Decision, events
from delegation.gathering import Answer, gather, patience

# From this complexity on a task is taken apart once, and from that on twice: its parts are taken apart again.
ONE_LEVEL = 0.3
TWO_LEVELS = 0.7

# How long the parts of a task have, all being done at once, seconds.
TIMEOUT_S = 300.0

Status = Literal["done", "failed", "refused", "late", "unassigned"]


class Work(BaseModel):
    """A task, or a part of one. `complexity` is 0 to 1, `payload` plain JSON for who does it, and `context` the facts
    that the policy asks for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(min_length=1, max_length=200)
    task_type: str = Field(min_length=1, max_length=200)
    complexity: float = Field(default=0.0, ge=0, le=1, allow_inf_nan=False)
    payload: dict[str, Any] = Field(default_factory=dict)
    context: dict[str, Any] = Field(default_factory=dict)


class Worker(Protocol):
    """Does parts of some types, each on a thread of its own. What `perform` raises is the part's failure."""

    @property
    def id(self) -> str: ...

    @property
    def task_types(self) -> frozenset[str]: ...

    def perform(self, part: Work) -> Any: ...


class Ruling(Protocol):
    """What a policy says of a hand-over."""

    @property
    def allowed(self) -> bool: ...

    @property
    def approval(self) -> bool:
        """Whether a person must agree first."""
        ...

    @property
    def reason(self) -> str: ...


class Policy(Protocol):
    """Who may hand what to whom."""

    def can_delegate(self, delegator: str, delegate: str, task_type: str, context: Mapping[str, Any], /) -> Ruling: ...


class Plan(Protocol):
    """What a coordinator knows of the tasks that it takes apart.

    `parts` takes a task apart, `whole` puts together the results of parts, by their ids, of which some may be missing,
    and `problems` says what is wrong with a result of the whole, a line each.
    """

    def parts(self, work: Work) -> Sequence[Work]: ...

    def whole(self, work: Work, results: Mapping[str, Any]) -> Any: ...

    def problems(self, work: Work, result: Any) -> Sequence[str]: ...


class Part(BaseModel):
    """What came of one part: who got it, and its `result`, or `reason` why there is none.

    A part that nobody was allowed to get is `refused`; one that nobody can do is `unassigned`. A part that was taken
    apart itself has `parts`, and is `done` if all of them are.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    task_type: str
    status: Status
    worker: str | None = None
    result: Any = None
    reason: str = ""
    seconds: float = 0.0
    parts: tuple["Part", ...] = ()


class Whole(BaseModel):
    """What came of a task: `done` if all parts are and nothing is wrong with the whole; `invalid` if something is, as
    `problems` says, or it could not be put together; `partial` if parts are missing; `failed` if all are, and then
    there is no `result`."""

    model_config = ConfigDict(frozen=True)

    id: str
    status: Literal["done", "partial", "failed", "invalid"]
    levels: int
    parts: tuple[Part, ...]
    result: Any = None
    problems: tuple[str, ...] = ()


class Coordinator:
    """Hands parts to workers as the policy allows, on behalf of the agent `id`. Raises InputError if two workers have
    one id."""

    def __init__(
        self,
        database: Database,
        id: str,
        workers: Sequence[Worker],
        policy: Policy,
        plan: Plan,
        *,
        timeout_s: float = TIMEOUT_S,
        clock: Clock | None = None,
    ) -> None:
        self.id = id
        self._database = database
        self._workers = sorted(workers, key=lambda worker: worker.id)
        self._policy = policy
        self._plan = plan
        self._timeout_s = patience(timeout_s)
        self._clock = clock or SystemClock()
        if len({worker.id for worker in workers}) < len(workers):
            raise InputError("Two workers have the same id.", remedy="Give each one of its own.")

    def coordinate(self, work: Work, *, run_id: str | None = None) -> Whole:
        """Take the task apart, have all parts done at once, put together and validate what came of them.

        Each part goes to the worker with the fewest parts so far among those that can do it and may be handed it; among
        equals to the first by id. A hand-over for which a person must agree first is refused. All that came of the
        parts, failures too, is in the result, and in the journal with the decisions on the hand-overs. Raises
        InputError if two parts have one id.
        """
        levels = levels_of(work.complexity)
        tree = self._tree(work, levels)
        leaves = tree.leaves()
        if len({leaf.id for leaf in leaves}) < len(leaves):
            raise InputError(f"Two parts of {work.id} have one id.", remedy="Name each by an id of its own.")
        rulings: list[Ruling] = []
        outcomes = self._performed(leaves, rulings)
        parts = [self._outcome(branch, outcomes) for branch in tree.branches or [tree]]
        whole = self._whole(work, levels, parts)
        event = journal.Event(run_id=run_id, kind="hierarchy.closed", actor=self.id, data=_told(whole))
        decisions = events([ruling for ruling in rulings if isinstance(ruling, Decision)], run_id)
        self._database.transaction(lambda connection: journal.write(connection, *decisions, event))
        return whole

    def _tree(self, work: Work, levels: int) -> "_Tree":
        parts = self._plan.parts(work) if levels else ()
        return _Tree(work, [self._tree(part, levels - 1) for part in parts])

    def _performed(self, leaves: Sequence[Work], rulings: list[Ruling]) -> dict[str, Part]:
        """What came of the parts that are not taken apart, all done at once."""
        given: dict[str, Worker] = {}
        outcomes: dict[str, Part] = {}
        for leaf in leaves:
            worker, refusal = self._handed_over(leaf, [other.id for other in given.values()], rulings)
            if worker:
                given[leaf.id] = worker
            else:
                status: Status = "refused" if refusal else "unassigned"
                reason = refusal or f"no worker does {leaf.task_type}"
                outcomes[leaf.id] = Part(id=leaf.id, task_type=leaf.task_type, status=status, reason=reason)
        calls = {leaf.id: partial(given[leaf.id].perform, leaf) for leaf in leaves if leaf.id in given}
        answers = gather(calls, timeout_s=self._timeout_s, clock=self._clock)
        types = {leaf.id: leaf.task_type for leaf in leaves}
        return outcomes | {name: _ended(name, types[name], given[name], answer) for name, answer in answers.items()}

    def _handed_over(self, part: Work, busy: Sequence[str], rulings: list[Ruling]) -> tuple[Worker | None, str]:
        """Who gets the part; or nobody, and why those who could do it may not. `busy` names who got parts so far."""
        able = [worker for worker in self._workers if part.task_type in worker.task_types]
        refusals = []
        for worker in sorted(able, key=lambda worker: (busy.count(worker.id), worker.id)):
            ruling = self._policy.can_delegate(self.id, worker.id, part.task_type, part.context)
            rulings.append(ruling)
            if ruling.allowed and not ruling.approval:
                return worker, ""
            refusals.append(f"{worker.id}: {ruling.reason}{', once a person agrees' if ruling.allowed else ''}")
        return None, "; ".join(refusals)

    def _called(self, function: Callable[..., Any], *arguments: Any) -> Answer[Any]:
        """What the plan says of work that is done: where it fails, the work is not lost."""
        return gather({"plan": partial(function, *arguments)}, timeout_s=self._timeout_s, clock=self._clock)["plan"]

    def _outcome(self, tree: "_Tree", outcomes: Mapping[str, Part]) -> Part:
        """What came of a part; if it was taken apart, of its own parts together."""
        if not tree.branches:
            return outcomes[tree.work.id]
        whole = self._whole(tree.work, 1, [self._outcome(branch, outcomes) for branch in tree.branches])
        done = whole.status == "done"
        missing = [part.id for part in whole.parts if part.status != "done"]
        return Part(
            id=tree.work.id,
            task_type=tree.work.task_type,
            status="done" if done else "failed",
            worker=self.id,
            result=whole.result if done else None,
            reason="" if done else "; ".join(whole.problems) or f"not done: {', '.join(missing)}",
            seconds=max(part.seconds for part in whole.parts),
            parts=whole.parts,
        )

    def _whole(self, work: Work, levels: int, parts: Sequence[Part]) -> Whole:
        results = {part.id: part.result for part in parts if part.status == "done"}
        if not results:
            return Whole(id=work.id, status="failed", levels=levels, parts=tuple(parts))
        # A task that was not taken apart is its own only part, and there is nothing to put together.
        put = self._called(self._plan.whole, work, results) if levels else Answer(results[work.id])
        result = put.value
        found: Answer[Any] = put if put.failure else self._called(lambda: tuple(self._plan.problems(work, result)))
        problems: tuple[str, ...] = (found.failure,) if found.failure else found.value or ()
        status = "partial" if len(results) < len(parts) else "invalid" if problems else "done"
        return Whole(id=work.id, status=status, levels=levels, parts=tuple(parts), result=result, problems=problems)


def levels_of(complexity: float) -> int:
    """How often a task of this complexity is taken apart: not at all, once, or its parts again."""
    return (complexity >= ONE_LEVEL) + (complexity >= TWO_LEVELS)


class _Tree(NamedTuple):
    """A task and what it is taken apart into."""

    work: Work
    branches: list["_Tree"]

    def leaves(self) -> list[Work]:
        return [leaf for branch in self.branches for leaf in branch.leaves()] if self.branches else [self.work]


def _ended(name: str, task_type: str, worker: Worker, answer: Answer[Any]) -> Part:
    status: Status = "late" if answer.late else "failed" if answer.failure else "done"
    return Part(
        id=name,
        task_type=task_type,
        status=status,
        worker=worker.id,
        result=answer.value,
        reason=answer.failure or "",
        seconds=answer.seconds,
    )


def _told(whole: Whole) -> dict[str, Any]:
    """What the journal says of it: who got what and what came of it, without the results."""
    parts = [part.model_dump(mode="json", exclude={"result", "parts"}) for part in _all(whole.parts)]
    return {
        "task": whole.id,
        "status": whole.status,
        "levels": whole.levels,
        "parts": parts,
        "problems": whole.problems,
    }


def _all(parts: Sequence[Part]) -> list[Part]:
    return [found for part in parts for found in (part, *_all(part.parts))]
