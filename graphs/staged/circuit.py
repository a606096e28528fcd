"""Circuit breakers: what fails again and again is left alone for a while, by all runs of the process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pybreaker import STATE_CLOSED, CircuitBreaker, CircuitBreakerError, CircuitMemoryStorage

from core.errors import CircuitOpen
from graphs.clock import Clock, SystemClock
from graphs.failure import ABOUT_THE_RUN


@dataclass(frozen=True)
class CircuitPolicy:
    """When a circuit opens, and for how long.

    After `failures` failed tries in a row it refuses all further ones. After `reset_s` seconds it lets one through: if
    that succeeds, the circuit closes; if it fails, it stays open for as long again.
    """

    failures: int
    reset_s: float


class Circuit:
    """One circuit. Safe to use from any thread and any event loop."""

    def __init__(self, name: str, policy: CircuitPolicy, clock: Clock) -> None:
        self._name = name
        self._policy = policy
        self._trial = threading.Lock()
        self._breaker = CircuitBreaker(
            fail_max=policy.failures,
            reset_timeout=policy.reset_s,
            exclude=[lambda error: not _counts(error)],
            state_storage=_Storage(clock),
            throw_new_error_on_trip=False,
        )

    @contextmanager
    def trying(self) -> Iterator[None]:
        """Perform the block as one try, whose failure is what it raises, unless it was cancelled or interrupted.

        Raises CircuitOpen in place of performing it while the circuit is open.
        """
        trial = self._breaker.current_state != STATE_CLOSED
        if trial and not self._trial.acquire(blocking=False):
            raise self._open()
        entered = False
        try:
            with self._breaker.calling():
                entered = True
                yield
        except CircuitBreakerError as error:
            # One from within the block is of somebody else's circuit.
            if entered:
                raise
            raise self._open() from error
        except BaseException as error:
            # The library takes what does not count for a success, and a trial that was broken off is none.
            if trial and not _counts(error):
                self._breaker.half_open()
            raise
        finally:
            if trial:
                self._trial.release()

    def _open(self) -> CircuitOpen:
        return CircuitOpen(self._name, self._policy.failures, self._policy.reset_s)


class Circuits:
    """Circuits by name and policy, in the time of one clock. Who uses the same of these shares its circuits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._circuits: dict[tuple[str, CircuitPolicy], Circuit] = {}

    def circuit(self, name: str, policy: CircuitPolicy) -> Circuit:
        """The circuit of this name and policy, closed if there was none."""
        with self._lock:
            key = (name, policy)
            if key not in self._circuits:
                self._circuits[key] = Circuit(name, policy, self._clock)
            return self._circuits[key]


# What the runs of a process share.
PROCESS = Circuits(SystemClock())


class _Storage(CircuitMemoryStorage):
    """Tells the library, which reads the wall clock, when the circuit was opened as if it went like the given clock."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(STATE_CLOSED)
        self._clock = clock
        self._opened: float | None = None

    @property
    def opened_at(self) -> datetime | None:
        if self._opened is None:
            return None
        return datetime.now(UTC) - timedelta(seconds=self._clock.now() - self._opened)

    @opened_at.setter
    def opened_at(self, _: datetime) -> None:
        self._opened = self._clock.now()


def _counts(error: BaseException) -> bool:
    return isinstance(error, Exception) and not isinstance(error, ABOUT_THE_RUN)
