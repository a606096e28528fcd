"""The research worker: what datasets are made of, what they contain, and which of them serves an entity best."""

import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import InputError, Interrupted, Refused, SourceError
from core.stop import Stop
from core.store import Database
from graphs.worker import Result
from graphs.workers.research import ResearchWorker
from tests.attempts import performed
from tools.context import ToolContext
from tools.discovery import annotate, crawl

# Where public tables lie that are not part of the project: hospital/dirty.csv and hospital/clean.csv.
DATA = os.environ.get("CREWLINE_DATA")

CITIES = ["Bern", "Oslo", "Rome", "Wien"]


def customers(numbers: range, gaps: int = 0) -> pa.Table:
    """Customers by number; the first of them, as many as `gaps`, without a city."""
    cities = [None if n - numbers.start < gaps else CITIES[n % 4] for n in numbers]
    return pa.table({"customer_id": numbers, "name": [f"Customer {n}" for n in numbers], "city": cities})


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """All 200 customers; an older list with half of them, many without a city; their orders, line by line."""
    folder = tmp_path / "lake"
    folder.mkdir()
    pq.write_table(customers(range(200)), folder / "customers.parquet")
    pq.write_table(customers(range(100), gaps=40), folder / "old_customers.parquet")
    lines = [(n // 3, n % 3, n % 50, f"2025-{n % 12 + 1:02d}-10") for n in range(600)]
    text = "\n".join(["order_id,line,customer_id,day", *(",".join(map(str, line)) for line in lines)])
    (folder / "order_lines.csv").write_text(text + "\n")
    now = datetime.now(UTC).timestamp()
    for file in folder.iterdir():
        age = timedelta(days=70) if file.name.startswith("old") else timedelta(0)
        os.utime(file, (now - age.total_seconds(),) * 2)
    return folder


@pytest.fixture
def worker(lake: Path, database: Database) -> ResearchWorker:
    return ResearchWorker(database, ToolContext(roots=(str(lake),)))


@pytest.fixture
def attempt(tmp_path: Path) -> Path:
    return tmp_path / "attempt"


def by_file(result: Result, what: str = "datasets") -> dict[str, dict[str, Any]]:
    return {Path(entry["location"]).name: entry for entry in result.values[what]}


def test_technical_research_tells_schema_format_size_and_keys(worker: ResearchWorker, attempt: Path) -> None:
    found = by_file(result := performed(worker, "research.technical", attempt, query="customer"))
    whole = found["customers.parquet"]
    assert (whole["format"], whole["rows"], whole["whole"]) == ("parquet", 200, True)
    assert whole["bytes"] > 0
    assert [(column["name"], column["type"]) for column in whole["columns"]] == [
        ("customer_id", "int64"),
        ("name", "string"),
        ("city", "string"),
    ]
    assert whole["measured_keys"] == [["customer_id"], ["name"]]
    assert result.quality == 1


def test_where_no_column_is_a_key_pairs_are_looked_at(worker: ResearchWorker, attempt: Path) -> None:
    found = by_file(performed(worker, "research.technical", attempt, paths=["order_lines.csv"]))
    # An order of three lines has three customers and three days here: each of them tells its lines apart.
    expected = [["order_id", "line"], ["order_id", "customer_id"], ["order_id", "day"]]
    assert found["order_lines.csv"]["measured_keys"] == expected


def test_technical_research_tells_what_joins_what(worker: ResearchWorker, attempt: Path) -> None:
    joins = performed(worker, "research.technical", attempt, query="customer").values["joins"]
    pairs = {(Path(join["left"]).name, Path(join["right"]).name) for join in joins}
    assert ("order_lines.csv", "customers.parquet") in pairs or ("customers.parquet", "order_lines.csv") in pairs


def test_tables_of_a_warehouse_are_researched_with_the_keys_that_they_declare(
    database: Database, lake: Path, attempt: Path
) -> None:
    with duckdb.connect(str(lake / "shop.duckdb")) as connection:
        connection.execute("CREATE TABLE customers (id INTEGER PRIMARY KEY, name VARCHAR)")
        connection.execute("INSERT INTO customers SELECT n, 'Customer ' || n FROM range(30) AS t (n)")
    worker = ResearchWorker(database, ToolContext(roots=(str(lake),)))
    result = performed(worker, "research.technical", attempt, paths=["shop.duckdb"])
    (table,) = result.values["datasets"]
    assert (table["source_type"], table["rows"], table["primary_key"]) == ("data_warehouse", 30, ["id"])
    assert table["measured_keys"] == [["id"], ["name"]]


def test_market_research_counts_by_domain_and_shows_gaps(
    worker: ResearchWorker, lake: Path, database: Database, attempt: Path
) -> None:
    crawl(str(lake), database)
    annotate(database, "order_lines", {"domain": "sales"})
    result = performed(
        worker, "research.market", attempt, query="customer", domains=["customer", "weather"], max_datasets=2
    )
    counts = {share["domain"]: share["datasets"] for share in result.values["domains"]}
    assert counts == {"customer": 2, "weather": 0, "sales": 1, "other": 0}
    assert len(result.values["datasets"]) == 2
    assert "1 more datasets were not looked at" in result.notes


def test_market_research_tells_content_and_coverage(worker: ResearchWorker, attempt: Path) -> None:
    result = performed(worker, "research.market", attempt, paths=["."])
    found = by_file(result)
    assert found["order_lines.csv"]["covers"] == {"day": ["2025-01-10", "2025-12-10"]}
    old = found["old_customers.parquet"]
    assert old["domain"] == "customer"
    assert old["completeness"] == pytest.approx(1 - 40 / 300)
    city = next(column for column in old["columns"] if column["name"] == "city")
    assert (city["distinct"], city["missing_share"]) == (4, pytest.approx(0.4))
    assert city["top"][0] == {"value": "Bern", "rows": 15}
    # 600 and 300 cells of customers, 2400 of orders.
    assert result.quality == pytest.approx(1 - 40 / 3300)


def test_the_dataset_that_covers_more_with_fewer_gaps_and_is_newer_serves_best(
    worker: ResearchWorker, lake: Path, attempt: Path
) -> None:
    result = performed(worker, "research.competitive", attempt, entity="customer")
    assert result.values["best"] == str(lake / "customers.parquet")
    reasons = {reason["measure"]: (reason["value"], reason["others"]) for reason in result.values["reasons"]}
    assert reasons["coverage"] == (1.0, 0.5)
    assert reasons["completeness"] == (1.0, pytest.approx(1 - 40 / 300))
    assert reasons["freshness"][1] == pytest.approx(0.5**10, rel=0.01)
    assert result.values["against"] == []
    assert result.values["keys"] == 200
    candidates = by_file(result, "candidates")
    assert (candidates["customers.parquet"]["shared"], candidates["old_customers.parquet"]["shared"]) == (0.5, 1.0)


def test_a_dataset_that_only_refers_to_an_entity_does_not_cover_it(
    worker: ResearchWorker, lake: Path, attempt: Path
) -> None:
    passed = performed(worker, "research.competitive", attempt, entity="customer").values["passed_over"]
    assert passed == {str(lake / "order_lines.csv"): "its rows are told apart by order_id, not by customer_id"}


def test_keys_that_are_mistakes_for_others_are_no_coverage(worker: ResearchWorker, lake: Path, attempt: Path) -> None:
    """Visits to forty clinics, once as they are, and once with a letter in some keys, which no one else has then."""
    random, letter = Random(7), re.compile("(?<=^..).")
    towns = [f"{random.choice(CITIES)} {random.randrange(100)}" for _ in range(40)]
    clinics = [(10_000 + 37 * n, f"clinic of {towns[n]}, house {n}", towns[n]) for n in range(40)]
    sound = [clinics[n % 40] for n in range(1000)]
    spoilt = [(letter.sub("x", str(key)) if n % 41 == 0 else key, *rest) for n, (key, *rest) in enumerate(sound)]
    for name, rows in (("sound", sound), ("spoilt", spoilt)):
        text = "\n".join(["clinic_id,label,town", *(f'{key},"{label}",{town}' for key, label, town in rows)])
        (lake / f"{name}_visits.csv").write_text(text + "\n")
    paths = ["sound_visits.csv", "spoilt_visits.csv"]
    result = performed(worker, "research.competitive", attempt, entity="clinic", key="clinic_id", paths=paths)
    assert result.values["best"] == str(lake / "sound_visits.csv")
    assert result.values["keys"] == 40
    assert [reason["measure"] for reason in result.values["reasons"]] == ["soundness"]


@pytest.mark.skipif(DATA is None, reason="CREWLINE_DATA does not say where public tables lie")
def test_of_a_public_table_and_its_spoilt_copy_the_table_serves_best(database: Database, tmp_path: Path) -> None:
    data = Path(str(DATA)) / "hospital"
    worker = ResearchWorker(database, ToolContext(roots=(str(data),)))
    result = performed(
        worker,
        "research.competitive",
        tmp_path,
        entity="hospital",
        key="ProviderNumber",
        paths=["clean.csv", "dirty.csv"],
    )
    assert result.values["best"] == str(data / "clean.csv")
    assert result.values["keys"] == 45


def test_datasets_that_are_alike_have_no_best(worker: ResearchWorker, lake: Path, attempt: Path) -> None:
    for name in ("a", "b"):
        pq.write_table(customers(range(50)), lake / f"{name}_clients.parquet")
    result = performed(
        worker,
        "research.competitive",
        attempt,
        entity="customer",
        paths=["a_clients.parquet", "b_clients.parquet"],
    )
    assert len(result.values["candidates"]) == 2
    assert "best" not in result.values
    assert result.values["reasons"] == result.values["against"] == []


def test_without_a_dataset_of_the_entity_nothing_is_best(worker: ResearchWorker, attempt: Path) -> None:
    result = performed(worker, "research.competitive", attempt, entity="vessel")
    assert (result.values["candidates"], result.quality) == ([], None)
    assert "best" not in result.values


def test_a_file_that_cannot_be_read_is_told_beside_the_others(
    worker: ResearchWorker, lake: Path, attempt: Path
) -> None:
    (lake / "torn.parquet").write_bytes(b"PAR1 and no more")
    result = performed(worker, "research.technical", attempt, paths=["."])
    assert len(result.values["datasets"]) == 3
    assert any("torn.parquet" in note for note in result.notes)
    with pytest.raises(SourceError, match=r"torn\.parquet"):
        performed(worker, "research.technical", attempt, paths=["torn.parquet"])


def test_what_is_above_the_clearance_or_outside_of_the_roots_is_not_looked_at(
    worker: ResearchWorker, lake: Path, database: Database, attempt: Path
) -> None:
    crawl(str(lake), database)
    annotate(database, "customers", {"classification": "restricted"})
    result = performed(worker, "research.technical", attempt, query="customer")
    assert "customers.parquet" not in by_file(result)
    assert "1 datasets are above the clearance" in result.notes
    for path in ("customers.parquet", "/etc"):
        with pytest.raises(Refused):
            performed(worker, "research.market", attempt, paths=[path])


@pytest.mark.parametrize(
    ("kind", "payload", "told"),
    [
        ("technical", {}, "give either query or paths"),
        ("technical", {"query": "a", "paths": ["b"]}, "give either query or paths"),
        ("market", {"query": "a", "domains": []}, "domains: "),
        ("market", {"query": "a", "max_datasets": 1000}, "max_datasets: "),
        ("competitive", {}, "entity: "),
        ("competitive", {"entity": "?!"}, "there is no word in it"),
    ],
)
def test_a_payload_that_cannot_be_worked_with_is_told_by_its_field(
    worker: ResearchWorker, attempt: Path, kind: str, payload: dict[str, Any], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        performed(worker, f"research.{kind}", attempt, **payload)


def test_a_stop_ends_research(worker: ResearchWorker, attempt: Path) -> None:
    stop = Stop()
    stop.request("the run stops")
    with pytest.raises(Interrupted):
        performed(worker, "research.market", attempt, stop, query="customer")
    assert list(attempt.glob("*")) == []
