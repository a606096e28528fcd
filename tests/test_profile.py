"""Profiles: what a table holds, whatever its types."""

import json
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import crewline
from crewline.cli import app
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.quality.profile import ColumnProfile, profile


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def column(engine: Engine, cells: Any, kind: pa.DataType | None = None) -> ColumnProfile:
    (found,) = profile(engine, engine.table(pa.table({"c": pa.array(cells, kind)}))).columns
    return found


@pytest.mark.parametrize(
    ("cells", "kind", "low", "high"),
    [
        (["10", "9", None, " "], "integer", "9", "10"),
        (["10", "9.5", "-1"], "float", "-1.0", "10.0"),
        (["2024-05-01", "2023-12-31"], "date", "2023-12-31", "2024-05-01"),
        (["true", "false"], "boolean", "false", "true"),
        (["01234", "12345"], "string", "01234", "12345"),
        (["10", "n/a"], "string", "10", "n/a"),
        ([3, 20, None], "integer", "3", "20"),
        ([date(2024, 5, 1), date(2023, 1, 1)], "date", "2023-01-01", "2024-05-01"),
    ],
)
def test_a_column_has_the_narrowest_type_of_all_its_values_and_its_range_is_in_their_order(
    engine: Engine, cells: list[Any], kind: str, low: str, high: str
) -> None:
    found = column(engine, cells)
    assert (found.type, found.min, found.max) == (kind, low, high)


def test_a_wide_table_is_profiled_as_its_columns_are_one_by_one(engine: Engine) -> None:
    rng = random.Random(7)
    kinds = ([None, "x", "y z"], ["1", "2.5", ""], ["2024-05-01", "2023-01-02"], [1, None, 3], [[1], None, [2, 3]])
    table = {f"c{place}": rng.choices(kinds[place % 5], k=40) for place in range(70)}
    found = profile(engine, engine.table(pa.table(table))).columns
    assert [of.name for of in found] == list(table)
    assert [of.model_copy(update={"name": "c"}) for of in found] == [column(engine, cells) for cells in table.values()]


def test_gaps_distinct_values_top_values_and_patterns_are_counted(engine: Engine) -> None:
    found = column(engine, ["AB-1", "AB-1", "CD-22", "ab", None, "", "é1"])
    assert (found.missing, found.distinct) == (2, 4)
    assert [(count.value, count.rows) for count in found.top] == [("AB-1", 2), ("CD-22", 1), ("ab", 1), ("é1", 1)]
    assert [(count.value, count.rows) for count in found.patterns] == [("A-9", 3), ("a", 1), ("x9", 1)]
    assert found.quantiles is None


def test_quantiles_are_those_of_the_numbers(engine: Engine) -> None:
    found = column(engine, [str(n) for n in range(101)])
    assert found.quantiles == {"0.05": 5.0, "0.25": 25.0, "0.5": 50.0, "0.75": 75.0, "0.95": 95.0}


def test_a_column_without_a_value_or_of_a_nested_type_is_told_by_its_gaps(engine: Engine) -> None:
    empty = column(engine, [None, None], pa.string())
    assert (empty.missing, empty.distinct, empty.min, empty.top) == (2, 0, None, [])
    nested = column(engine, [[1], None])
    assert (nested.missing, nested.top) == (1, [])


@settings(max_examples=25)
@given(cells=st.lists(st.one_of(st.none(), st.integers(-50, 50)), min_size=1, max_size=40))
def test_measures_are_those_of_plain_python(engine: Engine, cells: list[int | None]) -> None:
    found = profile(engine, engine.table(pa.table({ROW: range(len(cells)), "n": pa.array(cells, pa.int64())})))
    present = [cell for cell in cells if cell is not None]
    (number,) = found.columns
    assert found.rows == len(cells)
    assert (number.missing, number.distinct) == (len(cells) - len(present), len(set(present)))
    assert (number.min, number.max) == ((str(min(present)), str(max(present))) if present else (None, None))
    assert sum(count.rows for count in number.top) <= len(present)


def test_the_command_shows_and_prints_what_python_gets(tmp_path: Path) -> None:
    rng = random.Random(1)
    table = {"id": [str(i) for i in range(60)], "region": [rng.choice(["North", "South"]) for _ in range(60)]}
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    path = str(tmp_path / "in.parquet")
    assert json.loads(CliRunner().invoke(app, ["profile", path, "--json"]).output) == crewline.profile(path).model_dump(
        mode="json"
    )
    shown = CliRunner().invoke(app, ["profile", path])
    assert shown.exit_code == 0
    assert "60 rows" in shown.output
    assert "North" in shown.output
