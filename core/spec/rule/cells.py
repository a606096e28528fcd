"""Rules about cells: each value is changed for itself."""

import re
from collections.abc import Iterable
from typing import Literal

from pydantic import Field, field_validator, model_validator

from core.spec.column import Names, parse_type
from core.spec.rule.change import Change, InPlace

Scalar = str | int | float | bool

# What a date format may consist of; the names of months are English.
DIRECTIVES = ("%Y", "%y", "%m", "%b", "%B", "%d", "%H", "%M", "%S")


class _Cells(InPlace):
    columns: Names = Field(min_length=1)


class Cast(InPlace):
    """Convert columns to other types. A row whose value cannot be converted goes to quarantine."""

    rule: Literal["cast"]
    columns: dict[str, str] = Field(min_length=1)

    @field_validator("columns")
    @classmethod
    def _known_types(cls, value: dict[str, str]) -> dict[str, str]:
        return {name: parse_type(text) for name, text in value.items()}


class Fill(InPlace):
    """Put a value where a column has none."""

    rule: Literal["fill"]
    columns: dict[str, Scalar] = Field(min_length=1)


class Trim(_Cells):
    """Take white space from both ends of texts. What is nothing else becomes empty, not missing."""

    rule: Literal["trim"]


class Case(_Cells):
    """Write texts in lower or upper case, or capitalised (the first letter upper, the others lower)."""

    rule: Literal["case"]
    to: Literal["lower", "upper", "capitalised"]


class Replace(_Cells):
    """Replace every occurrence of `text`, or of what matches `pattern` (RE2 syntax), in texts."""

    rule: Literal["replace"]
    text: str | None = Field(default=None, min_length=1)
    pattern: str | None = Field(default=None, min_length=1)
    by: str

    @model_validator(mode="after")
    def _one_of_both(self) -> "Replace":
        if (self.text is None) == (self.pattern is None):
            raise ValueError("give text or pattern")
        return self


class Map(Change):
    """Put one value in the place of another. Keys and values are of the column's type.

    `otherwise` says what becomes of a value that is not listed: keep it, make it missing (null), or send the row to
    quarantine. A missing value stays so.
    """

    rule: Literal["map"]
    column: str
    values: dict[str, Scalar | None] = Field(min_length=1)
    otherwise: Literal["keep", "null", "quarantine"] = "keep"

    def reads(self) -> Iterable[str]:
        return (self.column,)

    def writes(self) -> Iterable[str]:
        return (self.column,)


class ParseDates(_Cells):
    """Read texts as dates or timestamps by the first of `formats` that fits as a whole, such as `%d.%m.%Y`.

    `%y` is a year from 1970 to 2069. Days, months and hours may be written with one digit. A row whose text fits none,
    or names a day that does not exist, goes to quarantine.
    """

    rule: Literal["parse_dates"]
    formats: tuple[str, ...] = Field(min_length=1)
    to: Literal["date", "timestamp"] = "date"

    @field_validator("formats")
    @classmethod
    def _known_directives(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            found = re.findall(r"%.?", text)
            if unknown := [directive for directive in found if directive not in DIRECTIVES]:
                raise ValueError(f"'{unknown[0]}' is no directive of a date; allowed are {' '.join(DIRECTIVES)}")
            of = [{"%y": "%Y", "%b": "%m", "%B": "%m"}.get(directive, directive) for directive in found]
            if len(of) > len(set(of)) or not {"%Y", "%m", "%d"} <= set(of):
                raise ValueError(f"'{text}' must have year, month and day, each part once")
        return value


class Hash(_Cells):
    """Put the hexadecimal digest of its text (UTF-8) in the place of a value. A missing value stays so.

    `salt_env` names an environment variable whose text is put before each value, so that digests cannot be looked up.
    """

    rule: Literal["hash"]
    algorithm: Literal["sha256", "md5"] = "sha256"
    salt_env: str | None = Field(default=None, min_length=1)


class Mask(_Cells):
    """Put `*` in the place of all characters but the last `keep`. What is no longer than that is masked as a whole."""

    rule: Literal["mask"]
    keep: int = Field(default=0, ge=0, le=1_000_000)
