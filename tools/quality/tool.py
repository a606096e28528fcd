"""DataQualityTool: checks for agents."""

from datetime import UTC, datetime

from pydantic import BaseModel

from core.task import Dimension
from tools.discovery.clearance import allowed
from tools.quality.report import QualityReport, check_dataset
from tools.quality.request import QualityRequest
from tools.tool import Tool


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
        with context.deadline() as stop:
            report = check_dataset(
                request.path,
                request.checklist,
                references=request.references,
                at=datetime.now(UTC),
                limits=context.limits,
                stop=stop,
                allowed=allowed(context, self.database),
            )
        asked = context.thresholds.model_dump()
        below = {dimension: asked[dimension] for dimension, score in report.quality.items() if score < asked[dimension]}
        return QualityAnswer(report=report, below=below)
