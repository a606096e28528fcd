"""The example pipeline from end to end with Spark: what is published, and the account, are those of DuckDB."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from core.settings import Settings
from core.store import Database
from flows import DataPipelineFlow, RunReport
from flows.audit import Audit, audit
from tests import retail

pytestmark = pytest.mark.timeout(600)


def test_the_example_comes_out_the_same_with_spark(tmp_path: Path, database: Database, configuration: Settings) -> None:
    document = retail.copy(tmp_path, database)
    by_duck = Finished(tmp_path, document, database, configuration)
    with document.open("a") as file:
        file.write('\nengine: {kind: pyspark, master: "local[2]"}\n')
    by_spark = Finished(tmp_path, document, database, configuration)
    assert by_spark.report.status == "published"
    assert by_spark.proof.balanced, by_spark.proof.checks
    assert by_spark.report.records == by_duck.report.records
    assert by_spark.report.quality == by_duck.report.quality
    assert by_spark.published == by_duck.published
    assert by_spark.left == by_duck.left
    assert by_spark.repairs == by_duck.repairs


class Finished:
    """A run of the example, its report, the proof of its account, and the rows of its files, in their order."""

    def __init__(self, folder: Path, document: Path, database: Database, configuration: Settings) -> None:
        self.report: RunReport = DataPipelineFlow(document, database=database).kickoff()
        self.proof: Audit = audit(database, self.report.run_id, configuration)
        target = folder / "out" / "revenue"
        files = {str(path.relative_to(target)): path for path in sorted(target.rglob("*.parquet"))}
        self.published = {name: _rows(path) for name, path in files.items()}
        self.left = [_rows(Path(path)) for path in self.proof.left]
        self.repairs = [_rows(Path(path)) for path in self.proof.repairs]


def _rows(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    table = pq.ParquetFile(path).read()
    return {field.name: str(field.type) for field in table.schema}, table.to_pylist()
