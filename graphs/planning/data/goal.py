"""A goal: what is to be measured, by what, of which rows. It names columns of the survey, never words."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Function = Literal["sum", "mean", "median", "min", "max", "stddev", "count", "count_distinct"]
Unit = Literal["hour", "day", "week", "month", "quarter", "year"]
Operator = Literal["<", "<=", "=", ">=", ">"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ColumnOf(_Part):
    """A column of a dataset."""

    dataset: str
    column: str

    def __str__(self) -> str:
        return f"{self.column} of {self.dataset}"


class Measure(_Part):
    """An aggregate, called `name` in the result: of a column, of the product of two (`times`), of the days from one to
    another (`until`), or its hours (`in_hours`); without a column, of the rows themselves, which are only counted."""

    name: str
    function: Function
    column: ColumnOf | None = None
    times: ColumnOf | None = None
    until: ColumnOf | None = None
    in_hours: bool = False

    @property
    def columns(self) -> list[ColumnOf]:
        return [one for one in (self.column, self.times, self.until) if one]

    def __str__(self) -> str:
        if self.column is None:
            return f"the number of rows as {self.name}"
        what = str(self.column)
        if self.times:
            what = f"{self.column} x {self.times}"
        if self.until:
            what = f"the {'hours' if self.in_hours else 'days'} from {self.column} to {self.until}"
        words = {"count_distinct": "number of different", "count": "number of values of"}
        return f"{words.get(self.function, self.function + ' of')} {what} as {self.name}"


class Condition(_Part):
    """Only rows whose column has one of the values; or none of them, if `negated`."""

    column: ColumnOf
    values: tuple[str, ...] = Field(min_length=1)
    negated: bool = False

    def __str__(self) -> str:
        return f"{self.column} {'is not' if self.negated else 'is'} {' or '.join(self.values)}"


class Comparison(_Part):
    """Only rows whose number, or the day of whose date, stands so to a value: a number, or an ISO date."""

    column: ColumnOf
    operator: Operator
    value: str

    def __str__(self) -> str:
        return f"{self.column} {self.operator} {self.value}"


class Goal(_Part):
    """Measures over the rows of `base`, in groups: by columns, and by units of `time`. Without measures, the rows
    themselves, with `columns` of other datasets beside their own. `day_first` and `month_first` say how the dates of
    columns are read that can be read both ways, `through` which columns datasets are looked up, where there are several
    that mean different things."""

    base: str
    measures: tuple[Measure, ...] = ()
    groups: tuple[ColumnOf, ...] = ()
    time: ColumnOf | None = None
    unit: Unit | None = None
    conditions: tuple[Condition, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    columns: tuple[ColumnOf, ...] = ()
    day_first: tuple[ColumnOf, ...] = ()
    month_first: tuple[ColumnOf, ...] = ()
    through: tuple[ColumnOf, ...] = ()

    @property
    def needed(self) -> list[ColumnOf]:
        """All columns that it names, each once."""
        named = [column for measure in self.measures for column in measure.columns]
        named += [*self.groups, *([self.time] if self.time else []), *(one.column for one in self.kept)]
        return list(dict.fromkeys([*named, *self.columns]))

    @property
    def kept(self) -> list[Condition | Comparison]:
        """All that rows have to be to count."""
        return [*self.conditions, *self.comparisons]

    def __str__(self) -> str:
        groups = [*([f"{self.unit} of {self.time}"] if self.time else []), *map(str, self.groups)]
        what = ", ".join(map(str, self.measures)) or f"the rows of {self.base}"
        if self.measures:
            what += f", from the rows of {self.base}"
        if self.columns:
            what += f" with {', '.join(map(str, self.columns))}"
        return (
            what
            + (f", by {', '.join(groups)}" if groups else "")
            + (f", where {' and '.join(map(str, self.kept))}" if self.kept else "")
            + (f", looked up by {' and '.join(map(str, self.through))}" if self.through else "")
            + "".join(f", with the day first in {column}" for column in self.day_first)
            + "".join(f", with the month first in {column}" for column in self.month_first)
        )


class Reading(_Part):
    """What a text may mean: the goal, why, and how far it is from what the text says word by word (0 is not at all)."""

    goal: Goal
    remarks: tuple[str, ...] = ()
    distance: float = 0.0
