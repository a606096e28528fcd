"""The analysis worker: what was planted in data is found, what was not is not, and what is unknown is absent."""

import json
import math
from datetime import date, timedelta
from decimal import Decimal
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.classification import Classification
from core.errors import InputError, Interrupted, Refused, SourceError, WorkError
from core.stop import Stop
from core.store import Database
from graphs.worker import Result
from graphs.workers.analysis import AnalysisRequest, AnalysisWorker, analyse
from graphs.workers.dataset import Rows
from tests.attempts import performed
from tools.context import ToolContext
from tools.discovery import annotate, crawl
from tools.engine.engine import Engine
from tools.engine.limits import Limits

START = date(2024, 1, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    folder = tmp_path / "lake"
    folder.mkdir()
    return folder


@pytest.fixture
def worker(lake: Path, database: Database) -> AnalysisWorker:
    return AnalysisWorker("primary_analysis", database, ToolContext(roots=(str(lake),)))


def planted(rows: int = 600, seed: int = 0) -> pa.Table:
    """Sales of 300 days: the price falls by 0.2 a day, what is sold goes against it (r = -0.7), and the weather has
    nothing to do with either, nor with the day, not even by chance."""
    random = np.random.default_rng(seed)
    days = random.integers(0, 300, rows)
    price = 100 - 0.2 * days + random.normal(0, 10, rows)
    standard = (price - price.mean()) / price.std()
    sold = 50 + 5 * (-0.7 * standard + math.sqrt(1 - 0.49) * random.normal(size=rows))
    others = np.column_stack([np.ones(rows), days, price, sold])
    weather = random.normal(size=rows)
    weather -= others @ np.linalg.lstsq(others, weather, rcond=None)[0]
    return pa.table(
        {
            "sale_id": np.arange(rows),
            "day": [START + timedelta(days=int(day)) for day in days],
            "price": price,
            "sold": sold,
            "weather": weather,
        }
    )


def analysed(worker: AnalysisWorker, lake: Path, table: pa.Table, **payload: Any) -> Result:
    pq.write_table(table, lake / "data.parquet")
    return performed(worker, "analysis", lake.parent / "attempt", path="data.parquet", **payload)


def by_name(result: Result, what: str, key: str) -> dict[str, dict[str, Any]]:
    return {entry[key]: entry for entry in result.values[what]}


def test_a_planted_trend_is_found_with_its_sign_and_within_its_interval(worker: AnalysisWorker, lake: Path) -> None:
    result = analysed(worker, lake, planted())
    trends = by_name(result, "trends", "column")
    assert trends["price"]["direction"] == "falling"
    assert trends["price"]["interval"]["low"] < -0.2 < trends["price"]["interval"]["high"]
    assert "direction" not in trends["weather"]
    assert (result.values["time"], result.values["unit"], result.values["trends_tested"]) == ("day", "month", 3)


def test_periods_have_the_rows_and_means_of_their_days(worker: AnalysisWorker, lake: Path) -> None:
    table = planted()
    result = analysed(worker, lake, table)
    january = [row for row in table.to_pylist() if row["day"] < date(2024, 2, 1)]
    first = result.values["periods"][0]
    assert (first["start"], first["rows"]) == ("2024-01-01", len(january))
    assert first["means"]["price"] == pytest.approx(sum(row["price"] for row in january) / len(january))
    assert sum(period["rows"] for period in result.values["periods"]) == 600


def test_a_planted_correlation_is_found_and_where_there_is_none_none(worker: AnalysisWorker, lake: Path) -> None:
    pairs = {(c["left"], c["right"]): c for c in analysed(worker, lake, planted()).values["correlations"]}
    strong = pairs["price", "sold"]
    assert strong["significant"]
    assert strong["interval"]["low"] < -0.7 < strong["interval"]["high"]
    assert not pairs["price", "weather"]["significant"]
    assert pairs["price", "weather"]["p_adjusted"] >= pairs["price", "weather"]["p"]


def test_noise_is_called_significant_no_more_often_than_the_level(tmp_path: Path) -> None:
    wrong = 0
    with Engine(Limits(), tmp_path) as engine:
        for seed in range(10):
            random = np.random.default_rng(seed)
            days = [START + timedelta(days=n) for n in range(60)]
            table = engine.table(pa.table({"day": days, **{f"x{n}": random.normal(size=60) for n in range(5)}}))
            found = analyse(engine, Rows(table, whole=True), AnalysisRequest(path="-"))
            assert found.course is not None
            wrong += any(pair.significant for pair in found.correlations)
            wrong += any(trend.direction for trend in found.course.trends)
    # Of twenty families of tests at 0.05 one is expected; that more than four are wrong has a chance of 0.003.
    assert wrong <= 4


def test_texts_that_hold_numbers_and_times_count_as_such(worker: AnalysisWorker, lake: Path) -> None:
    lines = ["when,amount,code,word", *(f"2024-03-{n:02d} 10:00, {n * 2} ,00{n},w" for n in range(1, 21))]
    (lake / "text.csv").write_text("\n".join(lines) + "\n")
    result = performed(worker, "analysis", lake.parent / "attempt", path="text.csv")
    summaries = by_name(result, "summaries", "name")
    assert summaries["amount"]["mean"] == pytest.approx(21)
    assert summaries["when"]["type"] == "timestamp"
    assert "mean" not in summaries["code"]
    assert result.values["trends"][0]["slope"] == pytest.approx(2)


def test_gaps_are_left_out_pair_by_pair(worker: AnalysisWorker, lake: Path) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(size=50), random.normal(size=50)
    table = pa.table({"x": [None if n < 10 else v for n, v in enumerate(x)], "y": [*y[:45], *[None] * 5]})
    result = analysed(worker, lake, table)
    assert result.values["correlations"][0]["n"] == 35
    assert result.values["correlations"][0]["r"] == pytest.approx(float(np.corrcoef(x[10:45], y[10:45])[0, 1]))
    assert result.quality == pytest.approx(1 - 15 / 100)


def test_what_is_unknown_is_absent_with_a_note(worker: AnalysisWorker, lake: Path) -> None:
    table = pa.table(
        {
            "day": pa.array([START] * 8),
            "same": [5] * 8,
            "few": pa.array([1.0, 2.0, 4.0, *[None] * 5], pa.float64()),
            "nothing": pa.array([None] * 8, pa.float64()),
            "broken": [1.0, math.nan, math.inf, 2.0, 3.0, 1e300, 5.0, 4.0],
        }
    )
    result = analysed(worker, lake, table)
    told = " | ".join(result.notes)
    assert result.values["correlations"] == []
    assert result.values["trends"] == []
    assert "same, nothing: of one value or none" in told
    assert "broken: 3 values are no finite numbers, or too large" in told
    assert "few: no trend, for it or day does not vary" in told
    summaries = by_name(result, "summaries", "name")
    assert summaries["broken"]["mean"] == pytest.approx(3)
    assert "mean" not in summaries["nothing"]


def test_values_beyond_what_is_reckoned_with_are_left_out_and_counted(worker: AnalysisWorker, lake: Path) -> None:
    far = pa.array([2**62, *range(0, 7 * 86_400 * 10**6, 86_400 * 10**6)], pa.timestamp("us"))
    result = analysed(worker, lake, pa.table({"at": far, "text": ["1e200", *"1234567"]}))
    assert {f"{name}: 1 values are beyond what is reckoned with, and left out" for name in ("at", "text")} <= {
        *result.notes
    }
    assert by_name(result, "summaries", "name")["text"]["mean"] == 4
    assert result.values["trends"][0]["n"] == 7


def test_odd_names_and_types_are_borne(worker: AnalysisWorker, lake: Path) -> None:
    table = pa.table(
        {
            'a"b': [1.0, 2.0, 3.0, 5.0, 9.0],
            "rows": [1, 2, 3, 4, 9],
            "\u00e9\n": [Decimal("1.5")] * 4 + [Decimal("2.5")],
            "list": [[1]] * 5,
            "struct": [{"a": 1}] * 5,
            "bytes": [b"x"] * 5,
            "span": pa.array(range(5), pa.duration("s")),
            "huge": pa.array([1, 2, 3, 4, 2**64 - 1], pa.uint64()),
        }
    )
    found = analysed(worker, lake, table).values["correlations"]
    # To Parquet, a span of time is a number.
    numbers = ['a"b', "rows", "\u00e9\n", "span", "huge"]
    assert {frozenset((c["left"], c["right"])) for c in found} == {frozenset(pair) for pair in combinations(numbers, 2)}


def test_without_rows_there_are_no_figures_and_no_quality(worker: AnalysisWorker, lake: Path) -> None:
    result = analysed(worker, lake, planted().slice(0, 0))
    assert (result.values["rows"], result.quality) == (0, None)
    assert result.values["correlations"] == []
    assert all("mean" not in summary for summary in result.values["summaries"])


def test_numbers_that_name_things_are_correlated_only_when_asked_for(worker: AnalysisWorker, lake: Path) -> None:
    plain = analysed(worker, lake, planted())
    assert not any("sale_id" in (pair["left"], pair["right"]) for pair in plain.values["correlations"])
    assert any(note.startswith("sale_id: by the name") for note in plain.notes)
    asked = analysed(worker, lake, planted(), columns=["sale_id", "price"])
    assert [(pair["left"], pair["right"]) for pair in asked.values["correlations"]] == [("sale_id", "price")]


def test_of_two_columns_of_times_one_must_be_named(worker: AnalysisWorker, lake: Path) -> None:
    table = planted().append_column("shipped", pa.array([START + timedelta(days=n) for n in range(600)]))
    assert "trends" not in analysed(worker, lake, table).values
    assert analysed(worker, lake, table, time="shipped").values["time"] == "shipped"


def test_periods_that_follow_each_other_make_the_interval_of_a_slope_doubtful(
    worker: AnalysisWorker, lake: Path
) -> None:
    random, level, values = np.random.default_rng(3), 0.0, []
    for _ in range(39):
        level += random.normal()
        values.append(level)
    days = [START + timedelta(days=n) for n in range(39)]
    result = analysed(worker, lake, pa.table({"day": days, "walk": values}))
    assert any(note.startswith("walk: a day is like the one before it") for note in result.notes)


def test_a_dataset_of_the_catalog_is_analysed_by_its_name(
    worker: AnalysisWorker, lake: Path, database: Database
) -> None:
    for month in (1, 2):
        pq.write_table(planted(100, seed=month), lake / f"sales_2024-{month:02d}.parquet")
    crawl(str(lake), database)
    result = performed(worker, "analysis", lake.parent / "attempt", dataset="sales")
    assert result.values["rows"] == 200


def test_what_is_above_the_clearance_or_outside_of_the_roots_is_refused(
    worker: AnalysisWorker, lake: Path, database: Database
) -> None:
    pq.write_table(planted(), lake / "sales.parquet")
    crawl(str(lake), database)
    annotate(database, "sales", {"classification": "restricted"})
    for payload in ({"dataset": "sales"}, {"path": "sales.parquet"}, {"path": "/etc/passwd"}):
        with pytest.raises(Refused):
            performed(worker, "analysis", lake.parent / "attempt", **payload)
    elsewhere = AnalysisWorker("a", database, ToolContext(roots=(str(lake / "other"),), clearance=_ALL))
    with pytest.raises(Refused, match="outside"):
        performed(elsewhere, "analysis", lake.parent / "attempt", dataset="sales")


_ALL = Classification.RESTRICTED


@pytest.mark.parametrize(
    ("payload", "told"),
    [
        ({}, "give either path or dataset"),
        ({"path": "a", "dataset": "b"}, "give either path or dataset"),
        ({"path": "data.parquet", "level": 1}, "level: unknown argument"),
        ({"path": "data.parquet", "confidence": 1}, "confidence: "),
        ({"path": "data.parquet", "columns": ["gone"]}, "no column gone"),
        ({"path": "data.parquet", "time": "price"}, "price has no times"),
        ({"dataset": "nowhere"}, "no dataset 'nowhere'"),
    ],
)
def test_a_payload_that_cannot_be_worked_with_is_told_by_its_field(
    worker: AnalysisWorker, lake: Path, payload: dict[str, Any], told: str
) -> None:
    pq.write_table(planted(), lake / "data.parquet")
    with pytest.raises(InputError, match=told):
        performed(worker, "analysis", lake.parent / "attempt", **payload)


def test_a_missing_file_is_told(worker: AnalysisWorker, lake: Path) -> None:
    with pytest.raises(SourceError):
        performed(worker, "analysis", lake.parent / "attempt", path="gone.csv")


def test_a_stop_ends_the_work_and_leaves_nothing_behind(worker: AnalysisWorker, lake: Path) -> None:
    pq.write_table(planted(), lake / "data.parquet")
    stop = Stop()
    stop.request("the branch's time is up")
    with pytest.raises(Interrupted, match="time is up"):
        performed(worker, "analysis", lake.parent / "attempt", stop, path="data.parquet")
    assert list(lake.parent.glob("attempt/*")) == []


def test_a_stop_that_comes_between_two_statements_is_not_lost(tmp_path: Path) -> None:
    stop = Stop()
    with Engine(Limits(), tmp_path, stop) as engine:
        table = engine.table(planted())
        stop.request("the branch's time is up")
        with pytest.raises(Interrupted):
            analyse(engine, Rows(table, whole=True), AnalysisRequest(path="-"))


def test_a_call_that_takes_too_long_fails_and_does_not_speak_for_the_run(lake: Path, database: Database) -> None:
    pq.write_table(planted(), lake / "data.parquet")
    hasty = AnalysisWorker("hasty", database, ToolContext(roots=(str(lake),), timeout_s=0.001))
    with pytest.raises(WorkError, match=r"within 0\.001 s"):
        performed(hasty, "analysis", lake.parent / "attempt", path="data.parquet")


def test_the_result_of_a_wide_table_has_a_bound_and_says_what_is_not_shown(worker: AnalysisWorker, lake: Path) -> None:
    random = np.random.default_rng(4)
    table = pa.table({f"{'long ' * 20}{n}": random.normal(size=30) for n in range(50)})
    result = analysed(worker, lake, table)
    assert len(json.dumps(result.values)) <= 50_000
    assert len(result.values["correlations"]) > 10
    assert any("10 more columns of numbers are in no correlation or trend" in note for note in result.notes)
    assert any("more correlations are not shown" in note for note in result.notes)


def test_real_data_full_of_faults_is_analysed_as_the_text_that_it_is(database: Database, tmp_path: Path) -> None:
    data = Path(__file__).parent.parent / "examples" / "retail" / "data"
    worker = AnalysisWorker("secondary_analysis", database, ToolContext(roots=(str(data),)))
    result = performed(worker, "analysis", tmp_path, path="orders/2025-12.csv")
    assert result.values["rows"] == 421
    assert any("4 lines are no records" in note for note in result.notes)
    assert by_name(result, "summaries", "name")["quantity"]["type"] == "string"
