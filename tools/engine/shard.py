"""Shards: which rows of a dataset each of several tasks takes."""

import os
from collections.abc import Sequence
from threading import Lock

from ibis.expr.types import Table

from core.dataset import DatasetRef
from tools.engine.engine import Engine
from tools.engine.rowid import ROW

# So many ids, at least, tell where shards begin.
_SAMPLE = 10_000

# All shards of a stage have the same sample, by step and files; as many are remembered as stages may run at a time.
_MOST_SAMPLES = 16
_samples: dict[tuple[object, ...], list[int]] = {}

# The shards of a stage begin at the same time: the first takes the sample, and the others wait for it.
_taking = Lock()


def shard(engine: Engine, refs: Sequence[DatasetRef], index: int, of: int) -> Table:
    """The rows of the shard `index` (from 0) of so many: a range of row ids, all about as many rows.

    Every row is in one shard, and in the same one whatever the order of the rows in their files. Mostly that is the
    order of the ids, and tells for each stretch of rows where its ids begin and end: so a shard reads the cells of its
    own rows, and of hardly any others.
    """
    if of == 1:
        return engine.read(refs)
    bounds = [None, *_bounds(engine, refs, of), None]
    return engine.read(refs, *bounds[index : index + 2])


def count_shard(engine: Engine, refs: Sequence[DatasetRef], index: int, of: int) -> int:
    """How many rows a shard has: those that stand in its files, less those of them that have left.

    Who left stands in the files once, or the account of the step that let him go had not balanced; so nobody needs to
    be looked for among the rows.
    """
    if of == 1:
        return sum(ref.rows for ref in refs)
    bounds = [None, *_bounds(engine, refs, of), None][index : index + 2]
    there = [ref.model_copy(update={"without": ()}) for ref in refs]
    gone = [ref.model_copy(update={"paths": ref.without, "without": ()}) for ref in refs if ref.without]
    counts = [engine.count(engine.read(given, *bounds)) if given else 0 for given in (there, gone)]
    return counts[0] - counts[1]


def _bounds(engine: Engine, refs: Sequence[DatasetRef], of: int) -> list[int]:
    """The ids at which all shards but the first begin."""
    # Odd, so that it does not go with rules that take every second row or so.
    step = sum(ref.rows for ref in refs) // _SAMPLE | 1
    files = (step, *(_file(path) for ref in refs for path in ref.ids or ref.paths))
    with _taking:
        found = _samples.get(files)
        if found is None:
            ids = engine.ids(ref.model_copy(update={"without": ()}) for ref in refs)
            found = sorted(engine.arrow(ids.filter(ids[ROW] % step == 0))[ROW].to_pylist())
            if len(_samples) >= _MOST_SAMPLES:
                _samples.clear()
            _samples[files] = found
    # Where no id is found, the last shard has whatever rows there are.
    return [found[len(found) * number // of] if found else 0 for number in range(1, of)]


def _file(path: str) -> tuple[str, int, int, int]:
    """What tells a file from another that came to stand in its place."""
    told = os.stat(path)
    return path, told.st_ino, told.st_size, told.st_mtime_ns
