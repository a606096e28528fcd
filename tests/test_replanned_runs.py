"""Runs that change their plan before they try again what failed, and say what they change, and why."""

from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core import journal
from core.errors import CrewlineError, DataError, EngineError, OutOfMemory
from core.settings import Settings
from core.store import Database
from core.task import Stage, Task
from crewline.cli import app
from crews import Work
from flows.audit import audit
from flows.pipeline import DataPipelineFlow
from flows.replanning import precondition
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


def test_a_round_that_lacks_memory_is_begun_alone(
    document: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = SimpleNamespace(virtual_memory=lambda: SimpleNamespace(available=0))
    monkeypatch.setattr(precondition, "psutil", full)
    flow = DataPipelineFlow(document, database=database)
    assert flow.kickoff().status == "published"
    (reason,) = told(database, flow.run_id, "replan.unmet")
    assert reason == "ingestion/sales/0 needs 1 MB of memory with what runs beside it; 0 are free"
    assert told(database, flow.run_id, "replan.made") == [
        "ingestion/sales/0 is done alone on the machine, as it would fail for want of memory"
    ]
    (started,) = journal.events(database, flow.run_id, kind="round.started")
    assert started.data["branches"] == 1


def test_where_the_disk_is_full_what_came_to_nothing_is_removed(
    document: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the first round there is nothing of that kind, and that is told."""
    vain: list[Path] = []

    def lost(task: Task, work: Work) -> None:
        vain.append(work.path / "half.parquet")
        vain[-1].write_text("half of it")
        raise EngineError("The agent is at a loss.")

    monkeypatch.setattr(precondition, "shutil", SimpleNamespace(disk_usage=lambda path: SimpleNamespace(free=0)))
    flow = run(document, database, Worker("worker", lost))
    assert flow.kickoff().status == "published"
    (refused,) = told(database, flow.run_id, "replan.refused")
    assert (
        refused == "rescue(ingestion/sales/0) by 'removing what came to nothing' needs garbage: no method achieves it"
    )
    assert told(database, flow.run_id, "replan.made")[-1] == (
        "transformation/sales/0 is done once the files of attempts that came to nothing are removed, as it would fail"
        " for want of room on the disk"
    )
    assert not vain[0].exists()


@pytest.mark.parametrize("error", [EngineError("The agent is at a loss."), DataError("'3.4.2025' is no date.")])
def test_what_is_made_of_poor_data_is_made_of_repaired_data(
    document: Path, database: Database, configuration: Settings, error: CrewlineError
) -> None:
    """Where another agent tries, and where the data may have been at fault: it is not made twice, as by enhancing."""
    days = [f"{n % 28 + 1:02}.01.2025" if n % 5 == 0 else f"2025-01-{n % 28 + 1:02}" for n in range(90)]
    rows = [f"{n},Oslo,{n},{day}" for n, day in enumerate(days)]
    (document.parent / "sales.csv").write_text("\n".join(["id,city,amount,day", *rows, ""]))
    document.write_text(SPEC.replace("amount: integer", "amount: integer, day: date"))

    def fails(task: Task, work: Work) -> None:
        if not task.round:
            raise error

    flow = run(document, database, Worker("worker", fails))
    report = flow.kickoff()
    assert (report.status, report.route) == ("published", "retry")
    assert (report.records.rows_in, report.records.out) == (90, 90)
    changed = [event.data["way"] for event in journal.events(database, flow.run_id, kind="replan.made")]
    assert changed == (["repair"] if isinstance(error, DataError) else ["give to", "repair"])
    if not isinstance(error, DataError):
        (reason,) = told(database, flow.run_id, "replan.unmet")
        assert reason == (
            "transformation/sales/0 needs sales with consistency >= 0.98, as the gate asks, and it falls short of that"
        )
    started = [event.step for event in journal.events(database, flow.run_id, kind="step.started")]
    assert (started.count("validation/sales/0"), started.count("validation/sales/0@1")) == (1, 1)
    assert audit(database, flow.run_id, configuration).balanced


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


def test_what_a_finished_task_wrote_is_not_written_again_and_that_is_told(document: Path, database: Database) -> None:
    lost: list[Path] = []

    def fails(task: Task, work: Work) -> None:
        lost.extend(Path(path) for ref in work.inputs for path in (*ref.paths, *ref.without))
        lost[-1].unlink()
        raise EngineError("The agent is at a loss.")

    flow = run(document, database, Worker("worker", fails))
    assert flow.kickoff().status == "failed"
    (reason,) = told(database, flow.run_id, "replan.unmet")
    assert reason.endswith(f"needs {lost[-1]}, which validation/sales/0 wrote, and which is gone")
    assert "nothing that is known helps transformation/sales/0 to files that are lost" in told(
        database, flow.run_id, "replan.refused"
    )
