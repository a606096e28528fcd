"""The doorbell: waiting for messages without asking for them all the time."""

import threading
from collections import Counter

import psycopg

CHANNEL = "crewline_messages"

# How long until a lost connection is tried again, seconds; each time twice as long, up to the most.
_PAUSE_S = 0.2
_MOST_PAUSE_S = 5.0

# How often the listener looks whether it is to end, seconds.
_LOOK_S = 0.5


class Doorbell:
    """Hears for whom messages come in, on one connection and one thread. Close it when done."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._rung: Counter[str] = Counter()
        self._rung_for_all = 0
        self._listening = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="messages", daemon=True)
        self._thread.start()

    def heard(self, agent: str) -> int:
        """How often it rang for the agent so far. Ask before looking for messages, and give it to `wait` after."""
        # What comes in while nobody listens yet is not heard.
        self._listening.wait(_LOOK_S)
        with self._changed:
            return self._rung[agent] + self._rung_for_all

    def wait(self, agent: str, heard: int, seconds: float) -> None:
        """Wait until it has rung for the agent more often than that, or so many seconds have passed."""
        with self._changed:
            self._changed.wait_for(lambda: self._rung[agent] + self._rung_for_all > heard, seconds)

    def close(self) -> None:
        self._closed.set()
        self._thread.join()

    def _listen(self) -> None:
        pause = _PAUSE_S
        while not self._closed.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True, connect_timeout=5) as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._ring()
                    self._listening.set()
                    pause = _PAUSE_S
                    while not self._closed.is_set():
                        for notice in connection.notifies(timeout=_LOOK_S, stop_after=1):
                            self._ring(notice.payload)
            except psycopg.Error:
                # While nobody listens, those who wait look by themselves now and then: see the hub.
                self._listening.clear()
                self._closed.wait(pause)
                pause = min(2 * pause, _MOST_PAUSE_S)

    def _ring(self, agent: str | None = None) -> None:
        """Ring for one agent; or for all, for what came in unheard."""
        with self._changed:
            if agent is None:
                self._rung_for_all += 1
            else:
                self._rung[agent] += 1
            self._changed.notify_all()
