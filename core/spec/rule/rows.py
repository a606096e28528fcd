"""Rules about rows: which of them go on."""

from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from core.spec.column import Names
from core.spec.rule.change import Change


class Filter(Change):
    """Keep the rows for which the expression is true; the others are counted as filtered."""

    rule: Literal["filter"]
    where: str = Field(min_length=1)

    def expressions(self) -> Iterable[str]:
        return (self.where,)


class DropNulls(Change):
    """Filter out the rows in which one of the columns has no value."""

    rule: Literal["drop_nulls"]
    columns: Names = Field(min_length=1)

    def reads(self) -> Iterable[str]:
        return self.columns


class Deduplicate(Change):
    """Merge rows that share these columns into the first of them, in the order of the source.

    As everywhere, a missing value is not known to equal another: a row that lacks one of the columns shares them with
    nobody, and goes on.
    """

    rule: Literal["deduplicate"]
    columns: Names = Field(min_length=1)
    whole: ClassVar[bool] = True

    def reads(self) -> Iterable[str]:
        return self.columns
