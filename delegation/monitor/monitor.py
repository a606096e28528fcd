"""The monitor: looks, raises, clears, tells; every five minutes, and after an error again in one (systems D10)."""

import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError, Interrupted
from core.stop import Stop
from core.store.database import Database
from delegation.monitor.alert import Alert, open_alerts, settle
from delegation.monitor.condition import examine
from delegation.monitor.webhook import Webhook, deliver

# From the end of a pass to the next, seconds.
EVERY_S = 300.0
AFTER_ERROR_S = 60.0


class Pass(BaseModel):
    """One pass: what it raised and cleared, and all that stands. `error` says what it could not do, if anything."""

    model_config = ConfigDict(frozen=True)

    at: datetime
    raised: list[Alert] = []
    cleared: list[Alert] = []
    open: list[Alert] = []
    error: str | None = None


class Monitor:
    """Watches all pipelines, and the machine that it is on, in a thread of its own while its block runs.

        with Monitor(database, home) as monitor:
            ...

    `home` is the folder that runs' data lies in; a running run silent for `lease_s` seconds counts as left. `webhook`
    is told of each alert once, and once when it clears. `listener` is told every pass, and must not raise; `last` is
    the last of them.
    """

    def __init__(
        self,
        database: Database,
        home: Path,
        *,
        lease_s: float = 15.0,
        webhook: Webhook | None = None,
        stop: Stop | None = None,
        listener: Callable[[Pass], None] | None = None,
    ) -> None:
        self.last: Pass | None = None
        self._database = database
        self._home = home
        self._lease_s = lease_s
        self._webhook = webhook
        self._stop = stop or Stop()
        self._listener = listener
        self._thread = threading.Thread(target=self.run, name="monitor", daemon=True)

    def __enter__(self) -> "Monitor":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        """Stop, and wait for the pass that is under way."""
        self._stop.request("the monitor's block has ended")
        self._thread.join()

    def run(self) -> None:
        """Pass after pass, until stopped."""
        while not self._stop.requested:
            self.last = self.check()
            if self._listener:
                self._listener(self.last)
            try:
                self._stop.wait(AFTER_ERROR_S if self.last.error else EVERY_S)
            except Interrupted:
                return

    def check(self) -> Pass:
        """One pass, now. What keeps it from being made, or from being told, is its `error`."""
        raised: list[Alert] = []
        cleared: list[Alert] = []
        standing: list[Alert] = []
        error = None
        try:
            seen_at = self._database.query("SELECT clock_timestamp() AS now")[0]["now"]
            found = examine(self._database, self._home, lease_s=self._lease_s)
            raised, cleared = settle(self._database, found, seen_at=seen_at, host=socket.gethostname())
            standing = open_alerts(self._database)
            if self._webhook:
                deliver(self._database, self._webhook, self._stop)
        except (CrewlineError, psycopg.Error, OSError) as caught:
            error = str(caught)
        return Pass(at=datetime.now(UTC), raised=raised, cleared=cleared, open=standing, error=error)
