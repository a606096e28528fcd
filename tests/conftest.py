"""A real PostgreSQL for every test: one embedded server for all, one template, one fresh database each."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from core import run as runs
from core.settings import Settings, settings
from core.spec import loads
from core.store import Database
from core.store.server import start_server
from tests.databases import fresh_database, make_template
from tests.model import ScriptedModel, scripted_model

# CrewAI looks when it is imported; a test must talk to nobody.
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false")

# Examples that need a database take long on a busy machine; how long says nothing about the code.
hypothesis_settings.register_profile("crewline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("crewline")


def _server_dir(run: str) -> Path:
    # Not under pytest's own folder: that is made private to root, and the server, started by root, is another user's.
    return Path(tempfile.gettempdir()) / f"crewline-tests-{run}"


# What is imported stays until the end: looking through it again and again for garbage finds none.
gc.disable()


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The last one removes the server's data; by then every worker has left it."""
    gc.unfreeze()
    if not hasattr(config, "workerinput"):
        run = getattr(config.pluginmanager.get_plugin("dsession"), "nodemanager", None)
        for name in (str(os.getpid()), getattr(run, "testrunuid", None)):
            shutil.rmtree(_server_dir(str(name)), ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the server's own database. All workers share the server; it stops with the last of them."""
    server = start_server(_server_dir(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))) / "postgres")
    make_template(server.get_uri())
    yield server.get_uri()
    # Before the folder is removed, which is before this process ends.
    server.cleanup()


@contextmanager
def configured(database_url: str, home: Path, patch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of a test's own: its database, its home, a lease that runs out in a second."""
    patch.setenv("CREWLINE_HOME", str(home))
    patch.setenv("CREWLINE_DATABASE_URL", database_url)
    patch.setenv("CREWLINE_LEASE_S", "1")
    patch.setenv("CREWLINE_DATABASE_WAIT_S", "5")
    settings.cache_clear()
    yield settings()
    settings.cache_clear()


@contextmanager
def opened(configuration: Settings) -> Iterator[Database]:
    """The database of the settings, open."""
    assert configuration.database_url is not None
    store = Database(configuration.database_url.get_secret_value(), wait_s=configuration.database_wait_s).open()
    yield store
    store.close()


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    with fresh_database(server_url) as url:
        yield url


@pytest.fixture
def configuration(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    with configured(database_url, tmp_path / "home", monkeypatch) as configuration:
        yield configuration


@pytest.fixture
def database(configuration: Settings) -> Iterator[Database]:
    with opened(configuration) as store:
        yield store


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """A model that says what the test scripts."""
    with scripted_model() as model:
        yield model


@pytest.fixture
def run_id(database: Database) -> str:
    """A run on record that nobody works on yet."""
    spec = loads("{name: small, sources: {o: {kind: csv, path: o.csv, columns: {a: string}}}, target: {path: out}}")
    runs.create(database, "small-1", spec, base_dir="/data", document=None)
    return "small-1"
