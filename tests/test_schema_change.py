"""A pipeline whose source has changed, and whose spec asks for a consensus: it goes on, maps, or waits for a person."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core import journal
from core import run as runs
from core.errors import AwaitingApproval, Refused, SourceError
from core.journal import Event, Listener
from core.report import RunReport
from core.settings import Settings
from core.store import Database
from crewline.cli import app
from delegation import approvals
from flows.audit import audit
from flows.pipeline import DataPipelineFlow

SPEC = """
name: sales
sources:
  orders:
    kind: {kind}
    {place}
    columns: {{order_id: integer, customer_id: string, amount: float}}
    on_schema_change: {change}
validation: {{orders: [{{check: unique, columns: [order_id]}}]}}
target: {{path: out/orders}}
"""


def spec(folder: Path, kind: str = "csv", *, change: str = "consensus", place: str = "") -> Path:
    path = folder / "sales.yaml"
    path.write_text(SPEC.format(kind=kind, change=change, place=place or f"path: orders*.{kind}"))
    return path


def write(folder: Path, columns: dict[str, list[Any]], kind: str = "csv", name: str = "orders") -> None:
    path, rows = folder / f"{name}.{kind}", list(zip(*columns.values(), strict=True))
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
    elif kind == "jsonl":
        quoted = [", ".join(f'"{key}": "{cell}"' for key, cell in zip(columns, row, strict=True)) for row in rows]
        path.write_text("".join(f"{{{text}}}\n" for text in quoted))
    else:
        path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")


def run(document: Path, database: Database) -> RunReport:
    report = DataPipelineFlow(document, database=database).kickoff()
    assert isinstance(report, RunReport)
    return report


def published(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "out" / "orders").to_pylist()
    return rows


def told(database: Database, run_id: str, kind: str) -> list[dict[str, Any]]:
    return [event.data for event in journal.events(database, run_id, kind=kind)]


BEFORE = {"order_id": [1, 2], "customer_id": ["a", "b"], "amount": [1.5, 2.5]}
RENAMED = {"OrderID": [3, 4], "cust_id": ["c", "d"], "amount": [3.5, 4.5]}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_renamed_columns_are_mapped_and_the_journal_says_who_voted_how(
    kind: str, tmp_path: Path, database: Database, configuration: Settings
) -> None:
    write(tmp_path, BEFORE, kind)
    first = run(spec(tmp_path, kind), database)
    assert told(database, first.run_id, "consensus") == []
    write(tmp_path, RENAMED, kind)
    report = run(spec(tmp_path, kind), database)
    assert report.status == "published"
    assert [list(map(str, row.values())) for row in published(tmp_path)] == [["3", "c", "3.5"], ["4", "d", "4.5"]]
    assert list(published(tmp_path)[0]) == ["order_id", "customer_id", "amount"]
    (decision,) = told(database, report.run_id, "consensus.decided")
    assert (decision["verdict"], decision["mapping"]) == (
        "needs_mapping",
        {"order_id": "OrderID", "customer_id": "cust_id"},
    )
    assert decision["votes"]["backward_compatibility"] == "needs_mapping"
    (changed,) = told(database, report.run_id, "source.changed")
    assert changed["action"] == "map"
    assert audit(database, report.run_id, configuration).balanced


def test_parts_of_a_source_can_have_old_and_new_names(tmp_path: Path, database: Database) -> None:
    write(tmp_path, BEFORE, name="orders-1")
    write(tmp_path, RENAMED, name="orders-2")
    run(spec(tmp_path), database)
    assert [row["customer_id"] for row in published(tmp_path)] == ["a", "b", "c", "d"]


def test_new_columns_are_compatible_and_the_run_goes_on(tmp_path: Path, database: Database) -> None:
    write(tmp_path, BEFORE)
    run(spec(tmp_path), database)
    write(tmp_path, {**BEFORE, "note": ["x", "y"]})
    report = run(spec(tmp_path), database)
    (decision,) = told(database, report.run_id, "consensus.decided")
    assert (decision["verdict"], report.status) == ("compatible", "published")
    again = run(spec(tmp_path), database)
    assert told(database, again.run_id, "consensus") == []


def test_a_column_that_is_gone_makes_the_run_wait_until_a_person_approves(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """The approval holds for what was on record, and its cells are empty."""
    write(tmp_path, BEFORE)
    run(spec(tmp_path), database)
    write(tmp_path, {"order_id": [5], "customer_id": ["e"]})
    flow = DataPipelineFlow(spec(tmp_path), database=database)
    with pytest.raises(AwaitingApproval, match="amount is gone"):
        flow.kickoff()
    assert runs.get(database, flow.run_id).status == "waiting"
    # Not what it was when it was approved: it waits again.
    write(tmp_path, {"order_id": [5], "amount": [5.5]})
    with pytest.raises(AwaitingApproval, match="customer_id is gone"):
        DataPipelineFlow(run_id=flow.run_id, database=database, approved_by="ann").kickoff()
    report = DataPipelineFlow(run_id=flow.run_id, database=database, approved_by="ann").kickoff()
    assert report.status == "published"
    assert published(tmp_path) == [{"order_id": 5, "customer_id": None, "amount": 5.5}]
    requests = approvals.requests(database, closed=True, run_id=flow.run_id)
    assert sorted((r.status, "amount is gone" in r.reason, r.decided_by) for r in requests) == [
        ("approved", False, "ann"),
        ("void", True, None),
    ]
    assert audit(database, flow.run_id, configuration).balanced


def test_a_source_that_is_put_right_lets_a_waiting_run_go_on_by_itself(tmp_path: Path, database: Database) -> None:
    write(tmp_path, {"order_id": [5], "customer_id": ["e"]})
    flow = DataPipelineFlow(spec(tmp_path), database=database)
    with pytest.raises(AwaitingApproval):
        flow.kickoff()
    write(tmp_path, BEFORE)
    assert DataPipelineFlow(run_id=flow.run_id, database=database).kickoff().status == "published"


def test_a_narrowed_type_waits_and_a_widened_one_goes_on(tmp_path: Path, database: Database) -> None:
    def typed(integers: pa.DataType) -> None:
        table = pa.table({**BEFORE, "order_id": pa.array([1, 2], integers)})
        pq.write_table(table, tmp_path / "orders.parquet")

    typed(pa.int32())
    run(spec(tmp_path, "parquet"), database)
    typed(pa.int64())
    assert run(spec(tmp_path, "parquet"), database).status == "published"
    typed(pa.int16())
    with pytest.raises(AwaitingApproval, match="order_id was int64, and is int16"):
        run(spec(tmp_path, "parquet"), database)


def test_a_table_in_postgres_is_judged_and_mapped_too(tmp_path: Path, database: Database, database_url: str) -> None:
    place = "table: orders"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE orders (order_id int PRIMARY KEY, customer_id text NOT NULL, amount float8)")
        connection.execute("INSERT INTO orders VALUES (1, 'a', 1.5), (2, 'b', 2.5)")
        run(spec(tmp_path, "postgres", place=place), database)
        connection.execute("ALTER TABLE orders RENAME customer_id TO cust_id")
        report = run(spec(tmp_path, "postgres", place=place), database)
        assert [row["customer_id"] for row in published(tmp_path)] == ["a", "b"]
        assert told(database, report.run_id, "source.changed")[0]["action"] == "map"
        connection.execute("ALTER TABLE orders ALTER cust_id DROP NOT NULL")
        with pytest.raises(AwaitingApproval, match="customer_id may now be without a value"):
            run(spec(tmp_path, "postgres", place=place), database)


def test_without_consensus_a_column_that_is_gone_is_an_error_as_ever(tmp_path: Path, database: Database) -> None:
    write(tmp_path, RENAMED)
    with pytest.raises(SourceError, match="has no column order_id, customer_id"):
        run(spec(tmp_path, change="fail"), database)


def test_the_command_line_exits_with_3_while_it_waits_and_resumes_with_an_approval(
    tmp_path: Path, database: Database
) -> None:
    write(tmp_path, {"order_id": [5], "customer_id": ["e"]})
    waiting = CliRunner().invoke(app, ["run", str(spec(tmp_path)), "--json"])
    assert waiting.exit_code == 3
    assert "read the changed source orders" in waiting.stderr
    run_id = runs.newest(database)[0].run_id
    assert CliRunner().invoke(app, ["resume", run_id]).exit_code == 3
    (request,) = approvals.requests(database, run_id=run_id)
    decision = ["approve", request.approval, "--by", "ann", "--reason", "amounts come later"]
    assert CliRunner().invoke(app, decision).exit_code == 0
    resumed = CliRunner().invoke(app, ["resume", run_id, "--json"])
    assert resumed.exit_code == 0, resumed.stderr


def test_a_change_that_a_person_denies_fails_the_run(tmp_path: Path, database: Database) -> None:
    write(tmp_path, {"order_id": [5], "customer_id": ["e"]})
    flow = DataPipelineFlow(spec(tmp_path), database=database)
    with pytest.raises(AwaitingApproval) as waits:
        flow.kickoff()
    approvals.decide(database, waits.value.approval_id, approved=False, by="ann", reason="no")
    with pytest.raises(Refused):
        DataPipelineFlow(run_id=flow.run_id, database=database).kickoff()
    assert runs.get(database, flow.run_id).status == "failed"


def at_the_round(act: Callable[[], object]) -> Listener:
    """A listener in which something happens once, as the first round begins."""
    left = [act]

    def listen(event: Event) -> None:
        if event.kind == "round.started" and left:
            left.pop()()

    return listen


def test_a_file_that_changes_while_the_run_is_at_work_is_judged_by_the_voters_too(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    write(tmp_path, BEFORE)
    renamed = at_the_round(lambda: write(tmp_path, RENAMED))
    report = DataPipelineFlow(spec(tmp_path), database=database, listener=renamed).kickoff()
    assert (report.status, report.route) == ("published", "retry")
    assert [row["customer_id"] for row in published(tmp_path)] == ["c", "d"]
    (decision,) = told(database, report.run_id, "consensus.decided")
    assert decision["verdict"] == "needs_mapping"
    (made,) = told(database, report.run_id, "replan.made")
    assert "with order_id from OrderID, customer_id from cust_id: " in made["change"]
    assert audit(database, report.run_id, configuration).balanced


def test_what_a_person_would_have_to_decide_is_refused_while_the_run_is_at_work(
    tmp_path: Path, database: Database
) -> None:
    def typed(integers: pa.DataType) -> None:
        pq.write_table(pa.table({**BEFORE, "order_id": pa.array([1, 2], integers)}), tmp_path / "orders.parquet")

    typed(pa.int32())
    narrowed = at_the_round(lambda: typed(pa.int16()))
    report = DataPipelineFlow(spec(tmp_path, "parquet"), database=database, listener=narrowed).kickoff()
    assert report.status == "failed"
    (refused,) = told(database, report.run_id, "replan.refused")
    assert "order_id was int32, and is int16" in refused["reason"]
    assert refused["reason"].endswith("which a person would have to decide when a run is planned")
