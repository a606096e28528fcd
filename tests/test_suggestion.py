"""Checks learned from a sample: they hold on it and on more of its kind, and catch what is wrong."""

import random
from collections.abc import Iterator
from datetime import datetime, time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pydantic import TypeAdapter
from typer.testing import CliRunner

import crewline
from core.spec.check import Check, NotNull
from core.spec.column import Column
from core.spec.source import ParquetSource
from crewline.cli import app
from tests import dirt
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.quality.profile import profile
from tools.quality.suggestion import suggest_checks
from tools.quality.validation import validate

CHECKS = TypeAdapter(list[Check])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def learned(engine: Engine, table: dirt.Table) -> tuple[dict[str, Column], list[Check]]:
    found = profile(engine, engine.table(pa.table(table)))
    return {c.name: Column(type=c.type) for c in found.columns}, suggest_checks(found)


def caught(engine: Engine, table: dirt.Table, columns: dict[str, Column], checks: list[Check]) -> dict[str, int]:
    """The rows that fail each check, on data as text."""
    cells = {name: pa.array([cell or None for cell in cells], pa.string()) for name, cells in table.items()}
    raw = engine.table(pa.table({ROW: range(1, len(next(iter(table.values()))) + 1), **cells}))
    found = validate(engine, raw, dataset="d", columns=columns, checks=tuple(checks), repair=False)
    return {violation.check: violation.rows for violation in found.violations}


@pytest.mark.parametrize("domain", dirt.DOMAINS)
def test_suggested_checks_hold_on_their_sample(engine: Engine, domain: str) -> None:
    table = dirt.DOMAINS[domain](random.Random(domain), 400)
    columns, checks = learned(engine, table)
    assert checks
    assert caught(engine, table, columns, checks) == {}


@pytest.mark.parametrize("domain", ["orders", "census", "sensors", "catalogue", "movies"])
def test_suggested_checks_hold_on_more_rows_of_the_same_kind(engine: Engine, domain: str) -> None:
    """But for a few: 400 rows cannot have shown everything."""
    rng = random.Random(domain)
    table = dirt.DOMAINS[domain](rng, 1200)
    sample = {name: cells[:400] for name, cells in table.items()}
    rest = {name: cells[400:] for name, cells in table.items()}
    columns, checks = learned(engine, sample)
    failing = caught(engine, rest, columns, [check for check in checks if check.check != "unique"])
    assert sum(failing.values()) <= 0.005 * 800 * len(table)


def test_measurements_and_days_that_are_all_different_have_bounds_and_are_no_keys(engine: Engine) -> None:
    table = {"m": [f"{i * 1.25:.2f}" for i in range(60)], "day": [f"{1960 + i}-03-01" for i in range(60)]}
    _, checks = learned(engine, table)
    assert [check.name for check in checks] == ["not_null(m)", "between(m)", "not_null(day)", "between(day)"]


def test_each_kind_of_fault_is_caught_by_the_check_that_is_for_it(engine: Engine) -> None:
    rng = random.Random(5)
    table = {
        "id": [str(i) for i in range(300)],
        "status": [rng.choice(["open", "shipped", "returned"]) for _ in range(300)],
        "code": [f"{rng.choice('AB')}-{rng.randint(100, 999)}" for _ in range(300)],
        "price": [f"{rng.uniform(5, 90):.2f}" for _ in range(300)],
        "day": [f"2025-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}" for _ in range(300)],
    }
    columns, checks = learned(engine, table)
    faulty = {name: list(cells) for name, cells in table.items()}
    faulty["id"][3] = faulty["id"][4]
    faulty["status"][5], faulty["status"][6] = "opne", ""
    faulty["code"][7] = "A 12"
    faulty["price"][8] = "-3"
    faulty["day"][9] = "1925-01-01"
    assert caught(engine, faulty, columns, checks) == {
        "unique(id)": 2,
        "in_set(status)": 1,
        "not_null(status)": 1,
        "matches(code)": 1,
        "between(price)": 1,
        "between(day)": 1,
    }


def test_a_small_sample_teaches_nothing(engine: Engine) -> None:
    assert learned(engine, dirt.census(random.Random(1), 40))[1] == []


def test_nothing_is_taken_for_a_closed_set_that_has_rare_values(engine: Engine) -> None:
    _, checks = learned(engine, {"c": ["a"] * 60 + ["b"] * 60 + ["rare"]})
    assert [check.check for check in checks] == ["not_null"]


def test_the_command_prints_columns_and_checks_that_a_pipeline_takes(engine: Engine, tmp_path: Path) -> None:
    table = dirt.orders(random.Random(2), 300)
    pq.write_table(pa.table(table), tmp_path / "in.parquet")
    told = CliRunner().invoke(app, ["suggest", str(tmp_path / "in.parquet")])
    assert told.exit_code == 0, told.output
    document = yaml.safe_load(told.output)
    columns, checks = learned(engine, table)
    assert {name: Column.model_validate(kind) for name, kind in document["columns"].items()} == columns
    assert CHECKS.validate_python(document["checks"]) == checks


def test_what_is_suggested_passes_on_its_file_whatever_the_types_in_it(tmp_path: Path) -> None:
    rows = 60
    table = pa.table(
        {
            "ratio": [float(n) for n in range(rows - 2)] + [float("nan"), float("inf")],
            "nothing": pa.nulls(rows),
            "large": pa.array([2**64 - 1 - n for n in range(rows)], pa.uint64()),
            "old": pa.array(range(-1_000_000, rows - 1_000_000), pa.int32()).cast(pa.date32()),
            "zoned": pa.array([datetime(2024, 1, 1, n % 24) for n in range(rows)], pa.timestamp("us", "Europe/Zurich")),
            "_id": range(rows),
            "place": [{"town": "Bern"}] * rows,
            "hour": [time(1, 2)] * rows,
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    told = CliRunner().invoke(app, ["suggest", str(tmp_path / "in.parquet")])
    assert told.exit_code == 0, told.output
    (tmp_path / "checks.yaml").write_text(told.output)
    source = {"kind": "parquet", "path": "in.parquet", "columns": yaml.safe_load(told.output)["columns"]}
    assert list(ParquetSource.model_validate(source).columns) == ["ratio", "nothing", "large", "old", "zoned"]
    for name, why in (("_id", "begins with '_'"), ("place", "is no type"), ("hour", "is no type")):
        assert any(line.startswith(f"# '{name}' is left out") and why in line for line in told.output.splitlines())
    report = crewline.check(tmp_path / "in.parquet", tmp_path / "checks.yaml")
    assert report.passed
    assert len(report.verdicts) == 8


def test_where_nothing_is_learned_that_is_said_and_the_types_are_checked_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,day\n1,2025-01-01\n2,2025-01-02\n")
    told = CliRunner().invoke(app, ["suggest", str(tmp_path / "in.csv")]).output
    assert "# 2 rows teach no checks" in told
    (tmp_path / "checks.yaml").write_text(told)
    report = crewline.check(tmp_path / "in.csv", tmp_path / "checks.yaml")
    assert [verdict.check for verdict in report.verdicts] == ["type(id)", "type(day)"]


def test_sample_rows_with_dates_that_python_has_not_are_shown_as_text(tmp_path: Path) -> None:
    old = pa.array([-1_000_000], pa.int32()).cast(pa.date32())
    pq.write_table(pa.table({"day": old, "id": pa.array([None], pa.int64())}), tmp_path / "in.parquet")
    report = crewline.check(tmp_path / "in.parquet", [NotNull(check="not_null", column="id")])
    assert report.failed[0].sample == [{"day": "-0768-02-04", "id": None}]
