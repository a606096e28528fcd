"""Spark's session: one for the process, started by the first engine that asks for it, stopped when the process ends."""

import atexit
import logging
import os
import sys
import threading
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import quote

from core.errors import InputError
from core.settings import settings
from core.spec.engine import PySparkEngine
from tools.engine.spark.requirement import check_engine

# With less, Spark does not start, or has no room for a task.
_LEAST_MEMORY_MB = 1024

# Crewline's meaning of types and arithmetic, wherever Spark has a choice.
_MEANING = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_NTZ",
    # Products of decimals keep all their digits, or are refused.
    "spark.sql.decimalOperations.allowPrecisionLoss": "false",
    "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
}

_QUIET = Path(__file__).with_name("log4j2.properties")

_lock = threading.Lock()
_started: tuple[str, Any] | None = None


def session(spec: PySparkEngine) -> Any:
    """A session with tables and settings of its own on the process's one Spark, which the first call starts.

    In this process it may use the memory that the settings give to engines, for all tasks together; how much other
    machines give is for the master's settings. Raises InputError if Spark is not installed, or runs with another
    master already.
    """
    global _started
    with _lock:
        if _started is None:
            check_engine(spec)
            _started = spec.master, _start(spec)
            atexit.register(stop)
        master, running = _started
    if master != spec.master:
        raise InputError(
            f"Spark runs in this process with master {master}, and cannot with {spec.master} too.",
            remedy="Give all pipelines of a process the same `engine.master`.",
        )
    return running.newSession()


def stop() -> None:
    """Stop Spark, if it runs; the next session starts it again."""
    global _started
    with _lock:
        if _started is not None:
            _started[1].stop()
            _started = None


def _start(spec: PySparkEngine) -> Any:
    from pyspark.logger import PySparkLogger
    from pyspark.sql import SparkSession

    # What goes wrong is raised, and told by whoever asked for it.
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", message="PySpark does not yet fully support pandas", category=FutureWarning)
    folder = settings().root / "spark"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        **_MEANING,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile=file://{quote(str(_QUIET))}",
        "spark.local.dir": str(folder),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.driver.memory": f"{max(_LEAST_MEMORY_MB, settings().engine_memory_mb)}m",
    }
    local = spec.master.startswith("local")
    if local:
        options |= {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1"}
    builder = SparkSession.builder.master(spec.master).appName("crewline")
    for name, value in options.items():
        builder = builder.config(name, value)
    running = builder.getOrCreate()
    if local:
        # As many partitions as threads; two hundred, which is for clusters, would each cost a task.
        running.conf.set("spark.sql.shuffle.partitions", str(running.sparkContext.defaultParallelism))
        running.sparkContext.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
    return running
