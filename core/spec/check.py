"""Checks: what each row, or each key, must satisfy. A failing row is caught by name."""

from datetime import date
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from core.spec.part import Part
from core.task import Dimension, Severity


class _Check(Part):
    severity: Severity = Severity.MAJOR

    dimension: ClassVar[Dimension]


class NotNull(_Check):
    """The column has a value."""

    check: Literal["not_null"]
    column: str
    dimension: ClassVar[Dimension] = Dimension.COMPLETENESS

    @property
    def name(self) -> str:
        return f"not_null({self.column})"


class Unique(_Check):
    """No two rows share these columns. Rows that agree in all else are copies, which repair merges into the first."""

    check: Literal["unique"]
    columns: tuple[str, ...] = Field(min_length=1)
    dimension: ClassVar[Dimension] = Dimension.CONSISTENCY

    @property
    def name(self) -> str:
        return f"unique({', '.join(self.columns)})"


class InSet(_Check):
    """The column's value, where there is one, is among those listed."""

    check: Literal["in_set"]
    column: str
    values: tuple[str, ...] = Field(min_length=1)
    dimension: ClassVar[Dimension] = Dimension.ACCURACY

    @property
    def name(self) -> str:
        return f"in_set({self.column})"


class Between(_Check):
    """The column's value, where there is one, lies within the bounds, both included. For numbers and for dates."""

    check: Literal["between"]
    column: str
    min: float | date | None = None
    max: float | date | None = None
    dimension: ClassVar[Dimension] = Dimension.ACCURACY

    @model_validator(mode="after")
    def _bounds(self) -> "Between":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if isinstance(self.min, date) != isinstance(self.max, date) and None not in (self.min, self.max):
            raise ValueError("min and max must both be numbers or both be dates")
        if self.min is not None and self.max is not None and self.min > self.max:  # type: ignore[operator]
            raise ValueError("min is above max")
        return self

    @property
    def of_dates(self) -> bool:
        """Whether the bounds are dates, not numbers."""
        return isinstance(self.min, date) or isinstance(self.max, date)

    @property
    def name(self) -> str:
        return f"between({self.column})"


class Matches(_Check):
    """The column's text, where there is one, matches the pattern as a whole (RE2 syntax)."""

    check: Literal["matches"]
    column: str
    pattern: str = Field(min_length=1)
    dimension: ClassVar[Dimension] = Dimension.CONSISTENCY

    @property
    def name(self) -> str:
        return f"matches({self.column})"


class Expression(_Check):
    """The expression over the row's columns is true; where it is null, the row passes."""

    check: Literal["expression"]
    expression: str = Field(min_length=1)
    dimension: ClassVar[Dimension] = Dimension.CONSISTENCY

    @property
    def name(self) -> str:
        return f"expression({self.expression})"


Check = Annotated[NotNull | Unique | InSet | Between | Matches | Expression, Field(discriminator="check")]
