"""Instances of DuckDB, kept for the next session: to make one takes longer than most of what a task asks of it.

What a session makes is its connection's, and goes with it: temporary tables and views, registered data, macros. So the
next one finds an instance as good as new.
"""

import atexit
import os
from pathlib import Path

import duckdb

from tools.engine.limits import Limits

# So many wait for a session at most; each takes some megabytes.
_MOST = 8

# With their process, as one that was forked has its parent's list and none of the threads behind it, and their limits:
# to change these, DuckDB gives all memory that is free back to the system, and takes as long as it takes to start.
_waiting: list[tuple[int, Limits, duckdb.DuckDBPyConnection]] = []

# At its end Python would tear down the module before them.
atexit.register(_waiting.clear)


class Instance:
    """An instance that no other session uses, within its limits; what has no room in memory goes to `spill`.

    Use its `connection` until it is closed.
    """

    def __init__(self, limits: Limits, spill: Path) -> None:
        self._limits = limits
        self._spill = spill
        self._database = _next(limits)
        self.connection = self._database.cursor()
        for name, value in {"temp_directory": str(spill), "enable_external_file_cache": True}.items():
            self.connection.execute(f"SET {name} = $value", {"value": value})

    def close(self) -> None:
        """End the session; the instance is kept, unless something would stay with it that is not for others."""
        try:
            # What was read of files is remembered, in memory that is another session's now.
            self.connection.execute("SET enable_external_file_cache = false")
            clean = not self._spill.exists() and not self.connection.list_filesystems()
        except duckdb.Error:
            # It met with disaster, and does nothing more.
            clean = False
        self.connection.close()
        if clean:
            _waiting.append((os.getpid(), self._limits, self._database))
            del _waiting[:-_MOST]


def _next(limits: Limits) -> duckdb.DuckDBPyConnection:
    for waiting in reversed(_waiting):
        process, of, database = waiting
        if process == os.getpid() and of == limits:
            try:
                _waiting.remove(waiting)
            except ValueError:
                # Another thread was quicker.
                continue
            return database
    return duckdb.connect(
        config={
            "threads": limits.threads,
            "memory_limit": f"{limits.memory_mb}MB",
            # Files must come out the same in every run.
            "preserve_insertion_order": True,
            # Nothing may be fetched behind the user's back.
            "autoinstall_known_extensions": False,
        }
    )
