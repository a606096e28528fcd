"""The ledger for many at once: what comes while it writes is written together, in the next transaction."""

import asyncio
from collections.abc import Awaitable, Sequence

from core.ledger import Ledger, Step
from core.task import Outcome
from graphs.group import Group


class Recorder:
    """Begins and ends steps of one run, from within an event loop.

    `name` is where the graph keeps what it decides itself.

    A step counts only once the transaction that records it is committed: each call returns then, and not before.
    """

    def __init__(self, ledger: Ledger, name: str) -> None:
        self.ledger = ledger
        self._name = name
        self._begun: Group[tuple[str, str], Step] = Group(self._begin)
        self._ended: Group[tuple[Step, Outcome], bool] = Group(self._end)

    def begin(self, key: str, actor: str) -> Awaitable[Step]:
        """A new attempt at a step. Raises LeaseLost, StoreUnavailable."""
        return self._begun.add((key, actor))

    def end(self, step: Step, outcome: Outcome) -> Awaitable[bool]:
        """Record what came of an attempt, unless it ended before: then it is refused, on record, and False returned."""
        return self._ended.add((step, outcome))

    def revise(self, number: int, keys: list[str]) -> None:
        """Put on record that these branches are done once more."""
        step = self.ledger.begin(f"{self._name}/revision/{number}", actor="graph")
        self.ledger.commit(step, {"again": keys}, actor="graph")

    def revisions(self) -> list[list[str]]:
        """The branches of each revision on record."""
        found: list[list[str]] = []
        while (recorded := self.ledger.recorded(f"{self._name}/revision/{len(found) + 1}")) is not None:
            found.append(recorded["again"])
        return found

    async def _begin(self, begun: Sequence[tuple[str, str]]) -> Sequence[Step]:
        return await asyncio.to_thread(self.ledger.begin_all, dict(begun))

    async def _end(self, ended: Sequence[tuple[Step, Outcome]]) -> Sequence[bool]:
        refused = await asyncio.to_thread(self.ledger.end_all, ended)
        return [step not in refused for step, _ in ended]
