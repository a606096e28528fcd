"""Runs that change their plan before they try again what failed, and say what they change, and why."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core import journal
from core.errors import DataError, EngineError, OutOfMemory
from core.settings import Settings
from core.store import Database
from core.task import Stage, Task
from crewline.cli import app
from crews import Work
from flows.audit import audit
from flows.pipeline import DataPipelineFlow
from tests.faulty_agents import Given, Worker

SPEC = """
name: sales
complexity: simple
sources: {sales: {kind: csv, path: sales.csv, columns: {id: integer, city: string, amount: integer}}}
validation: {sales: [{check: not_null, column: city}]}
transformation:
  sales: [{rule: derive, columns: {double: amount * 2}}, {rule: filter, where: "city <> 'Rome'"}]
aggregation: {dataset: sales, group_by: [city], aggregates: {sales: count(*), amount: sum(double)}}
target: {path: out/sales}
gate: {publish: 0.5, enhance: 0.5, critical_margin: 1}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    rows = [f"{number},{('Oslo', 'Rome', 'Kyiv')[number % 3]},{number}" for number in range(90)]
    (tmp_path / "sales.csv").write_text("\n".join(["id,city,amount", *rows, "90,,1", ""]))
    path = tmp_path / "sales.yaml"
    path.write_text(SPEC)
    return path


def run(document: Path, database: Database, worker: Worker) -> DataPipelineFlow:
    return DataPipelineFlow(document, database=database, agents=[worker], assigner=Given(worker))


def told(database: Database, run_id: str, kind: str) -> list[str]:
    events = journal.events(database, run_id, kind=kind)
    return [event.data.get("change") or event.data["reason"] for event in events]


def out_of_memory(task: Task, work: Work) -> None:
    """Half of the rows are as many as it can take."""
    if sum(ref.rows for ref in work.inputs) / task.shards > 50:
        raise OutOfMemory("Too little memory.")


def test_what_is_short_of_memory_runs_alone_then_in_pieces_and_comes_to_the_same(
    document: Path, database: Database, configuration: Settings
) -> None:
    worker = Worker("worker", out_of_memory)
    flow = run(document, database, worker)
    report = flow.kickoff()
    assert (report.status, report.route) == ("published", "retry,retry")
    assert told(database, flow.run_id, "replan.made") == [
        "transformation/sales/0 is done alone on the machine, as it failed for want of memory",
        "transformation/sales/0 is done in 2 pieces, as it failed for want of memory",
    ]
    published = pq.read_table(document.parent / "out" / "sales").to_pylist()
    assert sorted((row["city"], row["sales"], row["amount"]) for row in published) == [
        ("Kyiv", 30, 2 * sum(range(2, 90, 3))),
        ("Oslo", 30, 2 * sum(range(0, 90, 3))),
    ]
    assert (report.records.rows_in, report.records.filtered, report.records.quarantined) == (91, 30, 1)
    assert audit(database, flow.run_id, configuration).balanced
    # What was done is not done again.
    started = [event.step for event in journal.events(database, flow.run_id, kind="step.started")]
    assert (started.count("ingestion/sales/0"), started.count("validation/sales/0")) == (1, 1)
    assert started.count("transformation/sales/0") == 3
    shown = CliRunner().invoke(app, ["status", flow.run_id]).output
    assert "replan.analysed" in shown
    assert "failure resource" in shown
    assert "is done in 2 pieces" in shown


def test_what_an_agent_cannot_do_is_given_to_another_as_the_policy_allows(document: Path, database: Database) -> None:
    def lost(task: Task, work: Work) -> None:
        raise EngineError("The agent is at a loss.")

    worker = Worker("worker", lost)
    flow = run(document, database, worker)
    report = flow.kickoff()
    assert (report.status, report.route) == ("published", "retry")
    assert told(database, flow.run_id, "replan.made") == [
        "transformation/sales/0 is given to transformation_agent, as it failed for want of an agent that can do it"
    ]
    assert len(worker.seen) == 1
    allowed = journal.events(database, flow.run_id, kind="delegation.allowed")
    assert allowed[-1].data["delegate"] == "transformation_agent"


def test_where_nothing_is_left_to_change_the_run_fails_and_says_what_that_would_have_needed(
    document: Path, database: Database
) -> None:
    """The data is as wrong for everybody; and a whole that cannot be parted stays too large."""

    def wrong(task: Task, work: Work) -> None:
        raise DataError("12 has no room in its type.")

    flow = run(document, database, Worker("worker", wrong))
    assert flow.kickoff().status == "failed"
    (reason,) = told(database, flow.run_id, "replan.refused")
    assert "rescue(transformation/sales/0)" in reason
    (analysed,) = journal.events(database, flow.run_id, kind="replan.analysed")
    assert analysed.data == {"failure": "data", "reason": "12 has no room in its type."}

    def too_large(task: Task, work: Work) -> None:
        raise OutOfMemory("Too little memory.")

    whole = run(document, database, Worker("worker", too_large, Stage.AGGREGATION))
    assert whole.kickoff().status == "failed"
    assert told(database, whole.run_id, "replan.made") == [
        "aggregation/sales/0 is done alone on the machine, as it failed for want of memory"
    ]


def test_what_a_round_needs_is_looked_at_before_it_begins(document: Path, database: Database) -> None:
    def gone(task: Task, work: Work) -> None:
        (document.parent / "sales.csv").unlink(missing_ok=True)
        raise OutOfMemory("Too little memory.")

    flow = run(document, database, Worker("worker", gone, Stage.INGESTION))
    assert flow.kickoff().status == "failed"
    (reason,) = told(database, flow.run_id, "replan.unmet")
    assert reason == f"ingestion/sales/0 needs {document.parent / 'sales.csv'}, which is gone"


@pytest.mark.parametrize(
    ("february", "how"),
    [
        (b"id;city;amount\n3;Oslo;4\n4;Kyiv;5\n", "delimiter ';'"),
        ("id\tcity\tamount\n3\tOslo\t4\n4\tKyiv\t5\n".encode("utf-16"), "delimiter '\\t' and encoding 'utf-16'"),
    ],
    ids=("semicolons", "tabs in UTF-16"),
)
def test_a_file_that_is_written_otherwise_than_the_others_is_read_as_it_is_written(
    tmp_path: Path, database: Database, configuration: Settings, february: bytes, how: str
) -> None:
    """Its header tells: by its own delimiter and encoding it has all declared columns. The proof reads it so too."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "01.csv").write_text("id,city,amount\n1,Oslo,2\n2,Kyiv,3\n")
    (tmp_path / "data" / "02.csv").write_bytes(february)
    document = tmp_path / "sales.yaml"
    document.write_text(SPEC.replace("path: sales.csv", "path: data/*.csv"))
    flow = DataPipelineFlow(document, database=database)
    assert flow.kickoff().status == "published"
    published = pq.read_table(tmp_path / "out" / "sales").to_pylist()
    assert sorted((row["city"], row["amount"]) for row in published) == [("Kyiv", 16), ("Oslo", 12)]
    (change,) = told(database, flow.run_id, "replan.made")
    assert change == f"{tmp_path}/data/02.csv of sales is read with {how}: else it lacks declared columns"
    assert audit(database, flow.run_id, configuration).balanced


def test_a_source_that_is_not_there_is_read_from_where_else_it_is(
    document: Path, database: Database, configuration: Settings
) -> None:
    (document.parent / "copy").mkdir()
    (document.parent / "sales.csv").rename(document.parent / "copy" / "sales.csv")
    document.write_text(SPEC.replace("path: sales.csv", "path: sales.csv, also_at: [nowhere.csv, copy/sales.csv]"))
    flow = DataPipelineFlow(document, database=database)
    report = flow.kickoff()
    assert (report.status, report.records.rows_in) == ("published", 91)
    (change,) = told(database, flow.run_id, "replan.made")
    assert change == f"sales is read from {document.parent}/copy/sales.csv, as sales.csv has no file"
    assert audit(database, flow.run_id, configuration).balanced
