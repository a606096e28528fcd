"""Checks in a run: keys across datasets, checks of wholes at the gate, ages, parts, the way out of quarantine."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from core import run as runs
from core.errors import SpecError
from core.ledger import outcomes
from core.spec import load, loads
from core.store import Database
from core.task import Severity, Stage, Violation
from crewline.cli import app
from flows import DataPipelineFlow, RunReport
from flows.audit import Audit, audit
from flows.gate import Gate, Route, decide, wholes_failed
from flows.persistence import last_state
from tools.orchestration.requirements import make_plan
from tools.sources import Inspection, Part

ORDERS = "id,product,day,status\n1,p1,2026-03-01,new\n2,p9,2026-03-02,new\n3,,2026-03-02,done\n4,p2,2026-03-03,done\n"

SPEC = """
name: keys
sources:
  orders: {kind: csv, path: orders.csv, columns: {id: integer, product: string, day: date, status: string}}
  products: {kind: csv, path: products.csv, columns: {code: string, first_order: integer}}
validation:
  orders:
    - {check: foreign_key, dataset: products, on: {product: code}}
%s
target: {path: out, dataset: orders}
gate: {thresholds: {}, publish: 0.5, enhance: 0.3}
"""


def build(folder: Path, more: str = "", orders: str = ORDERS, products: str = "code,first_order\np1,1\np2,4\n") -> Path:
    """A pipeline of orders that refer to products; one of them to a product that is not there."""
    folder.mkdir()
    (folder / "orders.csv").write_text(orders)
    (folder / "products.csv").write_text(products)
    (folder / "keys.yaml").write_text(SPEC % more)
    return folder / "keys.yaml"


def run(document: Path, database: Database) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database).kickoff()
    return report


def proven(report: RunReport, database: Database, settings: Any) -> Audit:
    found = audit(database, report.run_id, settings)
    assert found.balanced, found.checks
    return found


def published(document: Path) -> list[int]:
    return [row["id"] for row in pq.read_table(document.parent / "out").to_pylist()]


def violations(report: RunReport, database: Database) -> list[Violation]:
    state = last_state(database, report.run_id) or {}
    return [Violation.model_validate(content) for content in state["quality_violations"]]


def test_an_orphan_is_quarantined_by_the_name_of_its_foreign_key(
    tmp_path: Path, database: Database, configuration: Any
) -> None:
    """A key without a value refers to nothing, and passes. The other dataset, which is there for its keys alone, is
    accounted for."""
    document = build(tmp_path / "p")
    report = run(document, database)
    assert report.status == "published"
    assert published(document) == [1, 3, 4]
    found = proven(report, database, configuration)
    left = pq.read_table(found.left).to_pylist()
    assert [(row["dataset"], row["fate"], row["rule"]) for row in left] == [
        ("orders", "quarantined", "foreign_key(product)"),
        ("products", "filtered", "unreferenced"),
        ("products", "filtered", "unreferenced"),
    ]
    assert left[0]["reason"] == "no row of products has 'p9' as code"


def test_datasets_that_refer_to_each_other_and_to_themselves_are_validated(
    tmp_path: Path, database: Database, configuration: Any
) -> None:
    """No circle of keys keeps a run from its end."""
    document = build(
        tmp_path / "p",
        "    - {check: foreign_key, dataset: orders, on: {id: id}}\n"
        "  products:\n    - {check: foreign_key, dataset: orders, on: {first_order: id}}",
    )
    report = run(document, database)
    assert (report.status, published(document)) == ("published", [1, 3, 4])
    proven(report, database, configuration)


def test_a_repaired_key_is_found_again_by_those_who_refer_to_it(
    tmp_path: Path, database: Database, configuration: Any
) -> None:
    """What builds on a dataset is validated anew when that one was repaired."""
    document = build(
        tmp_path / "p",
        "  products:\n    - {check: matches, column: code, pattern: 'p\\d', severity: critical}",
        products='code,first_order\np1,1\n" p2",4\np9,2\n',
    )
    report = run(document, database)
    assert (report.status, report.route, published(document)) == ("published", "enhance", [1, 2, 3, 4])
    proven(report, database, configuration)


def test_a_validation_waits_for_those_that_it_refers_to() -> None:
    content = """
    name: chain
    sources:
      a: {kind: csv, path: a, columns: {id: integer, b: integer}}
      b: {kind: csv, path: b, columns: {id: integer, c: integer}}
      c: {kind: csv, path: c, columns: {id: integer, b: integer}}
      d: {kind: csv, path: d, columns: {id: integer}}
    validation:
      a: [{check: foreign_key, dataset: b, on: {b: id}}, {check: foreign_key, dataset: d, on: {id: id}}]
      b: [{check: foreign_key, dataset: c, on: {c: id}}]
      c: [{check: foreign_key, dataset: b, on: {b: id}}]
    target: {path: out, dataset: a}
    """
    part = Part(index=0, path="x", size=1, modified="")
    plan = make_plan(loads(content), {name: Inspection(parts=[part], rows=1) for name in "abcd"})
    validated = [task for task in plan.tasks if task.stage == Stage.VALIDATION]
    assert [task.dataset for task in validated] == ["d", "b", "a", "c"]
    assert {task.dataset: task.context for task in validated} == {
        "a": {"b": ("validation/b/0",), "d": ("validation/d/0",)},
        # b and c refer to each other: the first of them can only look at what the other one is before its validation.
        "b": {"c": ("ingestion/c/0",)},
        "c": {"b": ("validation/b/0",)},
        "d": {},
    }
    seen: set[str] = set()
    for task in plan.tasks:
        assert task.needs <= seen
        seen.add(task.key)


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ("{check: foreign_key, dataset: gone, on: {id: id}}", "validation.orders.1.dataset: there is no source 'gone'"),
        (
            "{check: foreign_key, dataset: products, on: {id: x}}",
            "validation.orders.1: 'products' declares no column 'x'",
        ),
        (
            "{check: foreign_key, dataset: products, on: {id: code}}",
            "'id' is of type integer, but 'code' of 'products'",
        ),
        ("{check: not_null, column: id, per: [month]}", "validation.orders.1: the source declares no column 'month'"),
        ("{check: type, column: day, type: date, severity: minor}", "its row cannot stay as minor"),
        ("{check: matches, column: status, pattern: '(a'}", "validation.orders: matches(status): '(a' is no pattern"),
    ],
)
def test_a_check_that_does_not_fit_is_told_with_its_place_before_any_row_is_read(
    tmp_path: Path, database: Database, check: str, told: str
) -> None:
    document = build(tmp_path / "p", f"    - {check}")
    with pytest.raises(SpecError) as error:
        run(document, database)
    assert told in str(error.value)


def test_a_check_that_the_data_defeats_fails_its_task_and_is_named(tmp_path: Path, database: Database) -> None:
    document = build(
        tmp_path / "p", '    - {check: expression, expression: "id * id > 0"}', orders=ORDERS + f"{2**62},p1,,new\n"
    )
    report = run(document, database)
    assert (report.status, report.tasks.failed) == ("failed", 1)
    outcome = outcomes(database, report.run_id, ["validation/orders/0"])["validation/orders/0"]
    assert outcome.failure is not None
    assert (outcome.failure.error, outcome.failure.kind) == ("CheckError", "permanent")
    assert "check expression(id * id > 0)" in outcome.failure.message


# --- wholes at the gate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("severity", "spent", "status"),
    [
        ("critical", "fail", "failed"),
        ("major", "fail", "failed"),
        ("major", "approval", "waiting"),
        ("minor", "fail", "published"),
    ],
)
def test_a_whole_that_fails_gravely_is_not_published_without_a_person(
    tmp_path: Path, database: Database, configuration: Any, severity: str, spent: str, status: str
) -> None:
    """There is no row to quarantine, and the account is as ever."""
    document = build(tmp_path / "p", f"    - {{check: row_count, min: 5, severity: {severity}}}")
    document.write_text(document.read_text().replace("publish: 0.5", f"publish: 0.5, spent: {spent}"))
    report = run(document, database)
    assert report.status == status
    proven(report, database, configuration)
    (found,) = [v for v in violations(report, database) if v.of_whole]
    assert (found.check, found.rows, found.observed, found.handled) == ("row_count", None, "4 rows", False)
    if status == "waiting":
        approved = DataPipelineFlow(run_id=report.run_id, database=database, approved_by="Ada").kickoff()
        assert approved.status == "published"


def test_a_whole_that_repair_puts_right_is_published(tmp_path: Path, database: Database) -> None:
    """Shares are measured again on what was repaired."""
    document = build(
        tmp_path / "p",
        "    - {check: in_set, column: status, values: [new, done], severity: minor}\n"
        "    - {check: distribution, column: status, shares: {new: 0.5, done: 0.5}}",
        orders=ORDERS.replace("2026-03-03,done", "2026-03-03,DONE"),
    )
    report = run(document, database)
    assert (report.status, report.route) == ("published", "enhance")


def test_the_gate_counts_no_minor_failure_of_a_whole() -> None:
    of = {"check": "row_count", "dataset": "d", "dimension": "completeness"}
    found = [Violation(**of, severity=severity) for severity in Severity]
    assert [v.severity for v in wholes_failed(found)] == [Severity.CRITICAL, Severity.MAJOR]
    told = {"critical": 0, "succeeded": 1, "failed": 0}
    assert decide(Gate(), quality=None, wholes=1, **told)[0] == Route.ENHANCE
    assert decide(Gate(), quality=1.0, wholes=1, **told)[0] == Route.ENHANCE
    assert decide(Gate(), quality=0.5, wholes=1, **told)[0] == Route.RETRY
    assert decide(Gate(), quality=1.0, wholes=0, **told)[0] == Route.PUBLISH


def test_an_age_is_taken_at_the_time_when_the_run_began(tmp_path: Path, database: Database) -> None:
    """However late it is taken up."""
    document = build(tmp_path / "p", "    - {check: freshness, column: day, max_age: 36h}")
    for day, status in ((4, "published"), (5, "failed")):
        run_id = f"keys-{day}"
        runs.create(database, run_id, load(document), base_dir=str(document.parent), document=str(document))
        began = datetime(2026, 3, day, 9, tzinfo=UTC)
        database.transaction(
            lambda connection, at=began, of=run_id: connection.execute(
                "UPDATE runs SET created_at = %s WHERE run_id = %s", (at, of)
            )
        )
        assert DataPipelineFlow(run_id=run_id, database=database).kickoff().status == status


def test_a_violation_tells_in_which_parts_it_is(tmp_path: Path, database: Database) -> None:
    document = build(
        tmp_path / "p",
        "    - {check: in_set, column: status, values: [done], severity: minor, per: [day]}\n"
        "    - {check: row_count, min: 2, per: [day, status], severity: minor}\n"
        "    - {check: unique, columns: [status], per: [day], severity: minor}",
    )
    found = {v.check: v.partitions for v in violations(run(document, database), database)}
    assert found["in_set(status)"] == {"day=2026-03-01": 1, "day=2026-03-02": 1}
    assert found["row_count"] == {
        "day=2026-03-01, status=new": "1 rows",
        "day=2026-03-02, status=done": "1 rows",
        "day=2026-03-02, status=new": "1 rows",
        "day=2026-03-03, status=done": "1 rows",
    }
    # The orphan of the second has left before keys are looked at; the two that are done contradict each other.
    assert found["unique(status)"] == {"day=2026-03-02": 1, "day=2026-03-03": 1}


# --- replay ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_quarantined_rows_can_be_run_again_under_corrected_rules(tmp_path: Path, database: Database, kind: str) -> None:
    """All their columns as they came; lines that are no records are counted."""
    document = build(tmp_path / "p", orders=ORDERS + '5,"p1')
    report = run(document, database)
    out = tmp_path / "p" / f"again.{kind}"
    done = CliRunner().invoke(app, ["replay", report.run_id, "--out", str(out), "--json"], catch_exceptions=False)
    assert json.loads(done.stdout) == {
        "run_id": report.run_id,
        "dataset": "orders",
        "path": str(out),
        "rows": 1,
        "lines": 1,
    }
    corrected = document.read_text().replace("kind: csv, path: orders.csv", f"kind: {kind}, path: again.{kind}")
    document.write_text(corrected)
    (tmp_path / "p" / "products.csv").write_text("code,first_order\np9,1\n")
    assert run(document, database).status == "published"
    assert pq.read_table(tmp_path / "p" / "out").to_pylist()[0]["product"] == "p9"


def test_a_replay_of_nothing_is_refused(tmp_path: Path, database: Database) -> None:
    report = run(build(tmp_path / "p"), database)
    for arguments, told in (
        (["--out", "x.csv", "--dataset", "products"], "no row of 'products'. It did of orders."),
        (["--out", "x.txt"], "End it in .csv or .jsonl."),
    ):
        done = CliRunner().invoke(app, ["replay", report.run_id, *arguments])
        assert done.exit_code == 2
        assert told in done.output


def test_check_on_the_command_line_exits_as_the_data_deserves(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,n\n1,5\n2,x\n")
    (tmp_path / "checks.yaml").write_text("columns: {n: integer}\nchecks: [{check: unique, columns: [id]}]\n")
    (tmp_path / "good.yaml").write_text("- {check: unique, columns: [id]}\n")
    (tmp_path / "bad.yaml").write_text("- {check: unique, column: id}\n")

    def call(name: str, *more: str) -> tuple[int, str]:
        arguments = ["check", str(tmp_path / "o.csv"), "--checks", str(tmp_path / name), *more]
        done = CliRunner().invoke(app, arguments, catch_exceptions=False)
        return done.exit_code, done.output

    code, shown = call("checks.yaml")
    assert code == 1
    assert "type(n)" in shown
    assert "rows failing: 1" in shown
    code, shown = call("good.yaml", "--json")
    assert (code, json.loads(shown)["passed"]) == (0, True)
    code, shown = call("bad.yaml")
    assert code == 2
    assert "checks.0.columns: is required" in shown
