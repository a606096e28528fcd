"""DataQualityTool: checks for agents."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from core.spec.check import Check
from core.spec.checklist import Checklist
from core.spec.column import Column
from core.task import Dimension
from tools.arguments import Arguments
from tools.discovery.clearance import allowed
from tools.quality.report import QualityReport, check_dataset
from tools.tool import Tool


class QualityRequest(Arguments):
    """What to check."""

    path: str = Field(description="A CSV, JSON lines or Parquet file, or a folder of Parquet files.")
    checks: tuple[Check, ...] = Field(min_length=1, description="What rows, keys or the dataset must satisfy.")
    columns: dict[str, Column] = Field(default_factory=dict, description="Types of columns of text files.")
    partition_by: tuple[str, ...] = Field(default=(), description="Columns by whose values results are told apart.")
    references: dict[str, str] = Field(default_factory=dict, description="Path of each dataset of a foreign key.")


class QualityAnswer(BaseModel):
    """The report, and the dimensions in which the data stays below its threshold, each with that threshold."""

    report: QualityReport
    below: dict[Dimension, float]


class DataQualityTool(Tool):
    """Says what a dataset is worth: which checks fail, on how many rows, with samples. It changes nothing."""

    name: str = "data_quality"
    description: str = (
        "Checks a dataset against data quality checks and returns verdicts, counts, samples of failing rows and scores."
    )
    args_schema: type[BaseModel] = QualityRequest

    def act(self, request: QualityRequest) -> QualityAnswer:
        context = self.context
        checklist = Checklist(checks=request.checks, columns=request.columns, partition_by=request.partition_by)
        with context.deadline() as stop:
            report = check_dataset(
                request.path,
                checklist,
                references=request.references,
                at=datetime.now(UTC),
                limits=context.limits,
                stop=stop,
                allowed=allowed(context, self.database),
            )
        asked = context.thresholds.model_dump()
        below = {dimension: asked[dimension] for dimension, score in report.quality.items() if score < asked[dimension]}
        return QualityAnswer(report=report, below=below)
