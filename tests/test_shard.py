"""Shards: every row is in one of them, they are about as large as each other, and each reads little but its own."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.dataset import DatasetRef
from core.errors import EngineError, WorkError
from tools.engine.engine import Engine, written
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.engine.shard import shard

FILE = 1 << 32


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(threads=1), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def ref(folder: Path, *files: list[int], group: int = 3) -> DatasetRef:
    """A dataset of files of these row ids, each with a cell, in row groups of so many rows."""
    paths = [folder / f"{index}.parquet" for index in range(len(files))]
    for path, ids in zip(paths, files, strict=True):
        rows = {ROW: pa.array(ids, pa.int64()), "cell": pa.array(ids, pa.int64())}
        pq.write_table(pa.table(rows), path, row_group_size=group)
    return written(paths)


def ids(engine: Engine, refs: list[DatasetRef], of: int) -> list[list[int]]:
    return [of_shard(engine, refs, index, of) for index in range(of)]


def of_shard(engine: Engine, refs: list[DatasetRef], index: int, of: int) -> list[int]:
    return [row[ROW] for row in engine.rows(shard(engine, refs, index, of))]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.lists(st.integers(0, 20), min_size=1, max_size=4),
    of=st.integers(1, 7),
    group=st.integers(1, 8),
    seed=st.none() | st.integers(0, 1000),
)
def test_every_row_is_in_one_shard_and_shards_are_even_and_the_same_in_any_order(
    engine: Engine, tmp_path: Path, files: list[int], of: int, group: int, seed: int | None
) -> None:
    """With a seed, the rows are in no order at all: as an engine's threads may leave them."""
    expected = [index * FILE + record for index, n in enumerate(files) for record in range(1, n + 1)]
    stored = expected.copy()
    if seed is not None:
        Random(seed).shuffle(stored)
    starts = [sum(files[:index]) for index in range(len(files) + 1)]
    parts = [stored[low:high] for low, high in pairwise(starts)]
    found = ids(engine, [ref(tmp_path, *parts, group=group)], of)
    assert [row for rows in found for row in sorted(rows)] == expected
    assert max(map(len, found)) - min(map(len, found)) <= 1


def test_shards_of_many_rows_are_nearly_even_whoever_has_left(engine: Engine, tmp_path: Path) -> None:
    """Every second row has left, and stands in the files still."""
    whole, left = ref(tmp_path, list(range(1, 60_001)), group=10_000), tmp_path / "left.parquet"
    pq.write_table(pa.table({ROW: list(range(2, 60_001, 2))}), left)
    found = ids(engine, [whole.model_copy(update={"rows": 30_000, "without": (str(left),)})], 7)
    assert sorted(row for rows in found for row in rows) == list(range(1, 60_001, 2))
    assert max(map(len, found)) - min(map(len, found)) < 30


def test_a_shard_reads_no_rows_far_from_its_own(engine: Engine, tmp_path: Path) -> None:
    """Rows far away are passed over unread: that they cannot be read any more does not matter."""
    whole = ref(tmp_path, list(range(1, 100_001)), group=10_000)
    path = Path(whole.paths[0])
    first = pq.read_metadata(path).row_group(0).column(1)
    content = bytearray(path.read_bytes())
    content[first.data_page_offset : first.data_page_offset + 8] = b"\xff" * 8
    path.write_bytes(content)
    last = of_shard(engine, [whole], 4, 5)
    assert last == list(range(last[0], 100_001))
    assert abs(last[0] - 80_000) < 100
    with pytest.raises((EngineError, WorkError)):
        of_shard(engine, [whole], 0, 5)


def test_the_last_shard_of_no_rows_has_none(engine: Engine, tmp_path: Path) -> None:
    """As after a stage in which all rows left."""
    assert ids(engine, [ref(tmp_path, [])], 3) == [[], [], []]


def test_files_that_came_to_stand_in_the_place_of_others_are_looked_at_anew(engine: Engine, tmp_path: Path) -> None:
    """Where shards begin is remembered by their files, and these are no longer the same, though they are called so."""
    assert ids(engine, [ref(tmp_path, [1, 2, 3, 4])], 2) == [[1, 2], [3, 4]]
    assert ids(engine, [ref(tmp_path, [11, 12, 13, 14])], 2) == [[11, 12], [13, 14]]
