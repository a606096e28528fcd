"""What the graph of one thread works on, and its task queue on record."""

import asyncio
from typing import Any

from core.errors import InputError
from core.ledger import Ledger
from core.stop import Stop
from graphs.branch import Branch, SyncPoint
from graphs.parallel import nodes
from graphs.parallel.dispatch import Dispatch


class Binding:
    """`extra` is what its workflow keeps on record with the task queue; `dispatch` works on it, once it is opened."""

    def __init__(self, ledger: Ledger, stop: Stop, branches: list[Branch], syncs: list[SyncPoint]) -> None:
        self.ledger = ledger
        self.stop = stop
        self.branches = branches
        self.syncs = syncs
        self.extra: dict[str, Any] = {}
        self.opening = asyncio.Lock()
        self.dispatch: Dispatch | None = None

    def record(self, graph: str) -> None:
        """Put the task queue on record."""
        step = self.ledger.begin(f"{graph}/queue", actor="graph")
        queue = {
            "task_queue": [branch.model_dump(mode="json", exclude_defaults=True) for branch in self.branches],
            "sync_points": [sync.model_dump(mode="json", exclude_defaults=True) for sync in self.syncs],
            **self.extra,
        }
        self.ledger.commit(step, queue, actor="graph")

    def recall(self, graph: str) -> None:
        """Take the task queue from where it was put on record."""
        recorded = self.ledger.recorded(f"{graph}/queue")
        if recorded is None:
            raise InputError(f"Run {self.ledger.lease.run_id} has no task queue on record.", remedy="Start it anew.")
        self.branches, self.syncs = nodes.queued(recorded, ())  # type: ignore[arg-type]  # keys as the state's
        self.extra = {key: value for key, value in recorded.items() if key not in ("task_queue", "sync_points")}
