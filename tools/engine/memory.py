"""How much memory the process has while something is done."""

import threading
from types import TracebackType

import psutil

_EVERY_S = 0.02


class PeakMemory:
    """Measures, while its block runs, the most memory that the process has (resident, MB).

    It is looked at every 20 ms, so that a shorter peak may go unseen; what else the process does meanwhile counts too.
    """

    def __init__(self) -> None:
        self.mb = 0.0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._done.wait(_EVERY_S):
            self._look()

    def _look(self) -> None:
        self.mb = max(self.mb, psutil.Process().memory_info().rss / 2**20)
