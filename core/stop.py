"""A request to stop, shared by everything that works on one run."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from core.errors import Interrupted


class Stop:
    """Raised once, seen everywhere: loops ask `check()`, blocking work registers how it can be interrupted."""

    def __init__(self) -> None:
        self._event = threading.Event()
        # Reentrant: a signal handler may ask for the stop while its own thread is in here.
        self._lock = threading.RLock()
        self._interrupts: dict[object, Callable[[], None]] = {}
        self.reason = ""

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self, reason: str) -> None:
        """Ask all to stop. Only the first reason is kept."""
        with self._lock:
            if not self._event.is_set():
                self.reason = reason
                self._event.set()
            # Under the lock: who has left its block may have closed what would be interrupted.
            for interrupt in list(self._interrupts.values()):
                interrupt()

    def check(self) -> None:
        """Raise Interrupted if a stop was requested."""
        if self._event.is_set():
            raise Interrupted(f"Stopped: {self.reason}.")

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until a stop is requested; then raise Interrupted."""
        self._event.wait(seconds)
        self.check()

    @contextmanager
    def interrupting(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the block runs, a stop calls `interrupt`, which must be quick, and safe to call from any thread."""
        key = object()
        with self._lock:
            self._interrupts[key] = interrupt
        try:
            self.check()
            yield
        finally:
            with self._lock:
                del self._interrupts[key]
