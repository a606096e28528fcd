"""Discovery as a whole: several sources at once, what can be joined, who may see what, and how long an answer holds."""

import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from typer.testing import CliRunner

from core.classification import Classification
from core.errors import Refused
from core.settings import Settings
from core.store import Database
from crewline.cli import app
from tests.web import Server
from tools import DataDiscoveryTool, ToolContext
from tools.discovery import Discovery, DiscoveryRequest, annotate, crawl, discover
from tools.discovery.compatibility import Join

ALL: dict[str, Any] = {"source_types": [], "domains": [], "quality_threshold": 0}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Customers, and orders of them: two of fifty orders name no customer that there is."""
    folder = tmp_path / "lake"
    folder.mkdir()
    customers = pa.table({"id": range(40), "email": [f"c{n}@shop.example" for n in range(40)]})
    pq.write_table(customers, folder / "customers.parquet")
    keys = [n % 40 for n in range(48)] + [901, 902]
    orders = pa.table({"order_id": range(50), "customer_id": keys, "price": [n / 2 for n in range(50)]})
    pq.write_table(orders, folder / "customer_orders.parquet")
    (folder / "weather.csv").write_text("day,degrees\n2025-01-01,3\n2025-01-02,\n")
    return folder


@pytest.fixture
def context(lake: Path) -> ToolContext:
    return ToolContext(roots=(str(lake),), clearance=Classification.CONFIDENTIAL)


def ask(query: str, context: ToolContext, database: Database, **fields: Any) -> Discovery:
    return discover(DiscoveryRequest.model_validate({"query": query, **ALL, **fields}), context, database)


def names(answer: Discovery) -> list[str]:
    return [dataset.description.name for dataset in answer.datasets]


def test_roots_that_nobody_has_crawled_are_crawled_and_the_answer_is_whole(
    context: ToolContext, database: Database
) -> None:
    answer = ask("customer", context, database)
    assert names(answer) == ["customer_orders", "customers"]
    assert (answer.found, answer.matched, answer.withheld, answer.failures) == (2, "all", 0, [])
    assert answer.distributions.by_source == {"data_lake": 2}
    assert answer.distributions.by_quality == {"high": 2}
    assert (answer.quality.mean, answer.quality.measured, answer.quality.unknown) == (1, 2, 0)
    best, second = answer.datasets
    assert (best.description.rows, second.description.rows) == (50, 40)
    assert best.metrics.schema_completeness == 1
    assert best.metrics.processing_complexity is not None
    assert best.metrics.integration_difficulty == pytest.approx((0.25 + 0 + 1) / 3)
    assert best.score >= second.score


def test_the_defaults_are_those_of_a_data_engineer_and_say_what_they_leave_out(
    context: ToolContext, database: Database
) -> None:
    """Lakes, warehouses and streams; customers, products and transactions; a completeness of 0.8."""
    answer = discover(DiscoveryRequest(query="degrees"), context, database)
    assert (names(answer), answer.left_out) == ([], {"source_types": 1, "domains": 1, "quality_threshold": 1})
    assert names(discover(DiscoveryRequest(query="customer"), context, database)) == ["customer_orders", "customers"]


def test_what_joins_is_told_with_the_share_of_values_that_were_found(context: ToolContext, database: Database) -> None:
    """`customer_id` names the `id` of customers; of its 42 values 40 are there."""
    (join,) = ask("customer", context, database).compatibility
    assert (Path(join.left).name, join.left_column) == ("customer_orders.parquet", "customer_id")
    assert (Path(join.right).name, join.right_column) == ("customers.parquet", "id")
    assert (join.type, join.evidence) == ("integer", "name and type")
    assert (join.containment, join.sampled, join.right_whole) == (pytest.approx(40 / 42), 42, True)


def test_columns_of_one_name_that_share_no_values_or_no_type_do_not_join(
    lake: Path, context: ToolContext, database: Database
) -> None:
    pq.write_table(pa.table({"customer_id": [70_000, 70_001]}), lake / "customer_a.parquet")
    pq.write_table(pa.table({"customer_id": ["x", "y"]}), lake / "customer_b.parquet")
    joins = ask("customer", context, database).compatibility
    assert [(Path(join.left).name, Path(join.right).name) for join in joins] == [
        ("customer_orders.parquet", "customers.parquet")
    ]


def test_a_column_that_is_called_like_a_dataset_joins_with_its_key(
    lake: Path, context: ToolContext, database: Database
) -> None:
    """`customer` of the calls names the `id` of customers, `shop` the `sho_no` of shops;
    `customer` of the shops shares no values."""
    pq.write_table(pa.table({"customer": [1, 2, 3], "shop": [7, 8, 7]}), lake / "customer_calls.parquet")
    pq.write_table(pa.table({"sho_no": [7, 8, 9], "customer": [90_000, 90_001, 90_002]}), lake / "shops.parquet")
    crawl(str(lake), database)
    joins = ask("*", context, database).compatibility
    found = {(Path(j.left).stem, j.left_column, Path(j.right).stem, j.right_column): j.containment for j in joins}
    assert found == {
        ("customer_orders", "customer_id", "customers", "id"): pytest.approx(40 / 42),
        ("customer_calls", "customer", "customers", "id"): 1,
        ("customer_calls", "shop", "shops", "sho_no"): 1,
    }


def test_a_column_may_say_what_the_other_dataset_is_to_its_rows(
    lake: Path, context: ToolContext, database: Database
) -> None:
    """Two teams of a match; the city of a match, of which the dataset is called in the plural."""
    matches = {"home_team": [1, 2, 3], "away_team_id": [2, 3, 1], "city": ["Rome", "Oslo", "Rome"], "gate": [9, 8, 7]}
    pq.write_table(pa.table(matches), lake / "matches.parquet")
    pq.write_table(pa.table({"team_id": [1, 2, 3], "gate": [9, 8, 8]}), lake / "teams.parquet")
    pq.write_table(pa.table({"city": ["Oslo", "Rome"], "country": ["Norway", "Italy"]}), lake / "cities.parquet")
    crawl(str(lake), database)
    found = {(Path(j.left).stem, j.left_column, Path(j.right).stem, j.right_column) for j in joins(context, database)}
    assert found == {
        ("customer_orders", "customer_id", "customers", "id"),
        ("matches", "home_team", "teams", "team_id"),
        ("matches", "away_team_id", "teams", "team_id"),
        ("matches", "city", "cities", "city"),
        ("teams", "gate", "matches", "gate"),
    }


def test_columns_of_one_name_that_is_no_keys_join_where_one_side_tells_its_rows_apart(
    lake: Path, context: ToolContext, database: Database
) -> None:
    sales = {"product": ["tea", "rum", "tea"], "state": ["paid", "paid", "due"], "paid": [1.5, 2.5, 3.5]}
    pq.write_table(pa.table(sales), lake / "sales.parquet")
    prices = {"product": ["rum", "tea", "ale"], "state": ["paid", "due", "paid"], "paid": [1.5, 2.5, 3.5]}
    pq.write_table(pa.table(prices), lake / "prices.parquet")
    crawl(str(lake), database)
    found = {(Path(j.left).stem, j.left_column, Path(j.right).stem, j.right_column) for j in joins(context, database)}
    assert found - {("customer_orders", "customer_id", "customers", "id")} == {
        ("sales", "product", "prices", "product")
    }


def joins(context: ToolContext, database: Database) -> list[Join]:
    return ask("*", context, database).compatibility


def test_declared_keys_and_samples_join_across_a_warehouse_a_duckdb_file_and_a_lake(
    lake: Path, database: Database, database_url: str
) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA shop")
        connection.execute("CREATE TABLE shop.customers (id bigint PRIMARY KEY)")
        connection.execute("CREATE TABLE shop.visits (customer_id bigint REFERENCES shop.customers)")
        connection.execute("INSERT INTO shop.customers SELECT n FROM generate_series(0, 39) n")
        connection.execute("INSERT INTO shop.visits SELECT n FROM generate_series(0, 39) n")
        connection.execute("ANALYZE shop.customers; ANALYZE shop.visits")
    with duckdb.connect(str(lake / "calls.duckdb")) as connection:
        connection.execute("CREATE TABLE customer_calls AS SELECT range AS customer_id FROM range(20)")
    parts = conninfo_to_dict(database_url)
    url = f"postgresql://{parts['user']}@/{parts['dbname']}?host={parts['host']}"
    context = ToolContext(roots=(str(lake), str(lake / "calls.duckdb"), url))
    crawl(str(lake / "calls.duckdb"), database)
    answer = ask("customer", context, database)
    found = {
        (join.left.rpartition("/")[2], join.right.rpartition("/")[2], join.evidence, join.containment)
        for join in answer.compatibility
    }
    assert {
        ("shop.visits", "shop.customers", "foreign key", 1.0),
        ("main.customer_calls", "customers.parquet", "name and type", 1.0),
        ("main.customer_calls", "shop.customers", "name and type", 1.0),
        ("customer_orders.parquet", "shop.customers", "name and type", 40 / 42),
    } <= found
    assert answer.compatibility[0].evidence == "foreign key"


def test_one_failing_source_is_told_beside_the_answers_of_the_others(
    lake: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that hangs, one that fails, a folder that is not there, a torn file, a database that is down."""
    monkeypatch.setattr("tools.discovery.adapters.web._PATIENCE_S", 0.3)
    (lake / "torn.parquet").write_bytes(b"PAR1PAR1")
    with Server({"/slow": None, "/broken": 500}) as server:
        roots = (
            str(lake),
            f"{server.url}/slow",
            f"{server.url}/broken",
            str(lake.parent / "none"),
            "postgresql://me:secret@127.0.0.1:1/none",
            "gopher://host/data",
        )
        answer = ask("customer", ToolContext(roots=roots), database)
    assert names(answer) == ["customer_orders", "customers"]
    told = {failure.part or failure.source for failure in answer.failures}
    assert told == {
        str(lake / "torn.parquet"),
        f"{server.url}/slow",
        f"{server.url}/broken",
        str(lake.parent / "none"),
        "postgresql://me@127.0.0.1:1/none",
        "gopher://host/data",
    }
    assert "secret" not in answer.model_dump_json()


@pytest.mark.parametrize("times", [1, 3])
def test_servers_that_drip_take_none_of_the_answer_of_the_others(lake: Path, database: Database, times: int) -> None:
    documents = {f"/drip{n}": ... for n in range(times)}
    with Server(dict(documents)) as server:
        urls = [server.url + path for path in documents]
        # Less than the patience with one document.
        context = ToolContext(roots=(str(lake), *urls), timeout_s=2)
        answer = ask("customer", context, database)
    assert names(answer) == ["customer_orders", "customers"]
    assert {failure.source for failure in answer.failures} == set(urls)
    assert all("not through after 1.6 s" in failure.reason for failure in answer.failures)


def test_what_of_a_url_may_be_a_secret_is_neither_told_nor_kept(
    lake: Path, database: Database, configuration: Settings
) -> None:
    """It is used: the document comes only to who has the key."""
    document = {"openapi": "3.1.0", "paths": {}}
    with Server({"/api.json?key=s3cr3t": json.dumps(document), "/broken?key=s3cr3t": 500}) as server:
        assert crawl(f"{server.url}/api.json?key=s3cr3t", database).source == f"{server.url}/api.json"
        urls = [f"{server.url}/broken?key=s3cr3t", "s3://bucket?key=s3cr3t", "gopher://me:s3cr3t@host"]
        shown = CliRunner().invoke(app, ["crawl", "--json", *urls])
        answer = ask("customer", ToolContext(roots=(str(lake), *urls)), database)
    assert (shown.exit_code, len(json.loads(shown.stdout)["failed"]), len(answer.failures)) == (1, 3, 3)
    tool = DataDiscoveryTool(context=ToolContext(roots=(str(lake), *urls)))
    with pytest.raises(Refused) as refused:
        tool.context.path("s3://other?key=s3cr3t")
    kept = [
        str(database.query(f"SELECT * FROM {table}"))
        for table in ("catalog_sources", "catalog_pieces", "catalog_datasets", "catalog_answers", "journal")
    ]
    assert "s3cr3t" not in "".join((shown.output, answer.model_dump_json(), str(refused.value), *kept))


def test_a_query_without_words_finds_everything_and_says_so(context: ToolContext, database: Database) -> None:
    for query in ("???", "the", "*"):
        answer = ask(query, context, database)
        assert (sorted(names(answer)), answer.matched) == (["customer_orders", "customers", "weather"], "everything")


def test_thousands_of_columns_are_compared_in_seconds(lake: Path, context: ToolContext, database: Database) -> None:
    """Each with each would be nine million comparisons for every two datasets."""
    for name in "ab":
        pq.write_table(pa.table({f"part{n}_id": [n] for n in range(3000)}), lake / f"customer_wide_{name}.parquet")
    crawl(str(lake), database)
    began = time.monotonic()
    answer = ask("wide", context, database)
    assert time.monotonic() - began < 5
    assert [dataset.columns for dataset in answer.datasets] == [3000, 3000]
    assert len(answer.compatibility) == 50
    assert all(join.left_column == join.right_column and join.containment == 1 for join in answer.compatibility)


def test_columns_that_come_with_later_files_are_compared_too(
    lake: Path, context: ToolContext, database: Database
) -> None:
    """No file of the visits has both of the columns that join."""
    pq.write_table(pa.table({"customer_id": [1, 2]}), lake / "customer_visits_1.parquet")
    pq.write_table(pa.table({"order_id": [3, 4]}), lake / "customer_visits_2.parquet")
    joins = ask("customer", context, database).compatibility
    assert {join.left_column for join in joins if "visits" in join.left} == {"customer_id", "order_id"}


def test_what_is_above_the_clearance_is_counted_and_never_named(
    lake: Path, context: ToolContext, database: Database
) -> None:
    """Neither as a dataset, nor as one that another refers to or joins with, nor as a file that could not be read."""
    crawl(str(lake), database)
    annotate(database, "customers", {"classification": "restricted"})
    (lake / "customers.parquet").write_bytes(b"PAR1PAR1")
    crawl(str(lake), database)
    answer = ask("customer", context, database)
    assert (names(answer), answer.found, answer.withheld) == (["customer_orders"], 1, 1)
    assert "customers.parquet" not in answer.model_dump_json()
    cleared = context.model_copy(update={"clearance": Classification.RESTRICTED})
    assert "customers.parquet" in ask("customer", cleared, database).model_dump_json()


def test_a_foreign_key_to_what_is_above_the_clearance_is_not_told(lake: Path, database: Database) -> None:
    path = lake / "shop.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE people (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE visits (person_id INTEGER REFERENCES people (id))")
    crawl(str(path), database)
    annotate(database, "people", {"classification": "restricted"})
    answer = ask("visits", ToolContext(roots=(str(path),)), database)
    assert names(answer) == ["visits"]
    assert answer.datasets[0].description.foreign_keys == ()


def test_what_is_outside_of_the_roots_is_not_found_nor_reached_by_a_link(
    lake: Path, database: Database, tmp_path: Path
) -> None:
    crawl(str(tmp_path), database)
    (tmp_path / "mine").mkdir()
    assert names(ask("customer", ToolContext(roots=(str(tmp_path / "mine"),)), database)) == []
    pq.write_table(pa.table({"id": [1]}), tmp_path / "mine" / "customer_copy.parquet")
    crawl(str(tmp_path), database)
    inside = ToolContext(roots=(str(tmp_path / "mine"),))
    assert names(ask("customer", inside, database)) == ["customer_copy"]
    (tmp_path / "mine" / "customer_copy.parquet").unlink()
    (tmp_path / "mine" / "customer_copy.parquet").symlink_to(lake / "customers.parquet")
    assert names(ask("customer copies", inside, database, max_results=5)) == []


def test_an_answer_is_kept_until_the_catalog_changes(lake: Path, context: ToolContext, database: Database) -> None:
    first = ask("customer", context, database)
    second = ask("customer", context, database)
    assert (first.cached, second.cached) == (False, True)
    assert second.model_copy(update={"cached": False}) == first
    other = context.model_copy(update={"clearance": Classification.PUBLIC})
    assert not ask("customer", other, database).cached
    annotate(database, "customers", {"owner": "sales"})
    third = ask("customer", context, database)
    assert not third.cached
    assert [dataset.annotations.owner for dataset in third.datasets] == [None, "sales"]


def test_an_answer_is_kept_no_longer_than_its_datasets_are_fresh(
    lake: Path, context: ToolContext, database: Database
) -> None:
    """One that changed 59.5 seconds ago is within the last minute now, and soon is not."""
    os.utime(lake / "customers.parquet", (time.time() - 59, time.time() - 59))
    crawl(str(lake), database)
    first = ask("email", context, database, freshness="last_1_minute")
    assert names(first) == ["customers"]
    (kept,) = database.query("SELECT expires_at FROM catalog_answers")
    changed = first.datasets[0].description.updated_at
    assert changed is not None
    assert (kept["expires_at"] - changed).total_seconds() == pytest.approx(60)


def test_a_freshness_has_sources_crawled_again_that_were_crawled_before_it(
    lake: Path, context: ToolContext, database: Database
) -> None:
    crawl(str(lake), database)
    (lake / "customers_new.parquet").write_bytes((lake / "customers.parquet").read_bytes())
    assert "customers_new" not in names(ask("customer", context, database, freshness="last_24_hours"))
    database.transaction(lambda c: c.execute("UPDATE catalog_sources SET crawled_at = now() - interval '25 hours'"))
    assert "customers_new" in names(ask("customer", context, database, freshness="last_24_hours"))
    assert ask("customer", context, database).crawled_at is not None


def test_what_has_not_changed_within_the_freshness_is_left_out(
    lake: Path, context: ToolContext, database: Database
) -> None:
    os.utime(lake / "customers.parquet", (0, 0))
    answer = ask("customer", context, database, freshness="last_7_days")
    assert names(answer) == ["customer_orders"]
    assert answer.left_out == {"freshness": 1}
    assert ask("email", context, database).datasets[0].description.updated_at == datetime.fromtimestamp(0, UTC)


def test_governance_asks_for_owners_classification_and_more_where_people_are_concerned(
    context: ToolContext, database: Database
) -> None:
    before = ask("customer", context, database)
    assert before.governance.share == 0
    judged = {dataset.description.name: dataset.governance for dataset in before.datasets}
    assert judged["customers"].personal_columns == ("email",)
    assert judged["customer_orders"].problems == ("no owner", "not classified")
    said = {"owner": "sales", "classification": "internal", "retention": "2 years", "compliance_tags": "gdpr"}
    annotate(database, "customer_orders", {"owner": "sales", "classification": "internal"})
    annotate(database, "customers", said)
    between = ask("customer", context, database)
    assert between.governance.problems == {"personal data below confidential": 1}
    annotate(database, "customers", {"classification": "confidential"})
    assert ask("customer", context, database).governance.share == 1


def test_words_of_which_no_dataset_has_all_are_looked_for_one_by_one(context: ToolContext, database: Database) -> None:
    answer = ask("weather emails", context, database)
    assert (sorted(names(answer)), answer.matched) == (["customers", "weather"], "any")


def test_an_agent_gets_json_and_what_it_may_not_ask_as_a_short_error(context: ToolContext, database: Database) -> None:
    tool = DataDiscoveryTool(context=context)
    try:
        answer = json.loads(tool.run(query="customer", domains=[], source_types=["data_lake"]))
        assert [dataset["description"]["name"] for dataset in answer["datasets"]] == ["customer_orders", "customers"]
        for wrong in ({"query": ""}, {"query": "x", "roots": ["/"]}, {"query": "x", "freshness": "yesterday"}):
            error = json.loads(tool.run(**wrong))["error"]
            assert error["kind"] == "InvalidArguments"
            assert len(error["message"]) < 400
    finally:
        tool.close()


# No JSON that a model writes holds more than this.
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    arguments=st.fixed_dictionaries(
        {"query": st.text(max_size=60) | _values},
        optional=dict.fromkeys(("max_results", "source_types", "quality_threshold", "domains"), _values)
        | {"freshness": st.sampled_from(["last_24_hours", "last_0_days", "last_9999_months", "last"]) | _values},
    )
)
def test_whatever_is_asked_is_answered_in_json_within_the_bounds(
    arguments: dict[str, Any], context: ToolContext, database: Database
) -> None:
    tool = DataDiscoveryTool(context=context)
    tool._database = database
    answer = json.loads(tool.run(**arguments))
    assert "datasets" in answer or set(answer) == {"error"}
