"""Instances of DuckDB: sessions that come one after another find nothing of those before them."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from core.errors import DataError
from tools.engine.engine import Engine
from tools.engine.limits import Limits

ROWS = pa.table({"_row": pa.array(range(1000), pa.int64())})


def instance(engine: Engine) -> Any:
    """The instance behind a session, to be told from others."""
    return engine.in_process._instance._database


def asked(engine: Engine, sql: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = engine.backend.con.execute(sql).fetchall()
    return found


def test_the_next_session_finds_an_instance_as_good_as_new(tmp_path: Path) -> None:
    with Engine(Limits(threads=2, memory_mb=256), tmp_path / "a") as first:
        first.hold(first.table(ROWS))
        first.backend.con.execute("SET TimeZone = 'Europe/Zurich'")
        used = instance(first)
    with Engine(Limits(threads=2, memory_mb=256), tmp_path / "b") as second:
        assert instance(second) is used
        assert asked(second, "SHOW ALL TABLES") == []
        settings = "current_setting('threads'), current_setting('TimeZone'), current_setting('temp_directory')"
        assert asked(second, f"SELECT {settings}") == [(2, "UTC", str(tmp_path / "b" / "spill"))]
        assert second.count(second.table(ROWS)) == 1000


def test_a_session_within_other_limits_has_another_instance(tmp_path: Path) -> None:
    with Engine(Limits(threads=1, memory_mb=256), tmp_path / "a") as first:
        used = instance(first)
    with Engine(Limits(threads=1, memory_mb=128), tmp_path / "b") as second:
        assert instance(second) is not used
        assert asked(second, "SELECT current_setting('memory_limit')") == [("122.0 MiB",)]


def test_sessions_at_the_same_time_have_instances_of_their_own(tmp_path: Path) -> None:
    with (
        Engine(Limits(), tmp_path / "a") as one,
        Engine(Limits(), tmp_path / "b") as other,
    ):
        assert instance(one) is not instance(other)


def test_an_instance_that_spilled_is_given_up(tmp_path: Path) -> None:
    with Engine(Limits(memory_mb=128), tmp_path) as engine:
        rows = engine.table(pa.table({"_row": pa.array(range(2_000_000), pa.int64())}))
        engine.hold(rows.mutate(text=rows["_row"].cast("string").hexdigest("sha256")))
        assert (tmp_path / "spill").exists()
        used = instance(engine)
    with Engine(Limits(), tmp_path / "next") as after:
        assert instance(after) is not used


def test_an_instance_is_used_again_after_a_statement_that_failed(tmp_path: Path) -> None:
    with Engine(Limits(), tmp_path / "a") as engine:
        rows = engine.table(ROWS)
        with pytest.raises(DataError):
            engine.hold(rows.mutate(day=rows["_row"].cast("string").cast("date")))
    with Engine(Limits(), tmp_path / "b") as after:
        assert after.count(after.table(ROWS)) == 1000
