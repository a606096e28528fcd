"""Rules that make other rows of the rows."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from core.spec.column import Names, check_apart
from core.spec.rule.change import Change


class _Mapping(Change):
    whole: ClassVar[bool] = True
    keeps_rows: ClassVar[bool] = False


class Aggregate(_Mapping):
    """Group rows by columns and compute aggregates, each an expression such as `sum(revenue)`."""

    rule: Literal["aggregate"]
    group_by: Names = Field(min_length=1)
    aggregates: dict[str, str] = Field(min_length=1)

    @model_validator(mode="after")
    def _no_name_twice(self) -> "Aggregate":
        if twice := set(self.aggregates) & set(self.group_by):
            raise ValueError(f"'{min(twice)}' is both grouped by and an aggregate")
        check_apart([*self.group_by, *self.aggregates])
        return self

    def reads(self) -> Iterable[str]:
        return self.group_by

    def expressions(self) -> Iterable[str]:
        return self.aggregates.values()

    def writes(self) -> Iterable[str]:
        return self.aggregates


class Pivot(_Mapping):
    """Group rows by columns, with a column of an aggregate for each value of `column`.

    The new columns are called by the `values`, of which all that are found are taken if none are given.
    """

    rule: Literal["pivot"]
    group_by: Names = Field(min_length=1)
    column: str
    values: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    aggregate: str = Field(min_length=1)

    def reads(self) -> Iterable[str]:
        return [*self.group_by, self.column]

    def expressions(self) -> Iterable[str]:
        return (self.aggregate,)

    def writes(self) -> Iterable[str]:
        return self.values


class Unpivot(_Mapping):
    """Make a row of each of these columns: `name` gets its name, `value` its value. The other columns are repeated."""

    rule: Literal["unpivot"]
    columns: Names = Field(min_length=1)
    name: str = "name"
    value: str = "value"

    def reads(self) -> Iterable[str]:
        return self.columns

    def writes(self) -> Iterable[str]:
        return (self.name, self.value)

    def drops(self) -> Iterable[str]:
        return self.columns
