"""Rules about a row among the others."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from core.spec.column import Names
from core.spec.rule.change import Change, InPlace


class Window(Change):
    """Add columns computed over rows near each row: `columns` maps names to window functions and aggregates.

    Rows are seen within `partition_by`, in the order of `order_by` (`-` before a name: descending; missing values
    last; among equals, the order of the source). Aggregates such as `sum(amount)` run from the first row to this one
    if there is an order, and over the whole partition if not; `rows` narrows them to the last so many rows, this one
    included. Functions: row_number(), rank(), dense_rank(), ntile(n), lag(column, n), lead(column, n).
    """

    rule: Literal["window"]
    partition_by: Names = ()
    order_by: tuple[str, ...] = ()
    rows: int | None = Field(default=None, ge=1, le=1_000_000_000)
    columns: dict[str, str] = Field(min_length=1)
    whole: ClassVar[bool] = True

    def reads(self) -> Iterable[str]:
        return [*self.partition_by, *(name.removeprefix("-") for name in self.order_by)]

    def expressions(self) -> Iterable[str]:
        return self.columns.values()

    def writes(self) -> Iterable[str]:
        return self.columns


class Scale(InPlace):
    """Scale numbers linearly so that their least becomes 0 and their greatest 1. Where all are equal, they become 0."""

    rule: Literal["scale"]
    columns: Names = Field(min_length=1)
    whole: ClassVar[bool] = True


class Standardise(InPlace):
    """Turn numbers into z-scores: `(x - mean) / standard deviation of the sample`; 0 where all are equal."""

    rule: Literal["standardise"]
    columns: Names = Field(min_length=1)
    whole: ClassVar[bool] = True
