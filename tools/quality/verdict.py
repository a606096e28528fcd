"""Verdicts: what came of a check, on the dataset and on each of its parts."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from core.task import Dimension, Severity


class Partition(BaseModel):
    """A part of the dataset, by the values (as text) of the columns that part it.

    `failed` counts the rows that fail a check of rows; of a check of the whole, `observed` says what was measured.
    """

    model_config = ConfigDict(frozen=True)

    values: dict[str, str | None]
    rows: int
    passed: bool
    failed: int | None = None
    observed: str | None = None

    @property
    def label(self) -> str:
        """The part in words, such as `month=2025-03, region=North`."""
        return ", ".join(f"{name}={value}" for name, value in self.values.items())


class Verdict(BaseModel):
    """What came of one check. It passes if no row fails; a check of the whole, if that passes, or all its parts, where
    the check itself names columns that part the dataset.

    `failed` and `observed` as in Partition. `partitions` are told where the check, or who asked, names columns for it.
    `sample` has some of the rows that fail.
    """

    check: str
    dimension: Dimension
    severity: Severity
    passed: bool
    failed: int | None = None
    observed: str | None = None
    partitions: list[Partition] = []
    sample: list[dict[str, Any]] = []
