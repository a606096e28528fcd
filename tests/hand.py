"""A clock whose hands a test turns, for what waits on threads."""

import threading

from tests.deadline import until


class TurnedClock:
    """Seconds pass only by `advance`, which can be called from any thread."""

    def __init__(self) -> None:
        self._now = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        until = self._now + seconds
        # The hands are looked at now and then: who turns them knows nothing of the condition.
        while self._now < until and not changed.wait(0.01):
            pass

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


def answered(*names: str) -> None:
    """Wait until those of these names who were asked have answered."""
    asked = {f"ask-{name}" for name in names}
    until(lambda: not asked & {thread.name for thread in threading.enumerate()})
