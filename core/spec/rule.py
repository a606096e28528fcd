"""Rules: how rows are changed. A closed union; what a rule may do is in its fields."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from core.spec.column import parse_type
from core.spec.part import Part


class _Rule(Part):
    whole: ClassVar[bool] = False


class Select(_Rule):
    """Keep these columns only."""

    rule: Literal["select"]
    columns: tuple[str, ...] = Field(min_length=1)


class Cast(_Rule):
    """Convert columns to other types. A row whose value cannot be converted goes to quarantine."""

    rule: Literal["cast"]
    columns: dict[str, str] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _known_types(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: parse_type(text) for name, text in value.items()}


class Derive(_Rule):
    """Add or replace columns by expressions over the row."""

    rule: Literal["derive"]
    columns: dict[str, str] = Field(min_length=1)


class Filter(_Rule):
    """Keep the rows for which the expression is true; the others are counted as filtered."""

    rule: Literal["filter"]
    where: str = Field(min_length=1)


class Fill(_Rule):
    """Put a value where a column has none."""

    rule: Literal["fill"]
    columns: dict[str, str | int | float | bool] = Field(min_length=1)


class DropNulls(_Rule):
    """Filter out the rows in which one of the columns has no value."""

    rule: Literal["drop_nulls"]
    columns: tuple[str, ...] = Field(min_length=1)


class Deduplicate(_Rule):
    """Merge rows that share these columns into the first of them, in the order of the source."""

    rule: Literal["deduplicate"]
    columns: tuple[str, ...] = Field(min_length=1)
    whole: ClassVar[bool] = True


class Join(_Rule):
    """Look up each row in another dataset by its key, and take columns from there.

    `on` maps this dataset's columns to the other's, which must be unique there. `missing` says what becomes of a row
    that finds nothing: quarantine, keep (with nulls), or filter.
    """

    rule: Literal["join"]
    dataset: str
    on: dict[str, str] = Field(min_length=1)
    columns: tuple[str, ...] = Field(min_length=1)
    missing: Literal["quarantine", "keep", "filter"] = "quarantine"


RowRule = Annotated[Select | Cast | Derive | Filter | Fill | DropNulls | Deduplicate, Field(discriminator="rule")]
Rule = Annotated[Select | Cast | Derive | Filter | Fill | DropNulls | Deduplicate | Join, Field(discriminator="rule")]
