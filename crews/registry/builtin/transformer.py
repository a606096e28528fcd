"""The data transformer: files by rules, committed at once."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.dataset import DatasetRef
from core.spec.check import Check
from core.spec.rule import Rule
from core.task import Outcome, RowCount
from crews.registry.job import Job
from tools.engine.engine import written
from tools.sources.opening import Files
from tools.transformation.request import TargetColumn, TransformationRequest
from tools.transformation.transformation import transform_dataset


class DataTransformer(BaseModel):
    """Transforms files by rules that keep rows apart; to group them, aggregate. `schema` is what the result must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(min_length=1)
    checks: tuple[Check, ...] = ()
    datasets: dict[str, str | Files] = Field(default_factory=dict)
    target_schema: dict[str, TargetColumn] | None = Field(default=None, min_length=1)

    @field_validator("rules")
    @classmethod
    def _keeping_rows(cls, value: tuple[Rule, ...]) -> tuple[Rule, ...]:
        if other := [rule.rule for rule in value if not rule.keeps_rows]:
            raise ValueError(f"{', '.join(other)} makes other rows of them; use data_aggregation for that")
        return value

    def perform(self, job: Job) -> Outcome:
        """Raises what `transform_dataset` does."""
        request = TransformationRequest(
            source=job.files,
            rules=self.rules,
            checks=self.checks,
            datasets=self.datasets,
            target_schema=self.target_schema,
            output=str(job.path / "rows"),
        )
        # It writes where the job lies, and nobody else does.
        context = job.context.model_copy(
            update={"roots": (*job.context.roots, str(job.path)), "limits": job.limits, "agent": "data_transformer"}
        )
        done = transform_dataset(request, context, context.path, job.stop)
        (account,) = done.account
        return Outcome(
            task=job.dataset,
            status="done",
            rows=RowCount.model_validate(account.model_dump(include=set(RowCount.model_fields))),
            output=written([Path(file) for file in done.files]),
            left=_reference(account.left_file),
            leaving=account.leaving,
            violations=done.quality.violations if done.quality else [],
            notes=done.notes,
            quality=done.quality.overall if done.quality else None,
        )


def _reference(file: str | None) -> DatasetRef | None:
    return written([Path(file)]) if file else None
