"""An engine for work that belongs to no run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.settings import settings
from core.stop import Stop
from tools.engine.engine import Engine
from tools.engine.limits import Limits


@contextmanager
def session(limits: Limits | None = None, stop: Stop | None = None) -> Iterator[tuple[Engine, Path]]:
    """An engine, and a folder for what it reads, removed in the end. Without `limits`, those of the settings hold."""
    own = settings()
    limits = limits or Limits(threads=own.engine_threads, memory_mb=own.engine_memory_mb)
    with tempfile.TemporaryDirectory(prefix="crewline-") as folder, Engine(limits, Path(folder), stop) as engine:
        yield engine, Path(folder)
