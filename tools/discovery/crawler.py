"""A crawl: the catalog comes to know a source, reading only what has changed since the last one."""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError, SourceError
from core.stop import Stop
from core.store import Database
from tools.discovery import pieces
from tools.discovery.adapters import Adapter, Part, adapter, guarded
from tools.discovery.catalog import Failure
from tools.discovery.pieces import Found

# Parts read between two commits, and at the same time: reading is mostly waiting for the source.
_BATCH = 1000
_AT_ONCE = 8

# From so many changed datasets on, the planner is told of them.
_MANY = 10_000


class Crawl(BaseModel):
    """What a crawl of one source came to. `failures` are the parts that could not be read; the others stand."""

    model_config = ConfigDict(frozen=True)

    source: str
    parts: int
    read: int
    unchanged: int
    vanished: int
    described: int
    gone: int
    failures: list[Failure]
    duration_s: float


def crawl(url: str, database: Database, stop: Stop | None = None) -> Crawl:
    """Bring the catalog up to date with a source, and return what was done.

    Parts whose version is the one of the last crawl are not read. Datasets of which nothing is left are marked as gone,
    and keep their annotations. Crawls may run at the same time, also of the same source; one that is killed is made
    good by the next. Raises SourceError when the source as a whole cannot be listed, with nothing forgotten; InputError
    for a URL that nothing here reads; Interrupted when a stop was requested, with what was read until then kept.
    """
    stop = stop or Stop()
    started = time.monotonic()
    source = adapter(url)
    pieces.begin(database, source.source)
    try:
        known = pieces.versions(database, source.source)
        parts = list(_listed(source, stop))
        changed = [part for part in parts if part.version is None or known.get(part.name, "") != part.version]
        vanished = sorted(known.keys() - {part.name for part in parts})
        failed = list(_store(database, source, changed, vanished, stop))
    except CrewlineError as error:
        pieces.end(database, source.source, str(error))
        raise
    tally = pieces.assemble(database, source.source)
    pieces.end(database, source.source, None)
    if tally.described:
        pieces.settle(database, many=tally.described >= _MANY)
    return Crawl(
        source=source.source,
        parts=len(parts),
        read=len(changed),
        unchanged=len(parts) - len(changed),
        vanished=len(vanished),
        described=tally.described,
        gone=tally.gone,
        failures=failed,
        duration_s=time.monotonic() - started,
    )


def _listed(source: Adapter, stop: Stop) -> Iterator[Part]:
    with guarded(source.source):
        for part in source.parts():
            stop.check()
            yield part


def _store(
    database: Database, source: Adapter, changed: Sequence[Part], vanished: Sequence[str], stop: Stop
) -> Iterator[Failure]:
    for start in range(0, len(vanished), _BATCH):
        pieces.store(database, source.source, [], vanished[start : start + _BATCH])
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="crawl") as pool:
        for start in range(0, len(changed), _BATCH):
            stop.check()
            found = list(pool.map(lambda part: _read(source, part), changed[start : start + _BATCH]))
            pieces.store(database, source.source, found, [])
            yield from (
                Failure(source=source.source, part=part.name, reason=fault) for part, _, fault in found if fault
            )


def _read(source: Adapter, part: Part) -> Found:
    try:
        with guarded(part.name):
            found = source.read(part.name)
    except SourceError as error:
        return Found(part, [], str(error))
    return Found(part, found, "; ".join(piece.fault for piece in found if piece.fault) or None)
