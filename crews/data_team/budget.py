"""The budget of a run's crews, and what they have used of it. The journal keeps it, so it counts across resumes."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from core.errors import BudgetSpent
from core.spec.crew import CrewBudget
from core.store import Database

_USED = """
SELECT coalesce(sum((data ->> 'tokens')::bigint), 0)::bigint AS tokens,
       coalesce(sum((data ->> 'seconds')::float), 0)::float AS seconds,
       count(*) FILTER (WHERE kind = 'crew.called') AS tool_calls
  FROM journal WHERE run_id = %s AND kind IN ('crew.asked', 'crew.called')
"""


class Tell(Protocol):
    """Writes an event into the journal of the run that crews work for."""

    def __call__(self, kind: str, *, actor: str = ..., step: str | None = ..., **data: Any) -> None: ...


@dataclass
class Answer:
    """What a model's answer took, in tokens: for the one who asked to fill in."""

    tokens: int = 0


@dataclass
class _Used:
    tokens: int = 0
    seconds: float = 0.0
    tool_calls: int = 0


@dataclass
class Budget:
    """What crews may use (`limits`) and have used, in all tasks of a run and each time that it was taken up.

    One process works on a run, so it counts for itself, from what the journal says when it begins. Every answer of the
    model and every call of a tool is an event, `crew.asked` or `crew.called`, with what it took: of a process that was
    killed, only the answers are not counted that it was waiting for.
    """

    limits: CrewBudget
    database: Database
    run_id: str
    tell: Tell
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _used: _Used | None = None
    # Under way: what questions may take at least, and since when the clock runs for them and for calls.
    _asked: dict[object, int] = field(default_factory=dict)
    _since: dict[object, float] = field(default_factory=dict)

    @property
    def used(self) -> dict[str, float]:
        """Tokens, seconds and tool calls so far, with what is under way."""
        with self._lock:
            known = self._known()
            return {"tokens": known.tokens, "seconds": self._seconds(), "tool_calls": known.tool_calls}

    @property
    def left_s(self) -> float:
        """Seconds that are left; none or fewer, if they are over."""
        with self._lock:
            return self.limits.seconds - self._seconds()

    @contextmanager
    def asking(self, member: str, task: str, tokens: int) -> Iterator[Answer]:
        """A question to the model, of about so many tokens. Raises BudgetSpent if they are not left, or no time is.

        An answer may take more tokens than are left: how long it is, nobody knows before. It is the last one then.
        """
        answer, key = Answer(), object()
        with self._lock:
            known = self._known()
            self._check_time()
            if known.tokens + sum(self._asked.values()) + tokens > self.limits.tokens:
                raise BudgetSpent(f"{self.limits.tokens} tokens")
            self._asked[key] = tokens
            self._since[key] = time.monotonic()
        try:
            yield answer
        finally:
            self._ended(key, "crew.asked", member, task, {"tokens": answer.tokens or tokens})

    @contextmanager
    def calling(self, member: str, task: str, tool: str) -> Iterator[None]:
        """A call of a tool. Raises BudgetSpent if none is left, or no time is."""
        key = object()
        with self._lock:
            known = self._known()
            self._check_time()
            if known.tool_calls >= self.limits.tool_calls:
                raise BudgetSpent(f"{self.limits.tool_calls} tool calls")
            known.tool_calls += 1
            self._since[key] = time.monotonic()
        try:
            yield
        finally:
            self._ended(key, "crew.called", member, task, {"tool": tool})

    def _ended(self, key: object, kind: str, member: str, task: str, told: dict[str, Any]) -> None:
        with self._lock:
            known = self._known()
            self._asked.pop(key, None)
            seconds = round(time.monotonic() - self._since.pop(key), 4)
            known.seconds += seconds
            known.tokens += told.get("tokens", 0)
        self.tell(kind, actor=member, step=task, seconds=seconds, **told)

    def _known(self) -> _Used:
        if self._used is None:
            self._used = _Used(**self.database.query(_USED, (self.run_id,))[0])
        return self._used

    def _seconds(self) -> float:
        now = time.monotonic()
        return self._known().seconds + sum(now - since for since in self._since.values())

    def _check_time(self) -> None:
        if self._seconds() >= self.limits.seconds:
            raise BudgetSpent(f"{self.limits.seconds:g} seconds")


@dataclass
class Purse:
    """The budget in the hands of one crew: closed when nobody waits for the crew any more."""

    budget: Budget
    task: str
    open: bool = True
    # Set when something was refused for want of budget: what the crew says then is no answer.
    spent: BudgetSpent | None = None

    @contextmanager
    def asking(self, member: str, tokens: int) -> Iterator[Answer]:
        """See Budget.asking. Raises BudgetSpent also when something was refused before."""
        self._check()
        with self._noticing(), self.budget.asking(member, self.task, tokens) as answer:
            yield answer

    @contextmanager
    def calling(self, member: str, tool: str) -> Iterator[None]:
        """See Budget.calling."""
        self._check()
        with self._noticing(), self.budget.calling(member, self.task, tool):
            yield

    def _check(self) -> None:
        if self.spent is not None:
            raise self.spent
        if not self.open:
            raise BudgetSpent("time for this task")

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except BudgetSpent as spent:
            self.spent = spent
            raise
