"""Spark's one session in a process: whose errors are ours, which can be stopped, and is shared by its engines."""

import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from core.errors import EngineError, InputError, Interrupted
from core.spec.engine import PySparkEngine
from core.stop import Stop
from tests import tables
from tests.deadline import until
from tests.spark.conftest import SPEC
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW


def test_a_requested_stop_ends_what_spark_is_doing(spark: Engine, tmp_path: Path) -> None:
    """A product of rows that would take minutes."""
    stop = Stop()
    with Engine(Limits(), tmp_path, stop, SPEC) as engine:
        many = engine.table(pa.table({"n": list(range(40_000))}))
        pairs = many.cross_join(many.rename(m="n"))
        product = pairs.aggregate(x=(pairs["n"] * pairs["m"] % 7).sum())
        status = engine.backend._session.sparkContext.statusTracker()
        asker = threading.Thread(target=lambda: (until(status.getActiveStageIds), stop.request("enough")))
        asker.start()
        started = time.monotonic()
        with pytest.raises(Interrupted, match="enough"):
            engine.rows(product)
        asker.join()
        assert time.monotonic() - started < 60


def test_engines_of_several_threads_share_spark_and_not_their_tables(spark: Engine, tmp_path: Path) -> None:
    found: dict[int, list[int]] = {}

    def work(number: int) -> None:
        with Engine(Limits(), tmp_path / str(number), None, SPEC) as engine:
            held = engine.hold(tables.numbered(engine, {}, [(number * 10 + i, ()) for i in range(3)]))
            found[number] = [row[ROW] for row in tables.rows(engine, held)]

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [number * 10 + i for i in range(3)] for number in range(3)}


def test_another_master_in_the_same_process_is_refused(spark: Engine, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"local\[2\].*local\[1\].*the same `engine.master`"):
        Engine(Limits(), tmp_path, None, PySparkEngine(kind="pyspark", master="local[1]"))


def test_what_spark_cannot_compute_is_an_engine_error_in_few_words(spark: Engine) -> None:
    table = tables.text(spark, s=["x"])
    with pytest.raises(EngineError) as error:
        spark.rows(table.select(a=table["s"].cast("int64")))
    assert "'x'" in str(error.value)
    assert "\n" not in str(error.value)
    assert "SQLSTATE" not in str(error.value)
    assert "try_cast" not in str(error.value)
