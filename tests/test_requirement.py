"""What the second engine needs of the machine is told before anything is started."""

from pathlib import Path

import pytest

from core.errors import InputError
from core.spec import PipelineSpec, loads
from core.spec.engine import DuckDbEngine, PySparkEngine
from core.store import Database
from flows import DataPipelineFlow
from tools.engine.spark import requirement
from tools.engine.spark.requirement import check_engine, java_version, pyspark_version

PYSPARK = PySparkEngine(kind="pyspark")


def java(folder: Path, says: str, status: int = 0) -> Path:
    """A home of Java whose program says this of its version."""
    program = folder / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    program.chmod(0o755)
    return folder


def spec(engine: str) -> PipelineSpec:
    return loads(
        "{name: small, sources: {o: {kind: csv, path: o.csv, columns: {a: string}}}, target: {path: out}"
        + (f", engine: {engine}}}" if engine else "}")
    )


def test_a_spec_names_its_engine_duckdb_if_it_names_none() -> None:
    assert spec("").engine == spec("{kind: duckdb}").engine == DuckDbEngine()
    assert spec("{kind: pyspark, master: 'local[2]'}").engine == PySparkEngine(kind="pyspark", master="local[2]")
    assert spec("").fingerprint != spec("{kind: pyspark}").fingerprint


@pytest.mark.parametrize(
    ("says", "version"),
    [('openjdk version "17.0.15" 2025-04-15', 17), ('java version "25" 2025-09-16 LTS', 25)],
)
def test_a_java_that_is_new_enough_is_told_by_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, version: int
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", says)))
    assert java_version() == version


@pytest.mark.parametrize(
    ("says", "status", "why"),
    [
        ('openjdk version "1.8.0_462"', 0, "needs Java 17; .*java is 8"),
        ('openjdk version "11.0.2" 2019-01-15', 0, "needs Java 17; .*java is 11"),
        ("no such library", 1, "does not run"),
    ],
)
def test_a_java_that_is_too_old_or_broken_is_refused_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, status: int, why: str
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(java(tmp_path / "jdk", says, status)))
    with pytest.raises(InputError, match=rf"{why}.*set JAVA_HOME"):
        java_version()


def test_no_java_at_all_is_told_with_the_place_that_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"none at .*nowhere/bin/java"):
        java_version()
    monkeypatch.delenv("JAVA_HOME")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="none at any place of PATH"):
        java_version()


@pytest.fixture
def without_pyspark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirement.importlib.util, "find_spec", lambda name: None)


def test_duckdb_needs_nothing(without_pyspark: None) -> None:
    check_engine(DuckDbEngine())
    with pytest.raises(InputError, match=r"not installed.*pip install 'crewline\[spark\]'"):
        check_engine(PYSPARK)
    with pytest.raises(InputError):
        pyspark_version()


def test_a_run_that_asks_for_an_engine_that_is_not_there_is_refused_before_it_is_on_record(
    without_pyspark: None, database: Database
) -> None:
    with pytest.raises(InputError, match="not installed"):
        DataPipelineFlow(spec("{kind: pyspark}"), database=database)
    assert database.query("SELECT * FROM runs") == []
