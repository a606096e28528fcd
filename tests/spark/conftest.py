"""Both engines, side by side: one session of each for the whole suite, as Spark takes seconds to start.

Run by `make test-spark`; where PySpark is not installed, nothing here is collected.
"""

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.settings import settings
from core.spec.engine import PySparkEngine
from tools.engine.engine import Engine
from tools.engine.limits import Limits

if importlib.util.find_spec("pyspark") is None:
    collect_ignore_glob = ["test_*.py"]

SPEC = PySparkEngine(kind="pyspark", master="local[2]")


@pytest.fixture(scope="session", autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where Spark keeps what does not fit into memory; it is asked for once, by the first session."""
    folder = tmp_path_factory.mktemp("home")
    os.environ["CREWLINE_HOME"] = str(folder)
    settings.cache_clear()
    return folder


@pytest.fixture(scope="session")
def duck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("duck")) as engine:
        yield engine


@pytest.fixture(scope="session")
def spark(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(threads=2), tmp_path_factory.mktemp("spark"), None, SPEC) as engine:
        yield engine


@pytest.fixture(scope="session")
def engines(duck: Engine, spark: Engine) -> tuple[Engine, Engine]:
    return duck, spark
