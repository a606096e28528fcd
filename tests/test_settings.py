"""Settings: read from `CREWLINE_*` once, and refused by the variable's name."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import InputError
from core.settings import Settings, settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable of Crewline's is set."""
    for name in list(os.environ):
        if name.upper().startswith("CREWLINE_"):
            monkeypatch.delenv(name)
    settings.cache_clear()
    yield
    settings.cache_clear()


def test_without_variables_the_defaults_hold() -> None:
    read = settings()
    assert read == Settings()
    assert read.database_url is None
    assert (read.database_wait_s, read.lease_s, read.threads, read.memory_mb) == (30, 15, None, None)


def test_each_field_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "CREWLINE_HOME": str(tmp_path / "x"),
        "CREWLINE_DATABASE_URL": "postgresql://me:opensesame@there/db",
        "CREWLINE_DATABASE_WAIT_S": "0",
        "CREWLINE_LEASE_S": "2.5",
        "CREWLINE_THREADS": "3",
        "CREWLINE_MEMORY_MB": "512",
        "CREWLINE_UNKNOWN": "1",
        "LEASE_S": "99",
    }.items():
        monkeypatch.setenv(name, value)
    read = settings()
    assert read.runs_dir == tmp_path / "x" / "runs"
    assert read.database_url is not None
    assert read.database_url.get_secret_value() == "postgresql://me:opensesame@there/db"
    assert (read.database_wait_s, read.lease_s, read.threads, read.memory_mb) == (0, 2.5, 3, 512)


def test_the_password_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWLINE_DATABASE_URL", "postgresql://me:opensesame@there/db")
    assert "opensesame" not in repr(settings()) + str(settings().model_dump())


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.setenv(f"CREWLINE_{name.upper()}", "")
    assert settings() == Settings.model_construct()


def test_the_home_is_absolute_wherever_it_is_given_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    assert settings().root == tmp_path / "me" / ".crewline"
    settings.cache_clear()
    monkeypatch.setenv("CREWLINE_HOME", "here")
    assert settings().root == tmp_path / "here"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CREWLINE_LEASE_S", "soon"),
        ("CREWLINE_LEASE_S", "0"),
        ("CREWLINE_LEASE_S", "inf"),
        ("CREWLINE_LEASE_S", "nan"),
        ("CREWLINE_DATABASE_WAIT_S", "-1"),
        ("CREWLINE_THREADS", "0"),
        ("CREWLINE_THREADS", "2.5"),
        ("CREWLINE_MEMORY_MB", "100"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"The environment is wrong: {name}: Input should be ") as caught:
        settings()
    assert caught.value.remedy == "Correct or unset it."


def test_all_wrong_values_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CREWLINE_THREADS", "many")
    monkeypatch.setenv("CREWLINE_LEASE_S", "soon")
    with pytest.raises(InputError, match=r"CREWLINE_LEASE_S: .*; CREWLINE_THREADS: "):
        settings()


def test_settings_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    before = settings()
    monkeypatch.setenv("CREWLINE_LEASE_S", "1")
    assert settings() is before
