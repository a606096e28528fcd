"""Shards: which rows of a dataset each of several tasks takes."""

from collections.abc import Sequence

from ibis.expr.types import Table

from core.dataset import DatasetRef
from tools.engine.engine import Engine
from tools.engine.rowid import ROW

# So many ids, at least, tell where shards begin.
_SAMPLE = 10_000


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


def _bounds(engine: Engine, refs: Sequence[DatasetRef], of: int) -> list[int]:
    """The ids at which all shards but the first begin."""
    ids = engine.ids(ref.model_copy(update={"without": ()}) for ref in refs)
    # Odd, so that it does not go with rules that take every second row or so.
    step = sum(ref.rows for ref in refs) // _SAMPLE | 1
    found = sorted(engine.arrow(ids.filter(ids[ROW] % step == 0))[ROW].to_pylist())
    # Where no id is found, the last shard has whatever rows there are.
    return [found[len(found) * number // of] if found else 0 for number in range(1, of)]
