"""What a run came to, in one object."""

from pydantic import BaseModel, ConfigDict, Field

from core.dataset import DatasetRef
from core.errors import AccountingError
from core.run import Status


class Quality(BaseModel):
    """Scores from 0 to 1; None for what no check measured. `overall` is the mean of those that were."""

    completeness: float | None = None
    consistency: float | None = None
    accuracy: float | None = None
    overall: float | None = None


class Records(BaseModel):
    """The account of all source rows: `in = out + quarantined + merged + filtered`.

    `out` counts the rows that reached the published result, before they are grouped; rows are counted once, at the
    stage where they leave. For a run that published nothing `out` is 0, and the rows that had not left are `held`.
    """

    model_config = ConfigDict(populate_by_name=True)

    rows_in: int = Field(default=0, alias="in")
    out: int = 0
    quarantined: int = 0
    merged: int = 0
    filtered: int = 0

    @property
    def held(self) -> int:
        return self.rows_in - self.out - self.quarantined - self.merged - self.filtered


class TaskCount(BaseModel):
    """Tasks of the last round: done, and not done."""

    completed: int = 0
    failed: int = 0


class Closing(BaseModel):
    """What closing a run came to. `version` is the published folder, if there is one."""

    records: Records
    left: DatasetRef | None = None
    repairs: DatasetRef | None = None
    version: str | None = None


class RunReport(BaseModel):
    """A run's result.

    `route` is the gate's course: `publish`, or the detours taken before the end, such as `enhance` or `retry,fail`.
    `target` is the path of the target, whether or not this run published it.
    """

    run_id: str
    status: Status
    route: str = ""
    quality: Quality = Quality()
    records: Records = Records()
    tasks: TaskCount = TaskCount()
    target: str = ""
    duration_s: float = 0.0
    throughput_rps: float = 0.0

    def as_json(self) -> str:
        """One JSON object on one line."""
        return self.model_dump_json(by_alias=True)


def check_records(records: Records) -> None:
    """Raise AccountingError unless every source row of a published run is accounted for."""
    if records.held != 0:
        raise AccountingError(
            f"{records.rows_in} rows came in, but {records.out} out + {records.quarantined} quarantined"
            f" + {records.merged} merged + {records.filtered} filtered leave {records.held} without account."
        )
