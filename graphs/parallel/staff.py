"""The workers of a workflow: who takes which branch, and how busy each is."""

import re
from collections.abc import Mapping, Sequence

from core.errors import InputError
from graphs.branch import Branch
from graphs.worker import Worker

_NAME = r"[A-Za-z][\w-]*"

# The graph's own nodes.
NODES = frozenset(
    {
        "task_analyzer",
        "parallel_coordinator",
        "sync_point_manager",
        "load_balancer",
        "branch_merger",
        "quality_validator",
        "final_integrator",
        "spawned_agent",
    }
)


class Load:
    """What one worker has had to do: branches at work now, done, failed; seconds of work."""

    def __init__(self) -> None:
        self.active = 0
        self.done = 0
        self.failed = 0
        self.seconds = 0.0

    def told(self) -> dict[str, float]:
        return {"active": self.active, "done": self.done, "failed": self.failed, "seconds": round(self.seconds, 3)}


class Staff:
    """Workers by kind, in the order in which they were registered. The first of a kind is its primary."""

    def __init__(self, workers: Sequence[Worker]) -> None:
        self.workers: dict[str, Worker] = {}
        self.by_kind: dict[str, list[Worker]] = {}
        self.load: dict[str, Load] = {}
        for worker in workers:
            if worker.name in self.workers:
                raise InputError(f"There are two workers {worker.name}.", remedy="Give each a name of its own.")
            if not re.fullmatch(_NAME, worker.name) or worker.name in NODES:
                raise InputError(
                    f"'{worker.name}' is no name of a worker.",
                    remedy="It becomes a node: letters, digits, _ and -, and no name of the graph's own nodes.",
                )
            if worker.capacity < 1:
                raise InputError(f"The worker {worker.name} has a capacity of {worker.capacity}.", remedy="Give it 1.")
            self.workers[worker.name] = worker
            self.load[worker.name] = Load()
            for kind in worker.kinds:
                self.by_kind.setdefault(kind, []).append(worker)
        if not self.workers:
            raise InputError("A workflow needs a worker.", remedy="Register one for each kind of branch.")

    def check(self, branches: Sequence[Branch]) -> None:
        """Raise InputError if nobody performs one of the branches."""
        for branch in branches:
            if branch.kind not in self.by_kind:
                raise InputError(
                    f"No worker performs branches of the kind {branch.kind}, as {branch.key} is;"
                    f" there are: {', '.join(sorted(self.by_kind))}.",
                    remedy="Register a worker for it, or correct the kind.",
                )

    def choose(self, branch: Branch, avoid: str | None, sent: Mapping[str, int]) -> str:
        """Who performs a branch: of high priority, the primary; else the least busy, for its capacity, of the others.

        A branch that failed goes to another than `avoid`, where there is another. `sent` counts what each worker got
        and has not begun.
        """
        able = self.by_kind[branch.kind]
        if len(able) > 1 and avoid is not None:
            able = [worker for worker in able if worker.name != avoid]
        elif branch.priority == "high":
            able = able[:1]
        else:
            able = able[1:] or able
        return min(able, key=lambda w: (self.load[w.name].active + sent.get(w.name, 0)) / w.capacity).name
