"""Profiles: what a table holds, whatever its types."""

import json
import random
from collections.abc import Iterator
from datetime import date, time
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


def test_floats_without_a_place_among_numbers_are_counted_and_bound_nothing(engine: Engine) -> None:
    found = column(engine, [2.5, float("nan"), float("-inf"), 0.5, None])
    assert (found.type, found.missing, found.distinct, found.endless) == ("float", 1, 4, 2)
    assert (found.min, found.max) == ("0.5", "2.5")
    none = column(engine, [float("inf")] * 3)
    assert (none.min, none.max, none.quantiles, none.endless) == (None, None, None, 3)


def test_large_whole_numbers_lose_none_of_their_digits(engine: Engine) -> None:
    found = column(engine, [2**53 + 1, 2**63 - 1], pa.uint64())
    assert (found.type, found.min, found.max) == ("integer", str(2**53 + 1), str(2**63 - 1))
    found = column(engine, [1, 2**64 - 1], pa.uint64())
    assert (found.type, found.max) == ("decimal(20,0)", str(2**64 - 1))
    found = column(engine, [str(2**63 - 1), "1"])
    assert (found.type, found.max) == ("integer", str(2**63 - 1))


def test_of_a_type_that_no_pipeline_has_only_the_gaps_are_told(engine: Engine, tmp_path: Path) -> None:
    for cells in ([{"a": 1}, None], [b"x", None], [time(1, 2), None]):
        found = column(engine, cells)
        assert (found.missing, found.distinct, found.min) == (1, None, None)
    pq.write_table(pa.table({"n": pa.nulls(2), "a": [1, 2]}), tmp_path / "nulls.parquet")
    (empty, _) = crewline.profile(tmp_path / "nulls.parquet").columns
    assert (empty.type, empty.missing, empty.distinct) == ("string", 2, 0)


def test_a_table_of_a_thousand_columns_takes_a_handful_of_statements(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = 0
    arrow = engine.arrow

    def counted(table: Any) -> pa.Table:
        nonlocal statements
        statements += 1
        return arrow(table)

    monkeypatch.setattr(engine, "arrow", counted)
    table = {f"c{n}": ["1", "x"] if n % 2 else [0.5, None] for n in range(1000)}
    found = profile(engine, engine.table(pa.table(table)))
    assert [of.name for of in found.columns] == list(table)
    assert statements < 10


def test_what_was_not_read_and_what_was_taken_for_granted_is_told(tmp_path: Path) -> None:
    (tmp_path / "half.csv").write_bytes("a,a\n1,é\n2,3\n4".encode("latin-1"))
    found = crewline.profile(tmp_path / "half.csv")
    notes = ["read as latin-1", "column 2, 'a' in the header, is called 'a_2'"]
    assert (found.rows, found.unreadable, found.notes) == (2, 1, notes)
    for command in ("profile", "suggest"):
        shown = CliRunner().invoke(app, [command, str(tmp_path / "half.csv")]).output
        assert all(note in shown for note in (*notes, "1 lines are no records"))


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
