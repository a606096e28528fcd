"""A real PostgreSQL for every test: one embedded server for all, one template, one fresh database each."""

import gc
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from psycopg.conninfo import make_conninfo

from core import run as runs
from core.settings import Settings, settings
from core.spec import loads
from core.store import Database
from core.store.migrate import migrate
from core.store.server import start_server
from tests.model import ScriptedModel, scripted_model

TEMPLATE = "crewline_template"

# What keeps a server's data when the machine loses its power, which no test is about; processes may die all the same.
NOT_NEEDED = ("fsync", "full_page_writes")

# CrewAI looks when it is imported; a test must talk to nobody.
os.environ.update(CREWAI_DISABLE_TELEMETRY="true", CREWAI_TRACING_ENABLED="false")

_number = itertools.count()

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
    if not hasattr(config, "workerinput"):
        run = getattr(config.pluginmanager.get_plugin("dsession"), "nodemanager", None)
        for name in (str(os.getpid()), getattr(run, "testrunuid", None)):
            shutil.rmtree(_server_dir(str(name)), ignore_errors=True)


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The URL of the server's own database. All workers share the server; it stops with the last of them."""
    server = start_server(_server_dir(os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))) / "postgres")
    yield _with_template(server.get_uri())
    # Before the folder is removed, which is before this process ends.
    server.cleanup()


def _with_template(url: str) -> str:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone():
            for setting in NOT_NEEDED:
                connection.execute(f"ALTER SYSTEM SET {setting} = off")
            connection.execute("SELECT pg_reload_conf()")
            connection.execute(f"CREATE DATABASE {TEMPLATE}_new")
            with psycopg.connect(make_conninfo(url, dbname=f"{TEMPLATE}_new"), autocommit=True) as template:
                migrate(template)
            # Only a whole template gets the name that other workers look for.
            connection.execute(f"ALTER DATABASE {TEMPLATE}_new RENAME TO {TEMPLATE}")
    return url


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """The URL of a fresh, migrated database."""
    name = f"test_{os.getpid()}_{next(_number)}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        yield make_conninfo(server_url, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@contextmanager
def configured(database_url: str, home: Path) -> Iterator[Settings]:
    """Settings of a test's own: its database, its home, a lease that runs out in a second."""
    with pytest.MonkeyPatch.context() as patch:
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
def configuration(database_url: str, tmp_path: Path) -> Iterator[Settings]:
    with configured(database_url, tmp_path / "home") as configuration:
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
