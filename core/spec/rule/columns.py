"""Rules about columns: which there are, what they are called, what they are made of."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from core.spec.column import Names, parse_type
from core.spec.rule.change import Change


class Select(Change):
    """Keep these columns only, in this order."""

    rule: Literal["select"]
    columns: Names = Field(min_length=1)

    def reads(self) -> Iterable[str]:
        return self.columns


class Rename(Change):
    """Give columns other names: `columns` maps the old to the new. They keep their places."""

    rule: Literal["rename"]
    columns: dict[str, str] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _no_name_twice(cls, value: dict[str, str]) -> dict[str, str]:
        if len(set(value.values())) < len(value):
            raise ValueError("two columns would have the same name")
        return value

    def reads(self) -> Iterable[str]:
        return self.columns

    def writes(self) -> Iterable[str]:
        return self.columns.values()

    def adds(self) -> Iterable[str]:
        # Two columns may swap their names.
        return [new for new in self.columns.values() if new not in self.columns]

    def drops(self) -> Iterable[str]:
        return [old for old in self.columns if old not in self.columns.values()]


class Derive(Change):
    """Add or replace columns by expressions over the row, as it was before the rule."""

    rule: Literal["derive"]
    columns: dict[str, str] = Field(min_length=1)

    def expressions(self) -> Iterable[str]:
        return self.columns.values()

    def writes(self) -> Iterable[str]:
        return self.columns


class Split(Change):
    """Split a text at a separator into further columns. Absent parts are missing; the last takes the rest."""

    rule: Literal["split"]
    column: str
    by: str = Field(min_length=1)
    into: Names = Field(min_length=1)

    def reads(self) -> Iterable[str]:
        return (self.column,)

    def writes(self) -> Iterable[str]:
        return self.into


class Merge(Change):
    """Join the texts of columns, with `by` between them. Missing ones are left out; of none but missing, none comes."""

    rule: Literal["merge"]
    columns: tuple[str, ...] = Field(min_length=2)
    by: str = " "
    into: str

    def reads(self) -> Iterable[str]:
        return self.columns

    def writes(self) -> Iterable[str]:
        return (self.into,)


class Flatten(Change):
    """Take values out of a nested column, which is a struct or JSON text.

    `fields` maps the path within it, such as `address.city`, to the type of the value. The new columns are called by
    the path with `_` for its dots, after `prefix` (by default the column's name and `_`). Without `fields`, those of a
    struct are all taken, with their types. A row whose text is no JSON, or whose value is not of the type, goes to
    quarantine; a field that is not there is missing.
    """

    rule: Literal["flatten"]
    column: str
    fields: dict[Annotated[str, Field(pattern=r"^\w+(\.\w+)*$")], str] | None = Field(default=None, min_length=1)
    prefix: str | None = None

    @model_validator(mode="after")
    def _different_names(self) -> "Flatten":
        names = [self.name_of(path) for path in self.fields or ()]
        if len(set(names)) < len(names):
            raise ValueError("two fields would be columns of the same name")
        return self

    @field_validator("fields")
    @classmethod
    def _known_types(cls, value: dict[str, str] | None) -> dict[str, str] | None:
        return value and {path: parse_type(text) for path, text in value.items()}

    def name_of(self, path: str) -> str:
        """The column that the value at a path becomes."""
        return (f"{self.column}_" if self.prefix is None else self.prefix) + path.replace(".", "_")

    def reads(self) -> Iterable[str]:
        return (self.column,)

    def writes(self) -> Iterable[str]:
        return [self.name_of(path) for path in self.fields or ()]
