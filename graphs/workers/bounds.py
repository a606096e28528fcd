"""The bounds of a worker's call: its time, and the size of what comes of it."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from core.errors import Interrupted, WorkError
from core.stop import Stop
from graphs.worker import Attempt, Result
from tools.context import ToolContext
from tools.engine.engine import Engine

# Results go through checkpoints and messages, where each byte is written several times.
MAX_BYTES = 50_000
_MAX_NOTES = 40
_MAX_NOTE = 300


@contextmanager
def timed(context: ToolContext, attempt: Attempt) -> Iterator[Stop]:
    """A stop for one call: the attempt's, and that of the context's time.

    Raises Interrupted only for the first. That a call takes too long is no word about the run: it is a WorkError.
    """
    try:
        with context.deadline(attempt.stop) as stop:
            yield stop
    except Interrupted as error:
        attempt.stop.check()
        raise WorkError(
            f"The work was not done within {context.timeout_s:g} s.", remedy="Give it more time, or less data."
        ) from error


class Session(NamedTuple):
    """An engine, a folder for what it reads, and the stop that interrupts it."""

    engine: Engine
    scratch: Path
    stop: Stop


@contextmanager
def session(context: ToolContext, attempt: Attempt) -> Iterator[Session]:
    """An engine within the context's limits and time, whose folder is under the attempt's, and removed in the end."""
    with (
        timed(context, attempt) as stop,
        tempfile.TemporaryDirectory(prefix="read-", dir=attempt.path) as folder,
        Engine(context.limits, Path(folder), stop) as engine,
    ):
        yield Session(engine, Path(folder), stop)


def bounded(values: dict[str, Any], quality: float | None, notes: Sequence[str]) -> Result:
    """A result within MAX_BYTES of JSON: of lists and mappings that are too long the first entries, and a note.

    These are the ones at the top of the values; the largest is shortened first, until all fit. Notes have a bound of
    their own: 40, of up to 300 characters.
    """
    kept, cut = dict(values), dict[str, int]()
    while _size(kept) > MAX_BYTES and (long := [name for name, value in kept.items() if _is_long(value)]):
        name = max(long, key=lambda name: _size(kept[name]))
        kept[name] = _first(kept[name], len(kept[name]) // 2)
        cut[name] = len(values[name]) - len(kept[name])
    told = [f"{n} more {name.replace('_', ' ')} are not shown" for name, n in cut.items()]
    told += notes
    if len(told) > _MAX_NOTES:
        told[_MAX_NOTES - 1 :] = [f"{len(told) - _MAX_NOTES + 1} more notes are not shown"]
    return Result(kept, quality, tuple(_cut(note) for note in told))


def _is_long(value: Any) -> bool:
    return isinstance(value, (list, dict)) and bool(value)


def _first(value: Any, n: int) -> Any:
    return value[:n] if isinstance(value, list) else dict(list(value.items())[:n])


def _size(value: Any) -> int:
    return len(json.dumps(value).encode())


def _cut(note: str) -> str:
    return note if len(note) <= _MAX_NOTE else note[: _MAX_NOTE - 3] + "..."
