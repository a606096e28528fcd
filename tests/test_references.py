"""What stages pass on without writing it, rows that are as they came but for who left; and what the target gets."""

import datetime
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core import ledger
from core.dataset import DatasetRef
from core.settings import Settings
from core.spec import PipelineSpec
from core.store import Database
from core.task import Outcome
from flows import DataPipelineFlow, RunReport
from flows.audit import Check, audit

ROWS = 3_000
DAY = datetime.date(2026, 1, 1)


def orders(**changed: Any) -> pa.Table:
    """Orders of the ids 0 to 2,999; every seventh has no units, every fifth is cancelled, a third has no article."""
    columns: dict[str, Any] = {
        "id": list(range(ROWS)),
        "article": [i % 300 for i in range(ROWS)],
        "units": [0 if i % 7 == 0 else i % 50 + 1 for i in range(ROWS)],
        "price": pa.array([Decimal(i % 90) + Decimal("0.25") for i in range(ROWS)], pa.decimal128(20, 2)),
        "state": ["cancelled" if i % 5 == 0 else "paid" for i in range(ROWS)],
        "day": [DAY + datetime.timedelta(days=i % 400) for i in range(ROWS)],
    }
    return pa.table(columns | changed)


def expected() -> list[dict[str, Any]]:
    """What is published, as Python computes it."""
    found = []
    for row in orders().to_pylist():
        if row["units"] > 0 and row["state"] != "cancelled" and row["article"] < 200:
            total = row["price"] * row["units"]
            found.append({"id": row["id"], "total": total, "label": f"article {row['article']}"})
    return found


SPEC: dict[str, Any] = {
    "name": "orders",
    "complexity": "complex",
    "sources": {
        "orders": {
            "kind": "parquet",
            "path": "orders.parquet",
            "columns": {
                "id": "integer",
                "article": "integer",
                "units": "integer",
                "price": "decimal(20,2)",
                "state": "string",
                "day": "date",
            },
        },
        "articles": {
            "kind": "parquet",
            "path": "articles.parquet",
            "columns": {"article": "integer", "label": "string"},
        },
    },
    "validation": {"orders": [{"check": "between", "column": "units", "min": 1}]},
    "transformation": {
        "orders": [
            {"rule": "filter", "where": "state <> 'cancelled'"},
            {"rule": "derive", "columns": {"total": "price * units"}},
        ]
    },
    "enrichment": {
        "orders": [
            {"rule": "join", "dataset": "articles", "on": {"article": "article"}, "columns": ["label"]},
            {"rule": "select", "columns": ["id", "total", "label"]},
        ]
    },
    "target": {"path": "out/sales"},
    "gate": {"publish": 0, "thresholds": {"consistency": 0, "accuracy": 0}},
}


def published(folder: Path, database: Database, table: pa.Table | None = None) -> RunReport:
    """A run over files written in several row groups."""
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(orders() if table is None else table, folder / "orders.parquet", row_group_size=500)
    articles = pa.table({"article": list(range(200)), "label": [f"article {i}" for i in range(200)]})
    pq.write_table(articles, folder / "articles.parquet")
    spec = PipelineSpec.model_validate(SPEC)
    report: RunReport = DataPipelineFlow(spec, base_dir=folder, database=database).kickoff()
    assert report.status == "published"
    return report


def outcome(database: Database, report: RunReport, key: str) -> Outcome:
    return Outcome.model_validate(ledger.recorded(database, report.run_id, key))


def passed_on(database: Database, report: RunReport) -> tuple[DatasetRef, DatasetRef, DatasetRef | None]:
    """What ingestion and validation of the orders gave, and who left at the latter."""
    read, fit = (outcome(database, report, f"{stage}/orders/0") for stage in ("ingestion", "validation"))
    assert read.output
    assert fit.output
    return read.output, fit.output, fit.left


def failed(checks: list[Check]) -> list[str]:
    return [check.name for check in checks if check.passed is False]


def test_a_validation_of_rows_that_are_as_they_came_writes_who_left_and_nothing_else(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """The stages after it read the others where they are, and every row is accounted for."""
    report = published(tmp_path, database)
    read, fit, left = passed_on(database, report)
    assert left
    assert (fit.paths, fit.without, fit.rows) == (read.paths, left.paths, ROWS - len(range(0, ROWS, 7)))
    folder = Path(left.paths[0]).parent
    assert [file.name for file in folder.iterdir()] == ["left.parquet"]
    rows = pq.read_table(tmp_path / "out" / "sales").to_pylist()
    assert rows == expected()
    records = report.records
    articles = len({row["label"] for row in rows})
    assert (records.rows_in, records.out) == (ROWS + 200, len(rows) + articles)
    assert records.quarantined + records.filtered == ROWS - len(rows) + 200 - articles
    found = audit(database, report.run_id, configuration)
    assert (found.balanced, failed(found.checks)) == (True, [])
    gone = [row for row in pq.read_table(found.left[0]).to_pylist() if row["dataset"] == "orders"]
    assert len({row["_row"] for row in gone}) == len(gone) == ROWS - len(rows)
    kept = [row for row in gone if row["fate"] == "quarantined"]
    assert [json.loads(row["content"])["id"] for row in kept] == [str(row["record"] - 1) for row in kept]


@pytest.mark.parametrize(
    "changed",
    [
        {"state": [" " if i == 2_999 else "paid" for i in range(ROWS)]},
        {"id": pa.array([str(i) for i in range(ROWS)])},
    ],
    ids=["blank", "text"],
)
def test_rows_with_a_cell_that_stands_for_another_value_are_written(
    tmp_path: Path, database: Database, changed: dict[str, Any]
) -> None:
    """Blank text is no value, and a number may come as text: what goes on is not what came."""
    report = published(tmp_path, database, orders(**changed))
    read, fit, _ = passed_on(database, report)
    assert (set(fit.paths) & set(read.paths), fit.without) == (set(), ())


def test_what_is_published_is_the_same_bytes_in_every_run(tmp_path: Path, database: Database) -> None:
    """File by file, in the order of the rows; empty files there are none of."""
    written = []
    for name in ("a", "b"):
        published(tmp_path / name, database)
        files = sorted((tmp_path / name / "out" / "sales").iterdir())
        written.append([(file.name, file.read_bytes()) for file in files])
        rows = [row["id"] for file in files for row in pq.ParquetFile(file).read().to_pylist()]
        assert rows == [row["id"] for row in expected()]
    assert len(written[0]) > 1
    assert written[0] == written[1]


def test_an_audit_sees_that_a_published_file_is_not_what_was_computed(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """It was copied from what a stage wrote, and is a file of its own."""
    report = published(tmp_path, database)
    file = min((tmp_path / "out" / "sales").iterdir())
    rows = pq.ParquetFile(file).read()
    pq.write_table(rows.slice(1), file)
    found = audit(database, report.run_id, configuration)
    assert (found.balanced, failed(found.checks)) == (False, ["target"])


def test_an_audit_sees_rows_without_an_id_and_ids_without_a_row(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    report = published(tmp_path, database)
    output = outcome(database, report, "enrichment/orders/0").output
    assert output
    ids = pq.ParquetFile(output.ids[0]).read()
    pq.write_table(ids.slice(1), output.ids[0])
    found = audit(database, report.run_id, configuration)
    assert not found.balanced
    assert {"rows of orders", "ids"} <= set(failed(found.checks))
