"""What is written and read: one file each, with the rows, order and types that DuckDB writes and reads."""

import json
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.dataset import DatasetRef
from tests import tables
from tests.spark.conftest import SPEC
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.publication.target import count_rows, stage

Engines = tuple[Engine, Engine]

VALUES = pa.table(
    {
        "n": pa.array([3, None, 1, 2**62], pa.int64()),
        "small": pa.array([1, None, -1, 7], pa.int8()),
        "f": pa.array([0.1, None, float("nan"), -0.0]),
        "m": pa.array([Decimal("1.10"), None, Decimal("-0.01"), Decimal("0")], pa.decimal128(38, 2)),
        "s": ["ä\n", None, "", '"\\'],
        "b": [True, None, False, True],
        "d": [date(1, 1, 1), None, date(9999, 12, 31), date(1582, 10, 10)],
        "ts": pa.array(
            [datetime(1, 1, 1), None, datetime(2025, 1, 1, 1, 2, 3, 4), datetime(1900, 1, 1)], pa.timestamp("us")
        ),
    }
)


def shown(path: Path) -> tuple[dict[str, str], str]:
    table = pq.ParquetFile(path).read()
    return {field.name: str(field.type) for field in table.schema}, repr(table.to_pylist())


def test_a_written_file_has_the_same_types_rows_and_order(engines: Engines, tmp_path: Path) -> None:
    refs = []
    for name, engine in zip(("duck", "spark"), engines, strict=True):
        table = engine.table(VALUES)
        refs.append(engine.write(table.mutate(one=1, half=table["m"] * 2).order_by(ibis.desc("n")), tmp_path / name))
    assert shown(tmp_path / "spark") == shown(tmp_path / "duck")
    assert (refs[1].rows, refs[1].columns) == (refs[0].rows, refs[0].columns)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["duck", "spark"]


def test_many_rows_are_written_in_the_order_asked_for(spark: Engine, tmp_path: Path) -> None:
    """Sorted by Spark in several partitions, and still one file."""
    size = 200_000
    data = spark.table(pa.table({ROW: [n * 7919 % size for n in range(size)], "x": list(range(size))}))
    ref = spark.write(spark.hold(data).order_by(ROW), tmp_path / "many.parquet")
    assert ref.rows == size
    assert pq.ParquetFile(tmp_path / "many.parquet").read([ROW])[ROW].to_pylist() == list(range(size))


def test_no_rows_are_a_file_with_columns(engines: Engines, tmp_path: Path) -> None:
    for name, engine in zip(("duck", "spark"), engines, strict=True):
        table = engine.table(VALUES)
        assert engine.write(table.filter(table["n"] < -5).order_by("n"), tmp_path / name).rows == 0
    assert shown(tmp_path / "spark") == shown(tmp_path / "duck")


def test_partitions_are_the_same_folders_with_the_same_rows(engines: Engines, tmp_path: Path) -> None:
    keys = ["a", "b", None, "a b", "ä/ö", "50%", "k=v", "a", ""]
    data = pa.table({"k": keys, "d": [date(2025, 1, 1 + i % 2) for i in range(9)], "n": list(range(9))})
    found = []
    for name, engine in zip(("duck", "spark"), engines, strict=True):
        table = engine.table(data)
        folder = stage(engine, table.order_by("n"), tmp_path / name, "v1", ("k", "d"))
        assert count_rows(folder) == len(keys)
        found.append({str(path.relative_to(folder)): shown(path) for path in sorted(folder.rglob("*.parquet"))})
        read = engine.read_folders(folder)
        assert sorted(row["n"] for row in engine.rows(read.filter(read["k"] == "a b"))) == [3]
    assert found[1] == found[0]


@pytest.mark.parametrize("name", ["with space", "it's", 'say "hi"', "a[1]*?", "{b}", "ünï", "50%", "c:d"])
def test_any_name_of_a_folder_works(spark: Engine, tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    ref = spark.write(spark.table(pa.table({"n": [2, 1]})).order_by("n"), folder / "rows.parquet")
    assert spark.rows(spark.read([ref]).order_by("n")) == [{"n": 1}, {"n": 2}]


COLUMNS: list[tuple[pa.Array, pa.Array]] = [
    (pa.array([1, 2]), pa.array([1.5])),
    (pa.array([1]), pa.array(["x"])),
    (pa.array([Decimal("1.10")], pa.decimal128(5, 2)), pa.array([Decimal("1.2345")], pa.decimal128(9, 4))),
    (pa.array([date(2025, 1, 2)]), pa.array([datetime(2025, 1, 2, 3)], pa.timestamp("us"))),
    (pa.array([1], pa.uint32()), pa.array([-1], pa.int8())),
    (pa.array([True]), pa.array([2])),
]


@pytest.mark.parametrize(("one", "other"), COLUMNS)
def test_files_whose_types_differ_are_read_the_same(engines: Engines, tmp_path: Path, one: Any, other: Any) -> None:
    for name, column in (("a", one), ("b", other)):
        pq.write_table(pa.table({ROW: [ord(name) * 10 + i for i in range(len(column))], "c": column}), tmp_path / name)
    ref = DatasetRef(paths=(str(tmp_path / "a"), str(tmp_path / "b")), rows=0, columns={})
    found = [tables.rows(engine, engine.read([ref])) for engine in engines]
    assert [(row["c"], type(row["c"])) for row in found[1]] == [(row["c"], type(row["c"])) for row in found[0]]


def test_types_that_spark_has_not_come_as_text_or_wider(home: Path, tmp_path: Path) -> None:
    pq.write_table(pa.table({"t": [time(1, 2, 3)], "u": pa.array([2**64 - 1], pa.uint64())}), tmp_path / "a")
    ref = DatasetRef(paths=(str(tmp_path / "a"),), rows=1, columns={})
    with Engine(Limits(), tmp_path / "scratch", None, SPEC) as spark:
        assert spark.rows(spark.read([ref])) == [{"t": "01:02:03", "u": Decimal(2**64 - 1)}]
        assert list((tmp_path / "scratch").glob("*.parquet"))
    assert list((tmp_path / "scratch").glob("*.parquet")) == [], "what was written for Spark alone is gone"


def test_rows_as_json_are_the_same_text(engines: Engines) -> None:
    texts = [None, "", 'say "b"\\', "line\nend\r\t", "\x01\x1f\x7f", "ä日🎉", "\u2028</script>", "/", "'"]
    found = []
    for engine in engines:
        table = tables.text(engine, a=texts, **{'odd "name"`\\': texts[::-1]})
        cells = {name: table[name] for name in table.columns if name != ROW}
        found.append(tables.column(engine, table.mutate(j=ibis.struct(cells).cast("json").cast("string")), "j"))
    assert found[1] == found[0]
    assert [json.loads(text)["a"] for text in found[1]] == texts
