"""Shards: which rows of a dataset each of several tasks takes."""

from collections.abc import Sequence

import pyarrow.parquet as pq
from ibis.expr.types import Table

from core.dataset import DatasetRef
from tools.engine.engine import Engine
from tools.engine.rowid import ROW


def shard(engine: Engine, refs: Sequence[DatasetRef], index: int, of: int) -> Table:
    """The rows of the shard `index` (from 0) of so many: a range of row ids, all about as many rows.

    Every row is in one shard, whatever the order of the files. Mostly they are in that of the ids, and tell for each
    stretch of rows where its ids begin and end: so a shard reads its own rows, and hardly any others.
    """
    bounds = [None, *_bounds(refs, of), None]
    return engine.read(refs, *bounds[index : index + 2]) if len(bounds) > 2 else engine.read(refs)


def _bounds(refs: Sequence[DatasetRef], of: int) -> list[int]:
    """The ids at which all shards but the first begin; none if there are no rows."""
    paths = [path for ref in refs for path in ref.paths]
    # Also those who have left stand in the files.
    total = sum(pq.read_metadata(path).num_rows for path in paths)
    places = [total * number // of for number in range(1, of)]
    found: list[int] = []
    before = 0
    for path in paths:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                after = before + file.metadata.row_group(group).num_rows
                here = [place - before for place in places if before <= place < after]
                if here:
                    found += file.read_row_group(group, [ROW])[ROW].take(here).to_pylist()
                before = after
    return sorted(found)
