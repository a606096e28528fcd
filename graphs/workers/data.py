"""Data workers: what the tools of data do, as branches of a graph."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from core.dataset import DatasetRef
from core.store import Database
from core.task import Outcome, RowCount
from graphs.branch import Branch
from graphs.worker import Answer, Attempt, Result
from graphs.workers.bounds import bounded, timed
from graphs.workers.inquiry import told
from graphs.workers.payload import requested
from tools.context import ToolContext
from tools.discovery.clearance import allowed
from tools.discovery.discovery import discover
from tools.discovery.request import DiscoveryRequest
from tools.engine.engine import written
from tools.quality.report import check_dataset
from tools.quality.request import QualityRequest
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import Transformation, transform_dataset


class DataWorker:
    """Performs `discovery`, `transformation` and `quality`, whose payloads are the arguments of the tools of that name.

    The quality of a discovery is the mean measured completeness of all that was found; that of a transformation the
    mean of its scores; that of a check the least of the shares of faultless rows that its dimensions have. It is None
    where nothing was measured.
    """

    name = "data"
    capacity = 4

    def __init__(self, database: Database, context: ToolContext) -> None:
        self._database = database
        self._context = context
        self._performing: Mapping[str, Callable[[Branch, Attempt], Answer]] = {
            "discovery": self._discovery,
            "transformation": self._transformation,
            "quality": self._quality,
        }

    @property
    def kinds(self) -> frozenset[str]:
        return frozenset(self._performing)

    def perform(self, branch: Branch, attempt: Attempt) -> Answer:
        """Raises InputError for a wrong payload, and what the tool's function raises."""
        return self._performing[branch.kind](branch, attempt)

    def _discovery(self, branch: Branch, attempt: Attempt) -> Result:
        request = requested(DiscoveryRequest, branch)
        with timed(self._context, attempt) as stop:
            answer = discover(request, self._context, self._database, stop)
        return bounded(answer.shown(), answer.quality.mean, told(answer))

    def _quality(self, branch: Branch, attempt: Attempt) -> Result:
        request = requested(QualityRequest, branch)
        with timed(self._context, attempt) as stop:
            report = check_dataset(
                request.path,
                request.checklist,
                references=request.references,
                at=datetime.now(UTC),
                # Rows stay where they are: a result goes through checkpoints and messages.
                sample=0,
                limits=self._context.limits,
                stop=stop,
                allowed=allowed(self._context, lambda: self._database),
            )
        values = report.model_dump(mode="json", exclude={"notes"}, exclude_none=True)
        return bounded(values, min(report.quality.values(), default=None), report.notes)

    def _transformation(self, branch: Branch, attempt: Attempt) -> Outcome:
        request = requested(TransformationRequest, branch)
        with timed(self._context, attempt) as stop:
            done = transform_dataset(request, self._context, allowed(self._context, lambda: self._database), stop)
        return _outcome(branch.key, request, done)


def _outcome(key: str, request: TransformationRequest, done: Transformation) -> Outcome:
    """The account of the source's rows up to the first rule that makes other rows of them; the whole is in the result.

    `output` refers to the files where one reference can: unpartitioned Parquet, of the rows that the account ends with.
    """
    first = done.account[0]
    values = done.model_dump(mode="json", exclude={"notes"}, exclude_none=True)
    told = bounded(values, done.quality.overall if done.quality else None, done.notes)
    ends = done.records == (first.rows_out if first.produced is None else first.produced)
    plain = request.output_format == "parquet" and not request.partition_by and done.files and ends
    return Outcome(
        task=key,
        status="done",
        rows=RowCount.model_validate(first.model_dump(include=set(RowCount.model_fields))),
        groups=first.produced,
        output=written([Path(file) for file in done.files]) if plain else None,
        left=_reference(first.left_file),
        leaving=first.leaving,
        violations=done.quality.violations if done.quality else [],
        notes=list(told.notes),
        result=dict(told.values),
        quality=told.quality,
    )


def _reference(file: str | None) -> DatasetRef | None:
    return written([Path(file)]) if file else None
