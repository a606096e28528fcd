"""The main job: the retail example, against the truth of what its generator injected."""

import csv
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from flows import DataPipelineFlow, RunReport
from flows.audit import Audit, audit
from tests import retail
from tests.conftest import configured, opened
from tests.databases import fresh_database

UNREADABLE = {"ragged", "encoding", "truncated_tail"}
REPAIRED = {"date_format", "case_space", "number_format"}
MERGED = {"duplicate"}
QUARANTINED = {"missing", "orphan_key", "impossible", "wrong_type", "unknown_value"}


class Finished:
    """A finished run of the example, and what its files say."""

    def __init__(self, folder: Path, report: RunReport, proof: Audit) -> None:
        self.folder = folder
        self.report = report
        self.proof = proof
        self.left = pq.read_table(proof.left[0]).to_pylist()
        self.repairs = pq.read_table(proof.repairs[0]).to_pylist()
        with (folder / "truth.csv").open(newline="", encoding="utf-8") as file:
            self.truth = list(csv.DictReader(file))

    def record(self, fault: dict[str, str]) -> tuple[str, int]:
        """File and record number of a truth row: lines that are no records do not count."""
        path, line = str(self.folder / fault["file"]), int(fault["line"])
        before = [r for r in self.left if r["file"] == path and r["line"] is not None and r["line"] < line]
        header = 0 if path.endswith(".jsonl") else 1
        return path, line - header - len(before)


@pytest.fixture(scope="module", params=["committed", "generated"])
def finished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, server_url: str) -> Finished:
    """The committed data, and data of another seed and size."""
    folder = tmp_path_factory.mktemp("retail") / "retail"
    with (
        fresh_database(server_url) as url,
        pytest.MonkeyPatch.context() as patch,
        configured(url, folder.parent / "home", patch) as configuration,
        opened(configuration) as database,
    ):
        if request.param == "committed":
            document = retail.copy(folder, database)
        else:
            generate = ["generate.py", "--orders", "900", "--seed", "11", "--out", str(folder)]
            subprocess.run([sys.executable, *generate], cwd=retail.EXAMPLE, check=True, capture_output=True)
            retail.script("load").load(database, folder / "data" / "customers.csv")
            document = folder / "pipeline.yaml"
        report: RunReport = DataPipelineFlow(document, database=database).kickoff()
        return Finished(folder, report, audit(database, report.run_id, configuration))


def test_the_example_is_published_by_way_of_enhancement_and_every_fault_is_dealt_with(finished: Finished) -> None:
    """Each injected fault is repaired to the clean value, merged, or quarantined; nothing clean is touched."""
    assert finished.report.status == "published"
    assert finished.report.route == "enhance"
    assert finished.report.tasks.failed == 0
    assert finished.proof.balanced, finished.proof.checks
    assert finished.proof.records == finished.report.records
    assert finished.report.records.held == 0

    files = [fault for fault in finished.truth if fault["dataset"] != "customers"]
    fates = {(r["file"], r["record"] or 0, r["line"]): r for r in finished.left}
    expected: set[tuple[str, int, Any]] = set()
    cells: Counter[tuple[str, str, str, str]] = Counter()
    for fault in files:
        path, record = finished.record(fault)
        if fault["fault"] in UNREADABLE:
            key = (path, 0, int(fault["line"]))
            assert fates[key]["fate"] == "quarantined", fault
            expected.add(key)
        elif fault["fault"] in MERGED:
            expected.add((path, record, None))
            assert fates[path, record, None]["fate"] == "merged", fault
        elif fault["fault"] in QUARANTINED:
            expected.add((path, record, None))
            assert fates[path, record, None]["fate"] == "quarantined", fault
        else:
            assert fault["fault"] in REPAIRED
            cells[path, str(record), fault["column"], fault["clean"]] += 1

    gone = {key for key, row in fates.items() if row["fate"] != "filtered" and row["dataset"] != "customers"}
    assert gone == expected, "rows left that had no fault"

    copies = {finished.record(f) for f in files if f["fault"] in MERGED}
    repaired = Counter(
        (r["file"], str(r["record"]), r["column"], r["after"])
        for r in finished.repairs
        if r["dataset"] != "customers" and r["after"] is not None and (r["file"], r["record"]) not in copies
    )
    notes = {key for key in repaired if key[2] == "note"}
    assert set(repaired) - notes == set(cells), "repairs of other cells, or to other values"


def test_customers_come_clean_out_of_their_table(finished: Finished) -> None:
    """Copies are merged and cells repaired to their clean values; a table has no lines, so compare by value."""
    faults = [fault for fault in finished.truth if fault["dataset"] == "customers"]
    left = [r for r in finished.left if r["dataset"] == "customers"]
    assert Counter(r["fate"] for r in left if r["fate"] != "filtered") == {"merged": 2}
    wanted = Counter((f["column"], f["dirty"], f["clean"]) for f in faults if f["fault"] in REPAIRED)
    done = Counter((r["column"], r["before"], r["after"]) for r in finished.repairs if r["dataset"] == "customers")
    assert done == wanted


def test_the_published_revenue_is_that_of_the_clean_rows(finished: Finished) -> None:
    """Computed once more, in plain Python, from the files and the truth."""
    dirty = {finished.record(f) for f in finished.truth if f["fault"] in QUARANTINED | MERGED}
    lines = {(str(finished.folder / f["file"]), int(f["line"])) for f in finished.truth if f["fault"] in UNREADABLE}
    clean = {
        (*finished.record(f), f["column"]): f["clean"]
        for f in finished.truth
        if f["fault"] in REPAIRED and f["dataset"] == "orders"
    }
    orders = units = 0
    for path in sorted((finished.folder / "data" / "orders").glob("*.csv")):
        good = [
            line
            for number, line in enumerate(path.read_bytes().split(b"\n"), start=1)
            if (str(path), number) not in lines and line
        ]
        rows = csv.DictReader(line.decode() for line in good)
        for record, row in enumerate(rows, start=1):
            cells = {column: clean.get((str(path), record, column), value) for column, value in row.items()}
            if (str(path), record) not in dirty and cells["status"] != "cancelled":
                orders += 1
                units += int(cells["quantity"])
    result = pq.read_table(finished.folder / "out" / "revenue").to_pydict()
    assert sum(result["orders"]) == orders
    assert sum(result["units"]) == units
    assert len(set(result["month"])) == 12
