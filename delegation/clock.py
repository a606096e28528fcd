"""Time, as those see it who ask others and wait: a clock, so that a test can turn its hands."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Seconds that never go back, and a way to wait for something within them."""

    def now(self) -> float: ...

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        """Wait, holding the condition, until it is notified, or so many seconds have passed."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> float:
        return time.monotonic()

    def wait(self, changed: threading.Condition, seconds: float) -> None:
        changed.wait(seconds)
