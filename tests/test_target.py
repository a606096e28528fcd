"""Publication: a version is staged beside the target, and swapped in whole; nothing that is not ours is touched."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from ibis.expr.types import Table

from core.errors import TargetError
from tools.engine.engine import Engine, written
from tools.engine.limits import Limits
from tools.publication.target import (
    check_target,
    count_rows,
    published,
    remove,
    stage,
    stage_files,
    swap,
    versions_dir,
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out" / "revenue"


def numbers(engine: Engine, *values: int) -> Table:
    return engine.table(pa.table({"n": pa.array(values, pa.int64())}))


def publish(engine: Engine, target: Path, version: str, *values: int) -> Path:
    check_target(target)
    folder = stage(engine, numbers(engine, *values), target, version, ())
    swap(target, folder)
    return folder


def read(target: Path) -> list[Any]:
    return ds.dataset(target).to_table()["n"].to_pylist()


def contents(folder: Path) -> dict[str, str]:
    files = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


# --- versions ----------------------------------------------------------------------------------------------------


def test_the_first_version_is_visible_once_it_is_swapped_in(engine: Engine, target: Path) -> None:
    """Not while it is staged: then there is no target at all."""
    check_target(target)
    folder = stage(engine, numbers(engine, 3, 1, 2), target, "v1", ())
    assert not target.exists()
    assert published(target) is None
    swap(target, folder)
    assert published(target) == folder.resolve()
    assert read(target) == [3, 1, 2]
    assert count_rows(folder) == 3


def test_a_new_version_replaces_the_old_one_whole(engine: Engine, target: Path) -> None:
    first = publish(engine, target, "v1", 1, 2)
    folder = stage(engine, numbers(engine, 9), target, "v2", ())
    assert read(target) == [1, 2]
    swap(target, folder)
    assert read(target) == [9]
    assert published(target) == folder.resolve()
    assert ds.dataset(first).to_table()["n"].to_pylist() == [1, 2]


def test_a_reader_that_opened_the_target_before_the_swap_reads_the_old_version_to_its_end(
    engine: Engine, target: Path
) -> None:
    """Both where it holds the folder that the link led to, and where it holds an open file."""
    publish(engine, target, "v1", *range(1000))
    opened = ds.dataset(target.resolve())
    with (target / "data_0.parquet").open("rb") as file:
        file.read(4)
        publish(engine, target, "v2", 7)
        file.seek(0)
        assert pq.read_table(file)["n"].to_pylist() == list(range(1000))
    assert opened.to_table().num_rows == 1000
    assert read(target) == [7]


def test_a_version_is_harmless_to_swap_in_twice(engine: Engine, target: Path) -> None:
    """After a crash between the swap and its record, it is done again."""
    publish(engine, target, "v1", 1)
    folder = publish(engine, target, "v2", 2)
    before = sorted(os.listdir(target.parent)), sorted(os.listdir(versions_dir(target)))
    swap(target, folder)
    assert read(target) == [2]
    assert (sorted(os.listdir(target.parent)), sorted(os.listdir(versions_dir(target)))) == before


def test_a_swap_that_was_interrupted_before_its_rename_can_be_done_again(engine: Engine, target: Path) -> None:
    folder = stage(engine, numbers(engine, 1), target, "v1", ())
    (versions_dir(target) / ".link-v1").symlink_to("nowhere")
    swap(target, folder)
    assert read(target) == [1]
    assert sorted(os.listdir(versions_dir(target))) == ["v1"]


def test_staging_a_version_again_replaces_what_was_left_of_it(engine: Engine, target: Path) -> None:
    folder = stage(engine, numbers(engine, 1, 2, 3), target, "v1", ())
    (folder / "rest.parquet").write_text("torn")
    assert stage(engine, numbers(engine, 4), target, "v1", ()) == folder
    assert list(contents(folder)) == ["data_0.parquet"]
    assert count_rows(folder) == 1


def test_the_target_can_be_moved_together_with_its_versions(engine: Engine, target: Path, tmp_path: Path) -> None:
    """The link is relative."""
    publish(engine, target, "v1", 1)
    shutil.move(target.parent, tmp_path / "elsewhere")
    assert read(tmp_path / "elsewhere" / "revenue") == [1]


def test_files_are_staged_as_they_are_in_the_order_of_their_names(target: Path, tmp_path: Path) -> None:
    """More than ten too; those without rows are left out."""
    files = [tmp_path / f"{index}.parquet" for index in range(12)]
    for index, file in enumerate(files):
        pq.write_table(pa.table({"n": pa.array([] if index == 3 else [index, -index], pa.int64())}), file)
    folder = stage_files(files, target, "v1")
    staged = sorted(folder.iterdir())
    assert [file.read_bytes() for file in staged] == [file.read_bytes() for file in files if file != files[3]]
    assert [file.name for file in staged[:2]] == ["data_00.parquet", "data_01.parquet"]
    assert not any(file.samefile(source) for file in staged for source in files)
    swap(target, folder)
    assert read(target) == [n for index in range(12) if index != 3 for n in (index, -index)]


def test_where_no_file_has_a_row_a_reader_still_finds_the_columns(target: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for file in files:
        pq.write_table(pa.table({"n": pa.array([], pa.int64())}), file)
    folder = stage_files(files, target, "v1")
    assert list(contents(folder)) == ["data_0.parquet"]
    assert count_rows(folder) == 0


def test_only_named_versions_are_removed_and_never_the_published_one(engine: Engine, target: Path) -> None:
    first = publish(engine, target, "v1", 1)
    size = sum(file.stat().st_size for file in first.iterdir())
    second = publish(engine, target, "v2", 2)
    staged = stage(engine, numbers(engine, 3), target, "v3", ())
    assert remove(target, {"v1", "v2", "v9"}) == size
    assert not first.exists()
    assert second.exists()
    assert staged.exists()
    assert read(target) == [2]


# --- targets that cannot be --------------------------------------------------------------------------------------


def make_file(path: Path) -> None:
    path.write_text("mine")


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "mine.txt").write_text("mine")


def make_link(path: Path) -> None:
    make_folder(path.parent / "theirs")
    path.symlink_to("theirs")


def make_dangling_link(path: Path) -> None:
    path.symlink_to("gone")


@pytest.mark.parametrize("make", [make_file, make_folder, make_link, make_dangling_link])
def test_what_crewline_did_not_publish_is_left_alone(engine: Engine, target: Path, make: Any) -> None:
    """Both when the run is planned and when, at its end, something has come to stand there meanwhile."""
    target.parent.mkdir()
    folder = stage(engine, numbers(engine, 1), target, "v1", ())
    make(target)
    before = os.lstat(target).st_ino
    for attempt in (lambda: check_target(target), lambda: swap(target, folder)):
        with pytest.raises(TargetError, match="exists, and Crewline did not publish it") as error:
            attempt()
        assert "Move it away" in error.value.remedy
    assert os.lstat(target).st_ino == before


def file_for_a_folder(target: Path) -> None:
    target.parent.write_text("no folder")


def file_above(target: Path) -> None:
    target.parent.parent.joinpath("out").write_text("no folder")


def file_for_versions(target: Path) -> None:
    target.parent.mkdir()
    versions_dir(target).write_text("no folder")


@pytest.mark.parametrize("spoil", [file_for_a_folder, file_above, file_for_versions])
def test_a_target_that_cannot_be_written_is_told_before_and_while_it_is_written(
    engine: Engine, target: Path, spoil: Any
) -> None:
    spoil(target)
    with pytest.raises(TargetError, match="cannot be written") as error:
        check_target(target)
    assert error.value.remedy
    assert str(target) in str(error.value)
    with pytest.raises(TargetError, match="cannot be written"):
        stage(engine, numbers(engine, 1), target, "v1", ())


def test_a_failure_of_the_engine_to_write_is_a_target_error(engine: Engine, tmp_path: Path) -> None:
    """Such as a name that is too long for the file system once a value of a partition is in it."""
    rows = engine.table(pa.table({"k": ["x" * 300], "n": [1]}))
    with pytest.raises(TargetError, match="cannot be written"):
        stage(engine, rows, tmp_path / "out", "v1", ("k",))


def test_checking_a_target_leaves_nothing_behind(target: Path) -> None:
    check_target(target)
    assert list(versions_dir(target).iterdir()) == []
    assert not target.exists()


# --- what is written ---------------------------------------------------------------------------------------------

ODD = [
    "plain",
    "with space",
    "it's",
    'say "x"',
    "a/b",
    "a\\b",
    "..",
    ".",
    "a=b",
    "50%",
    "%41",
    "é漢🙂",
    "*",
    "[1]",
    "what?",
    "#",
    "a:b",
    "line\nbreak",
    " ",
    "NULL",
    "1",
    None,
]


@pytest.mark.parametrize("columns", [("k",), ("k", "day")])
def test_rows_are_found_again_under_whatever_value_they_are_partitioned_by(
    engine: Engine, target: Path, columns: tuple[str, ...]
) -> None:
    """Null among them; read by the engine and by pyarrow, which both know Hive folders."""
    days = [date(2025, 1, 1 + i % 2) for i in range(len(ODD))]
    data = pa.table({"k": pa.array(ODD), "day": days, "n": list(range(len(ODD)))})
    folder = stage(engine, engine.table(data), target, "v1", columns)
    swap(target, folder)
    assert count_rows(folder) == len(ODD)
    assert len(list(folder.iterdir())) == len(ODD)
    assert {row["n"]: row["k"] for row in engine.rows(engine.read_folders(target))} == dict(enumerate(ODD))
    by_arrow = ds.dataset(target, partitioning=ds.partitioning(flavor="hive")).to_table().to_pylist()
    assert {row["n"]: row["k"] for row in by_arrow} == dict(enumerate(ODD))
    assert {row["n"]: str(row["day"]) for row in by_arrow} == {n: str(day) for n, day in enumerate(days)}


def test_partitions_are_hive_folders_without_the_column_in_their_files(engine: Engine, target: Path) -> None:
    data = pa.table({"month": ["2025-01", "2025-02", "2025-01"], "n": [3, 1, 2]})
    folder = stage(engine, engine.table(data), target, "v1", ("month",))
    assert list(contents(folder)) == ["month=2025-01/data_0.parquet", "month=2025-02/data_0.parquet"]
    assert pq.ParquetFile(folder / "month=2025-01" / "data_0.parquet").read().to_pydict() == {"n": [3, 2]}


@pytest.mark.parametrize("partition_by", [(), ("k",)])
def test_a_result_without_rows_still_shows_its_columns(
    engine: Engine, target: Path, partition_by: tuple[str, ...]
) -> None:
    nothing = engine.table(pa.table({"k": pa.array([], pa.string()), "n": pa.array([], pa.int64())}))
    folder = stage(engine, nothing, target, "v1", partition_by)
    swap(target, folder)
    found = ds.dataset(target).to_table()
    assert (found.num_rows, found.column_names, count_rows(folder)) == (0, ["k", "n"], 0)


@pytest.mark.parametrize("partition_by", [(), ("k",), ("k", "m")])
def test_the_same_rows_give_the_same_bytes_whatever_the_threads(target: Path, partition_by: tuple[str, ...]) -> None:
    """Past the engine's row groups, so that several threads have something to do."""
    size = 260_000
    data = pa.table(
        {
            "k": [f"k{n % 3}" for n in range(size)],
            "m": [n % 2 for n in range(size)],
            "n": list(range(size)),
            "x": [n * 7919 % 1000 for n in range(size)],
        }
    )
    seen = []
    for version, threads in (("v1", 1), ("v2", 1), ("v3", 4)):
        with Engine(Limits(threads=threads), target.parent) as engine:
            folder = stage(engine, engine.table(data), target, version, partition_by)
            seen.append(contents(folder))
            assert engine.backend.con.sql("SELECT current_setting('threads')").fetchall() == [(threads,)]
    assert seen[0] == seen[1] == seen[2]
    if not partition_by:
        assert pq.ParquetFile(folder / "data_0.parquet").read(["n"])["n"].to_pylist() == list(range(size))


@pytest.mark.parametrize("name", ["with space", "it's", 'say "hi"', "a[1]*?", "ünï", "50%"])
def test_any_name_of_a_target_works(engine: Engine, tmp_path: Path, name: str) -> None:
    target = tmp_path / name / name
    check_target(target)
    data = engine.table(pa.table({"k": ["a", "b"], "n": [1, 2]}))
    for version, partition_by in (("v1", ()), ("v2", ("k",))):
        swap(target, stage(engine, data, target, version, partition_by))
        assert sorted(read(target)) == [1, 2]


def test_many_runs_of_one_process_may_look_at_a_target_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(check_target, [tmp_path / "out"] * 400))
    assert not list(versions_dir(tmp_path / "out").iterdir())


def test_sorted_rows_are_the_same_bytes_however_many_threads_write_them_and_however_they_lay(tmp_path: Path) -> None:
    """Stages write their rows in groups that depend on how many threads there are; what is published must not."""
    ids = np.random.default_rng(7).permutation(300_000)
    files = [
        pa.table({"_row": part, "n": part % 1_000, "text": pc.cast(pa.array(part % 77), pa.string())})
        for part in np.array_split(ids, 3)
    ]
    found = set()
    for threads, order, group in ((1, (0, 1, 2), 100_000), (4, (2, 0, 1), 7_000), (2, (1, 2, 0), 50_000)):
        folder = tmp_path / f"threads-{threads}"
        folder.mkdir()
        for place, index in enumerate(order):
            pq.write_table(files[index], folder / f"{place}.parquet", row_group_size=group)
        with Engine(Limits(threads=threads), folder) as engine:
            rows = engine.read([written(sorted(folder.glob("*.parquet")))])
            staged = stage(engine, rows.order_by("_row").select("n", "text"), folder / "target", "v1", ())
        found.add(tuple(contents(staged).items()))
    assert len(found) == 1
