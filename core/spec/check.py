"""Checks: what each row, each key, or a dataset as a whole must satisfy. What fails is told by the check's name.

Every check has a `severity` and a `dimension` of quality, which can be set otherwise than its default, and `per`: the
columns whose values part the dataset. A check of rows then tells in which parts its rows fail; a check of the whole is
judged for each part by itself.
"""

from datetime import date, timedelta
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from core.spec.column import Names, parse_type
from core.spec.part import Part
from core.task import Dimension, Severity

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _word(value: Any) -> Any:
    """A value as the text that stands for it in data."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float, date)) else value


Word = Annotated[str, BeforeValidator(_word)]


class Range(Part):
    """From `min` to `max`, both included."""

    min: float
    max: float

    @model_validator(mode="after")
    def _not_empty(self) -> "Range":
        if self.min > self.max:
            raise ValueError("min is above max")
        return self


class _Check(Part):
    severity: Severity = Severity.MAJOR
    per: Names = ()

    whole: ClassVar[bool] = False

    @property
    def reads(self) -> tuple[str, ...]:
        """The columns of the dataset that the check names; those of an expression stand in its text."""
        column = getattr(self, "column", None)
        return tuple(getattr(self, "columns", ())) if column is None else (column,)

    @property
    def name(self) -> str:
        kind, reads = getattr(self, "check", ""), ", ".join(self.reads)
        return f"{kind}({reads})" if reads else kind


class NotNull(_Check):
    """The column has a value: neither null nor blank text."""

    check: Literal["not_null"]
    column: str
    dimension: Dimension = Dimension.COMPLETENESS


class Unique(_Check):
    """No two rows share these columns. Rows that agree in all else are copies, which repair merges into the first.

    As in SQL, a row without a value in one of the columns has no key, and is nobody's double.
    """

    check: Literal["unique"]
    columns: Names = Field(min_length=1)
    dimension: Dimension = Dimension.CONSISTENCY


class InSet(_Check):
    """The column's value, where there is one, is among those listed."""

    check: Literal["in_set"]
    column: str
    values: tuple[Word, ...] = Field(min_length=1)
    dimension: Dimension = Dimension.ACCURACY


class Between(_Check):
    """The column's value, where there is one, lies within the bounds, both included. For numbers and for dates."""

    check: Literal["between"]
    column: str
    min: float | date | None = None
    max: float | date | None = None
    dimension: Dimension = Dimension.ACCURACY

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


class Matches(_Check):
    """The column's text, where there is one, matches the pattern as a whole (RE2 syntax)."""

    check: Literal["matches"]
    column: str
    pattern: str = Field(min_length=1)
    dimension: Dimension = Dimension.CONSISTENCY


class Type(_Check):
    """Each cell, as it came, is a value of the type (see `tools.engine.types`).

    A pipeline checks the declared types of all columns without being told; this check gives one of them another
    severity, or asks a column of text for the notation of a type.
    """

    check: Literal["type"]
    column: str
    type: str
    dimension: Dimension = Dimension.CONSISTENCY

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        return parse_type(value)


class ForeignKey(_Check):
    """The row's key, where it has a whole one, is the key of a row of another dataset, or of its own.

    `on` maps this dataset's columns to the other's.
    """

    check: Literal["foreign_key"]
    dataset: str
    on: dict[str, str] = Field(min_length=1)
    dimension: Dimension = Dimension.CONSISTENCY

    @property
    def reads(self) -> tuple[str, ...]:
        return tuple(self.on)


class Expression(_Check):
    """The expression over the row's columns is true; where it is null, the row passes."""

    check: Literal["expression"]
    expression: str = Field(min_length=1)
    dimension: Dimension = Dimension.CONSISTENCY

    @property
    def name(self) -> str:
        return f"expression({self.expression})"


class Freshness(_Check):
    """The newest value of a column of dates or timestamps (UTC) is no older than `max_age` when the run began.

    `max_age` is a number of s, m, h, d or w: `24h`. A date is as old as its midnight.
    """

    check: Literal["freshness"]
    column: str
    max_age: str = Field(pattern=r"^[1-9]\d{0,5}[smhdw]$")
    dimension: Dimension = Dimension.COMPLETENESS
    whole: ClassVar[bool] = True

    @property
    def age(self) -> timedelta:
        return timedelta(**{_UNITS[self.max_age[-1]]: int(self.max_age[:-1])})


class RowCount(_Check):
    """The dataset has at least `min` and at most `max` rows."""

    check: Literal["row_count"]
    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)
    dimension: Dimension = Dimension.COMPLETENESS
    whole: ClassVar[bool] = True

    @model_validator(mode="after")
    def _bounds(self) -> "RowCount":
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self


class Distribution(_Check):
    """The column's values are distributed as expected; rows without a value are left out.

    Of numbers: `mean`, `std` (of the sample, n - 1) and `quantiles` (by their share, interpolated) lie within their
    ranges, both ends included. Of categories: `shares` says which share each value has, what is left to 1 belongs to
    all others together, and the total variation distance, half the sum of |observed - expected| over them, is at most
    `tolerance`: the share of rows that would have to change their value.
    """

    check: Literal["distribution"]
    column: str
    mean: Range | None = None
    std: Range | None = None
    quantiles: dict[Annotated[float, Field(ge=0, le=1)], Range] = Field(default_factory=dict)
    shares: dict[Word, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)
    tolerance: float = Field(default=0.1, ge=0, le=1)
    dimension: Dimension = Dimension.ACCURACY
    whole: ClassVar[bool] = True

    @model_validator(mode="after")
    def _expects(self) -> "Distribution":
        if bool(self.shares) == self.of_numbers:
            raise ValueError("give either shares, or some of mean, std and quantiles")
        if sum(self.shares.values()) > 1 + 1e-9:
            raise ValueError("the shares come to more than 1")
        return self

    @property
    def of_numbers(self) -> bool:
        return self.mean is not None or self.std is not None or bool(self.quantiles)


Check = Annotated[
    NotNull | Unique | InSet | Between | Matches | Type | ForeignKey | Expression | Freshness | RowCount | Distribution,
    Field(discriminator="check"),
]
