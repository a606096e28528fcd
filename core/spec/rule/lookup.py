"""Rules that look rows up in another dataset."""

from collections.abc import Iterable
from typing import Literal

from pydantic import Field

from core.spec.column import Names
from core.spec.rule.change import Reference


class Join(Reference):
    """Look up each row in another dataset by its key, and take columns from there.

    `on` maps this dataset's columns to the other's, which must be unique there. `missing` says what becomes of a row
    that finds nothing: quarantine, keep (with nulls), or filter.
    """

    rule: Literal["join"]
    on: dict[str, str] = Field(min_length=1)
    columns: Names = Field(min_length=1)
    missing: Literal["quarantine", "keep", "filter"] = "quarantine"

    def reads(self) -> Iterable[str]:
        return self.on

    def writes(self) -> Iterable[str]:
        return self.columns

    def adds(self) -> Iterable[str]:
        return self.columns

    def keys(self) -> Iterable[str]:
        return self.on.values()

    def taken(self) -> Iterable[str]:
        return self.columns


class Lookup(Reference):
    """Take one value from another dataset, whose column `key` is unique: `into` gets its column `take`.

    Nobody leaves: a row that finds nothing gets `default`, or no value.
    """

    rule: Literal["lookup"]
    column: str
    key: str
    take: str
    into: str
    default: str | int | float | bool | None = None

    def reads(self) -> Iterable[str]:
        return (self.column,)

    def writes(self) -> Iterable[str]:
        return (self.into,)

    def keys(self) -> Iterable[str]:
        return (self.key,)

    def taken(self) -> Iterable[str]:
        return (self.take,)
