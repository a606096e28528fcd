"""Runs as OpenLineage events: what they say, and that they get to where they are sent."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from openlineage.client.serde import Serde

from core import crashpoint, journal
from core import run as runs
from core.errors import RunHeld, RunNotFound, StoreUnavailable, WorkError
from core.lease import claim
from core.stop import Stop
from core.store import Database
from flows import DataPipelineFlow, RunReport
from tests import shop
from tests.deadline import until
from tools.orchestration.openlineage import facets
from tools.orchestration.openlineage.events import events, identity
from tools.orchestration.openlineage.places import of_path
from tools.orchestration.openlineage.sending import send

SCHEMA = Path(__file__).parent.parent / "docs" / "openlineage" / "1-0-0" / "RowAccountingRunFacet.json"


def run(document: Path, database: Database, **options: Any) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database, **options).kickoff()
    return report


def told(database: Database, run_id: str) -> list[dict[str, Any]]:
    return [json.loads(Serde.to_json(event)) for event in events(database, run_id)]


def of_job(told: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in told if event["job"]["name"] == name]


class Server:
    """A server that takes events, or refuses them once it has taken so many."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.paths: set[str] = set()
        self.keys: set[str | None] = set()
        self.patience = 10_000
        self.url = ""


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            accepted = len(server.taken) < server.patience
            if accepted:
                server.taken.append(json.loads(body))
                server.paths.add(self.path)
                server.keys.add(self.headers.get("Authorization"))
            self.send_response(201 if accepted else 400)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: Any) -> None:
            """Tests say by themselves what went wrong."""

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    server.url = f"http://127.0.0.1:{http.server_address[1]}"
    try:
        yield server
    finally:
        http.shutdown()
        thread.join()
        http.server_close()


def test_a_run_is_told_by_events_that_begin_and_end_each_of_its_jobs_once(tmp_path: Path, database: Database) -> None:
    """Each end has an account, of the form that this repository publishes at the address which the facet gives."""
    report = run(shop.build(tmp_path / "shop"), database)
    found = told(database, report.run_id)
    states: dict[str, list[str]] = {}
    for event in found:
        states.setdefault(event["run"]["runId"], []).append(event["eventType"])
    assert set(map(tuple, states.values())) == {("START", "COMPLETE")}
    assert [event["eventTime"] for event in found] == sorted(event["eventTime"] for event in found)
    assert (found[0]["run"]["runId"], found[-1]["run"]["runId"]) == (identity(report.run_id),) * 2
    # The gate enhanced: what builds on the validation of orders was done twice.
    jobs = Counter(event["job"]["name"] for event in found)
    assert (jobs["shop"], jobs["shop.ingestion.orders.0"], jobs["shop.validation.orders.0"]) == (2, 2, 4)
    assert all(
        event["run"]["facets"]["parent"]["run"]["runId"] == identity(report.run_id)
        for event in found
        if event["job"]["name"] != "shop"
    )
    assert {event["producer"] for event in found} == {facets.PRODUCER}
    schema = json.loads(SCHEMA.read_text())
    accounts = [e["run"]["facets"]["crewline_rowAccounting"] for e in found if e["eventType"] == "COMPLETE"]
    for account in accounts:
        jsonschema.validate({"crewline_rowAccounting": account}, schema)
        assert account["_schemaURL"] == f"{schema['$id']}#/$defs/RowAccountingRunFacet"
        assert account["rowsIn"] == sum(account[k] for k in ("rowsOut", "quarantined", "merged", "filtered", "held"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"crewline_rowAccounting": accounts[0] | {"rowsIn": -1}}, schema)
    assert told(database, report.run_id) == found


def test_the_last_event_of_a_run_says_what_came_in_what_was_published_and_where_each_row_went(
    tmp_path: Path, database: Database
) -> None:
    report = run(shop.build(tmp_path / "shop"), database)
    found = told(database, report.run_id)
    last = of_job(found, "shop")[-1]
    assert last["eventType"] == "COMPLETE"
    orders, products = last["inputs"]
    assert (orders["namespace"], orders["name"]) == ("file", f"{tmp_path}/shop/data/orders-*.csv")
    assert (products["namespace"], products["name"]) == ("file", f"{tmp_path}/shop/data/products.jsonl")
    amount = orders["facets"]["schema"]["fields"][3]
    assert (amount["name"], amount["type"], amount["ordinal_position"]) == ("amount", "decimal(10,2)", 4)
    read = [source["inputFacets"]["inputStatistics"] for source in (orders, products)]
    assert sum(statistics["rowCount"] for statistics in read) == report.records.rows_in
    assert [statistics["fileCount"] for statistics in read] == [2, 1]
    scores = {a["assertion"]: a for a in orders["inputFacets"]["dataQualityAssertions"]["assertions"]}
    assert scores["consistency"]["expected"] == ">= 0.98"
    assert scores["consistency"]["success"] == (float(scores["consistency"]["actual"]) >= 0.98)
    [output] = last["outputs"]
    assert (output["namespace"], output["name"]) == ("file", f"{tmp_path}/shop/out/revenue")
    assert output["facets"]["version"]["datasetVersion"].startswith(report.run_id)
    assert [field["name"] for field in output["facets"]["schema"]["fields"]] == ["category", "orders", "revenue"]
    lineage = output["facets"]["columnLineage"]
    [revenue] = lineage["fields"]["revenue"]["inputFields"]
    assert (revenue["name"], revenue["field"]) == (orders["name"], "amount")
    assert revenue["transformations"][0]["type"] == "DIRECT"
    assert lineage["fields"]["orders"]["inputFields"] == []
    assert {
        (field["name"], field["field"], field["transformations"][0]["subtype"]) for field in lineage["dataset"]
    } >= {(orders["name"], "product", "JOIN"), (products["name"], "category", "GROUP_BY")}
    account = last["run"]["facets"]["crewline_rowAccounting"]
    assert (account["rowsIn"], account["rowsOut"]) == (report.records.rows_in, report.records.out)
    validation = of_job(found, "shop.validation.orders.0")[1]
    checks = {a["name"]: a for a in validation["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]}
    declared = {"not_null(amount)", "between(amount)", "unique(id)"}
    assert declared < checks.keys(), "types are checked without being declared"
    assert not checks["unique(id)"]["success"]
    assert checks["unique(id)"]["actual"] != "0 rows fail"


def test_a_run_that_fails_is_told_to_have_failed_and_why(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    report = run(document, database, listener=shop.spoiling(tmp_path / "shop"))
    found = told(database, report.run_id)
    task = of_job(found, "shop.ingestion.products.0")[-1]
    assert task["eventType"] == "FAIL"
    assert "products.jsonl is gone" in task["run"]["facets"]["errorMessage"]["message"]
    assert (found[-1]["job"]["name"], found[-1]["eventType"], found[-1]["outputs"]) == ("shop", "FAIL", [])
    assert found[-1]["run"]["facets"]["crewline_rowAccounting"]["held"] == report.records.held > 0
    assert "rowCount" not in found[-1]["inputs"][1]["inputFacets"]["inputStatistics"]


def test_an_interrupted_run_is_aborted_and_starts_again_under_its_id(tmp_path: Path, database: Database) -> None:
    stop = Stop()

    def listener(event: journal.Event) -> None:
        if event.kind == "step.committed" and (event.step or "").startswith("validation/"):
            stop.request("test")

    document = shop.build(tmp_path / "shop")
    with pytest.raises(Exception, match="test"):
        run(document, database, stop=stop, listener=listener)
    run_id = runs.newest(database)[0].run_id
    before = told(database, run_id)
    assert [event["eventType"] for event in of_job(before, "shop")] == ["START", "ABORT"]
    DataPipelineFlow(run_id=run_id, database=database).kickoff()
    after = told(database, run_id)
    assert after[: len(before)] == before
    assert [event["eventType"] for event in of_job(after, "shop")] == ["START", "ABORT", "START", "COMPLETE"]


def test_an_attempt_that_ended_with_its_process_is_aborted_when_the_next_one_starts(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a kill: the attempt began, and nobody recorded its end."""

    def hook(name: str) -> None:
        if name == "step.begin.after validation/orders/0":
            raise StoreUnavailable("killed")

    monkeypatch.setattr(crashpoint, "hook", hook)
    with pytest.raises(StoreUnavailable):
        run(shop.build(tmp_path / "shop"), database)
    monkeypatch.undo()
    run_id = runs.newest(database)[0].run_id

    def resumed() -> bool:
        with suppress(RunHeld):
            DataPipelineFlow(run_id=run_id, database=database).kickoff()
            return True
        return False

    until(resumed)
    of_task = of_job(told(database, run_id), "shop.validation.orders.0")
    assert [event["eventType"] for event in of_task][:4] == ["START", "ABORT", "START", "COMPLETE"]
    assert of_task[0]["run"]["runId"] == of_task[1]["run"]["runId"] != of_task[2]["run"]["runId"]


@pytest.fixture
def ended(database: Database, run_id: str) -> str:
    """A run that began and failed at once."""
    claim(database, run_id, lease_s=60).release("failed", error="no room")
    return run_id


def test_events_are_sent_to_a_server(database: Database, ended: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
    with serving() as server:
        sent = send(database, ended, server.url)
    assert server.taken == told(database, ended)
    assert [event["eventType"] for event in server.taken] == ["START", "FAIL"]
    assert server.taken[1]["run"]["facets"]["errorMessage"]["message"] == "no room"
    assert (sent.events, server.paths, server.keys) == (2, {"/api/v1/lineage"}, {"Bearer secret"})


def test_what_a_server_refused_can_all_be_sent_again_and_the_run_is_not_touched(database: Database, ended: str) -> None:
    before = runs.get(database, ended)
    with serving() as server:
        server.patience = 1
        with pytest.raises(WorkError, match="Of 2 events of run small-1, 1 were delivered") as caught:
            send(database, ended, server.url)
        assert "sent again" in caught.value.remedy
        server.patience = 10_000
        send(database, ended, server.url)
        assert server.taken[1:] == told(database, ended)
        assert server.taken[0] == server.taken[1]
    assert runs.get(database, ended) == before


def test_events_are_appended_to_a_file_one_a_line(tmp_path: Path, database: Database, ended: str) -> None:
    file = tmp_path / "lineage.jsonl"
    for _ in range(2):
        send(database, ended, str(file))
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines == told(database, ended) * 2
    with pytest.raises(WorkError, match="0 were delivered"):
        send(database, ended, str(tmp_path))
    with pytest.raises(RunNotFound):
        send(database, "nobody", str(file))


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("data/orders.csv", ("file", "/base/data/orders.csv")),
        ("/data/orders.csv", ("file", "/data/orders.csv")),
        ("s3://lake/raw/orders.csv", ("s3://lake", "raw/orders.csv")),
    ],
)
def test_places_are_named_as_the_specification_says(path: str, place: tuple[str, str]) -> None:
    assert of_path(path, "/base") == place
