"""An engine for work that belongs to no run."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.stop import Stop
from tools.engine.engine import Engine
from tools.engine.limits import Limits


@contextmanager
def session(limits: Limits | None = None, stop: Stop | None = None) -> Iterator[tuple[Engine, Path]]:
    """An engine, and a folder for what it reads, which is removed in the end. Without `limits`, all cores and 1 GB."""
    limits = limits or Limits(threads=os.cpu_count() or 1, memory_mb=1024)
    with tempfile.TemporaryDirectory(prefix="crewline-") as folder, Engine(limits, Path(folder), stop) as engine:
        yield engine, Path(folder)
