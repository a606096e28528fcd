"""Tasks and their outcomes: what is handed to an agent, and what comes back."""

from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.dataset import DatasetRef


class Stage(StrEnum):
    """The five stages, in the order in which data passes them."""

    INGESTION = "ingestion"
    VALIDATION = "validation"
    TRANSFORMATION = "transformation"
    ENRICHMENT = "enrichment"
    AGGREGATION = "aggregation"


class Dimension(StrEnum):
    """The three dimensions in which quality is measured."""

    COMPLETENESS = "completeness"
    CONSISTENCY = "consistency"
    ACCURACY = "accuracy"


# The share of faultless rows that data should have, where nothing else is asked for.
THRESHOLDS = {Dimension.COMPLETENESS: 0.95, Dimension.CONSISTENCY: 0.98, Dimension.ACCURACY: 0.97}


class Severity(StrEnum):
    """What a failed check means: critical and major send the row to quarantine, minor only reports it."""

    CRITICAL = "critical"
    MAJOR = "major"
    MINOR = "minor"

    @property
    def rank(self) -> int:
        """Its place in the order, from 0: the gravest first."""
        return list(Severity).index(self)


class Fate(StrEnum):
    """How a row leaves a pipeline before its end."""

    QUARANTINED = "quarantined"
    MERGED = "merged"
    FILTERED = "filtered"


class Task(BaseModel):
    """One unit of work on one shard of one dataset at one stage.

    `round` is 0 on the first pass and grows with each enhancement of the data, which makes a new task of the same
    place. `inputs` are the keys of the tasks whose output this one continues, `context` maps other datasets to the
    keys of the tasks whose output it only looks at. An `aligned` task continues the same shard of the stage before:
    its input has its rows and no others.
    """

    model_config = ConfigDict(frozen=True)

    stage: Stage
    dataset: str
    shard: int = 0
    shards: int = 1
    round: int = 0
    priority: Literal["low", "medium", "high"] = "medium"
    repair: bool = False
    aligned: bool = False
    inputs: tuple[str, ...] = ()
    context: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def place(self) -> str:
        """The task without its round: `validation/orders/0`."""
        return f"{self.stage}/{self.dataset}/{self.shard}"

    @property
    def key(self) -> str:
        """The step key, stable across retries and resumes: `validation/orders/0`, `validation/orders/0@1`."""
        return self.place if self.round == 0 else f"{self.place}@{self.round}"

    @property
    def needs(self) -> frozenset[str]:
        """Keys of all tasks that must be done before this one can start."""
        return frozenset(self.inputs).union(*self.context.values())


class RowCount(BaseModel):
    """The account of one row-preserving step: `rows_in = rows_out + quarantined + merged + filtered`."""

    model_config = ConfigDict(frozen=True)

    rows_in: int = Field(default=0, ge=0)
    rows_out: int = Field(default=0, ge=0)
    quarantined: int = Field(default=0, ge=0)
    merged: int = Field(default=0, ge=0)
    filtered: int = Field(default=0, ge=0)

    @property
    def left(self) -> int:
        """Rows that left at this step."""
        return self.quarantined + self.merged + self.filtered

    @property
    def balanced(self) -> bool:
        return self.rows_in == self.rows_out + self.left


class Violation(BaseModel):
    """A check that some rows, or the dataset as a whole, did not pass.

    `rows` counts those that fail; a check of the whole has none to count, and `observed` says what was measured.
    `partitions` has the same for each failing part of the dataset, where the check asks for parts.

    `handled` is true when the rows were given to repair before: what still fails then is in quarantine for good,
    and no longer speaks against publishing. What fails on the whole is never handled.
    """

    check: str
    dataset: str
    dimension: Dimension
    severity: Severity
    rows: int | None = None
    observed: str | None = None
    partitions: dict[str, int | str] = Field(default_factory=dict)
    handled: bool = False

    @property
    def of_whole(self) -> bool:
        """Whether it speaks of the dataset as a whole, and so of no row that could be kept out."""
        return self.rows is None


class Failure(BaseModel):
    """Why a task failed. A permanent failure would fail again the same way; the others are worth another try."""

    error: str
    message: str
    kind: Literal["permanent", "resource", "transient"] = "permanent"


class Outcome(BaseModel):
    """What came of a task, or of another branch of a graph: references, counts and scores, or a typed failure.

    `faults` counts, for each dimension that the task measured, the rows with at least one fault in it. `leaving`
    counts the rows that left by `fate:rule`. `used` refers, for each dataset looked up, to the row ids that matched.
    `groups` is the number of rows that an aggregation mapped its input to; its `rows_out` counts them before.
    `result` is what a branch found that is no data: plain JSON. `quality` is what it is worth, 0 to 1, where that
    was measured.
    """

    task: str
    status: Literal["done", "failed", "blocked"]
    agent: str = ""
    rows: RowCount = RowCount()
    groups: int | None = None
    output: DatasetRef | None = None
    left: DatasetRef | None = None
    repairs: DatasetRef | None = None
    used: dict[str, DatasetRef] = Field(default_factory=dict)
    faults: dict[Dimension, int] = Field(default_factory=dict)
    violations: list[Violation] = Field(default_factory=list)
    leaving: dict[str, int] = Field(default_factory=dict)
    notes: list[str] = Field(default_factory=list)
    failure: Failure | None = None
    result: dict[str, Any] | None = None
    quality: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    seconds: float = 0.0
    attempt: int = 0
