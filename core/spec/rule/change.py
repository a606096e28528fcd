"""What every rule says of itself."""

from collections.abc import Iterable
from typing import Any, ClassVar

from pydantic import Field

from core.spec.part import Part


class Change(Part):
    """A rule. What it has to do with columns it says itself, so that nobody else need know the rules one by one.

    `whole` rules need all rows of a dataset at once, so that it cannot be sharded. A rule that `keeps_rows` lets each
    row go on as itself or leave; the others make other rows of them, which are not any source row's.
    """

    rule: str

    whole: ClassVar[bool] = False
    keeps_rows: ClassVar[bool] = True

    def reads(self) -> Iterable[str]:
        """The columns that it names and that must be there."""
        return ()

    def expressions(self) -> Iterable[str]:
        """Its expressions, whose columns must be there too."""
        return ()

    def writes(self) -> Iterable[str]:
        """The columns that it adds or replaces."""
        return ()

    def adds(self) -> Iterable[str]:
        """Those of the columns written that must not be there before."""
        return ()

    def drops(self) -> Iterable[str]:
        """The columns that are gone after it; `select` alone names those that stay."""
        return ()


class InPlace(Change):
    """A rule that replaces the values of columns by what they become."""

    columns: tuple[str, ...] | dict[str, Any] = Field(min_length=1)

    def reads(self) -> Iterable[str]:
        return self.columns

    def writes(self) -> Iterable[str]:
        return self.columns


class Reference(Change):
    """A rule that looks each row up in another dataset, whose key must be unique."""

    dataset: str

    def keys(self) -> Iterable[str]:
        """The columns of the other dataset that rows are found by."""
        return ()

    def taken(self) -> Iterable[str]:
        """The columns of the other dataset whose values are taken."""
        return ()
