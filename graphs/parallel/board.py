"""The board: which branches are ready, under way or ended. Rebuilt from the ledger whenever a graph is taken up."""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from core.task import Outcome
from graphs.branch import Branch, SyncPoint

_PRIORITY = {"high": 0, "medium": 1, "low": 2}


class Board:
    """Branches by what is known of them.

    Each branch is waiting (for what it needs), ready, taken (sent to a worker), missing (failed, and worth another
    attempt) or ended. `outcomes` has those that ended, each with the last word about it; `attempts` counts how often
    each was taken. A branch can start once each of its needs is done, be it a branch or a sync point.
    """

    def __init__(
        self,
        branches: Sequence[Branch],
        syncs: Sequence[SyncPoint],
        done: Mapping[str, Outcome],
        failed: Mapping[str, Outcome] | None = None,
        attempts: int = 1,
    ) -> None:
        """`done` and `failed` are on record already. Of what failed, what would fail again or was tried so often ends.

        The rest can be tried again.
        """
        self.branches = {branch.key: branch for branch in branches}
        self.syncs = {sync.name: sync for sync in syncs}
        self.outcomes: dict[str, Outcome] = {}
        self.counts: Counter[str] = Counter()
        self.attempts: dict[str, int] = defaultdict(int)
        self.missing: dict[str, Outcome] = {}
        self.arrived: dict[str, int] = dict.fromkeys(self.syncs, 0)
        self.closed: dict[str, str] = {}
        self.revised: dict[str, list[str]] = defaultdict(list)
        self._asked = [branch.key for branch in branches]
        self._order = {branch.key: n for n, branch in enumerate(branches)}
        self._unmet = {branch.key: set(branch.needs) for branch in branches}
        self._wanted: dict[str, list[str]] = defaultdict(list)
        self._meeting: dict[str, list[str]] = defaultdict(list)
        self._open: dict[str, int] = {sync.name: len(sync.branches) for sync in syncs}
        self._taken: set[str] = set()
        self._ready: list[tuple[int, int, str]] = []
        for branch in branches:
            for need in branch.needs:
                self._wanted[need].append(branch.key)
        for sync in syncs:
            for key in sync.branches:
                self._meeting[key].append(sync.name)
        for branch in branches:
            if not branch.needs:
                self._push(branch.key)
        self._failed_before = failed or {}
        lost = {k: o for k, o in self._failed_before.items() if lost_for_good(o, attempts)}
        self._known = {**lost, **done}
        for key in self.branches:
            if key in self._known and key not in self.outcomes:
                self.end(key, self._known[key])

    @property
    def has_ready(self) -> bool:
        """Whether a branch could be taken now."""
        self._skip_ended()
        return bool(self._ready)

    @property
    def taken(self) -> list[str]:
        """The branches that were sent and have not ended."""
        return sorted(self._taken, key=self._order.__getitem__)

    @property
    def complete(self) -> bool:
        """Whether every branch has ended."""
        return len(self.outcomes) == len(self.branches)

    def meeting(self, key: str) -> list[str]:
        """The sync points that wait for a branch."""
        return self._meeting[key]

    def behind(self, need: str) -> tuple[str, ...]:
        """The branches that a need stands for: itself, or those that meet there."""
        return self.syncs[need].branches if need in self.syncs else (need,)

    def take(self, most: int) -> list[Branch]:
        """Up to so many ready branches, those of high priority first, then in their order."""
        taken: list[Branch] = []
        while len(taken) < most and self.has_ready:
            key = heapq.heappop(self._ready)[2]
            self.claim(key)
            taken.append(self.branches[key])
        return taken

    def claim(self, key: str) -> None:
        """Take this branch: one that a checkpoint says was sent."""
        if key not in self._taken and key not in self.outcomes:
            self._taken.add(key)
            self.attempts[key] += 1

    def miss(self, key: str, outcome: Outcome) -> None:
        """A branch failed, and may be sent again: whether it is, the load balancer decides."""
        self._taken.discard(key)
        self.missing[key] = outcome

    def again(self, key: str) -> None:
        """Send a missing branch once more."""
        del self.missing[key]
        self._push(key)

    def end(self, key: str, outcome: Outcome) -> None:
        """The last word about a branch; what can no longer start because of it is blocked, at any distance."""
        last = [(key, outcome)]
        while last:
            key, outcome = last.pop()
            self.missing.pop(key, None)
            self._taken.discard(key)
            new = key not in self.outcomes
            if not new:
                self.counts[self.outcomes[key].status] -= 1
            self.counts[outcome.status] += 1
            self.outcomes[key] = outcome
            if new:
                for name in self._meeting[key]:
                    self._open[name] -= 1
                    self.arrived[name] += outcome.status == "done"
                last += self._settle(key, outcome.status == "done")

    def ended(self, name: str) -> int:
        """How many of a sync point's branches have ended, however."""
        return len(self.syncs[name].branches) - self._open[name]

    def unfinished(self, name: str) -> list[str]:
        """The branches of a sync point that have not ended."""
        return [key for key in self.syncs[name].branches if key not in self.outcomes]

    def close(self, name: str, status: str) -> None:
        """A sync point is passed, as complete or partial, or has failed."""
        self.closed[name] = status
        for key, outcome in self._settle(name, status != "failed"):
            self.end(key, outcome)

    def give_up_rest(self) -> None:
        """End what has not ended, as it was left: nobody will work on it any more."""
        for key in [key for key in self.branches if key not in self.outcomes]:
            left = Outcome(task=key, status="blocked", notes=["the graph went on without it"])
            self.end(key, self._failed_before.get(key, left))

    def add(self, branch: Branch) -> None:
        """One more branch, that nobody waits for and that needs nothing."""
        self._order[branch.key] = len(self._order)
        self.branches[branch.key] = branch
        self._unmet[branch.key] = set()
        if branch.key in self._known:
            self.end(branch.key, self._known[branch.key])
        else:
            self._push(branch.key)

    def revise(self, keys: Iterable[str], revision: int) -> None:
        """Do these branches once more, each as a branch of its own: what is done stays done."""
        for key in keys:
            again = self.branches[key].model_copy(update={"key": f"{key}@{revision}", "needs": ()})
            self.revised[key].append(again.key)
            self.add(again)

    @property
    def last_words(self) -> dict[str, Outcome]:
        """The outcome of each branch that was asked for: of its revisions, the one of the best quality."""
        return {
            key: max([self.outcomes[k] for k in (key, *self.revised.get(key, ())) if k in self.outcomes], key=_worth)
            for key in self._asked
            if key in self.outcomes
        }

    def _settle(self, name: str, met: bool) -> list[tuple[str, Outcome]]:
        """Something that others need was met: they may be ready. Or it never will be: return them as blocked."""
        blocked = []
        for key in self._wanted[name]:
            if key in self.outcomes:
                continue
            if not met:
                note = f"needs {', '.join(sorted(self._failed(key)))}"
                blocked.append((key, Outcome(task=key, status="blocked", notes=[note])))
            else:
                self._unmet[key].discard(name)
                if not self._unmet[key]:
                    self._push(key)
        return blocked

    def _failed(self, key: str) -> Iterable[str]:
        for need in self.branches[key].needs:
            for behind in self.behind(need):
                if behind in self.outcomes and self.outcomes[behind].status != "done":
                    yield behind

    def _push(self, key: str) -> None:
        heapq.heappush(self._ready, (_PRIORITY[self.branches[key].priority], self._order[key], key))

    def _skip_ended(self) -> None:
        while self._ready and (self._ready[0][2] in self.outcomes or self._ready[0][2] in self._taken):
            heapq.heappop(self._ready)


def lost_for_good(outcome: Outcome, attempts: int) -> bool:
    """Whether a failure is the last word about its branch, of which so many attempts may be made."""
    permanent = outcome.failure is not None and outcome.failure.kind == "permanent"
    return permanent or outcome.attempt >= attempts


def _worth(outcome: Outcome) -> tuple[bool, float]:
    return outcome.status == "done", -1.0 if outcome.quality is None else outcome.quality
