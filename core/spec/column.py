"""Columns and their types, as the spec declares them."""

import re
from typing import Any

from pydantic import field_validator, model_validator

from core.spec.part import Part

TYPES = ("string", "integer", "float", "boolean", "date", "timestamp", "decimal(P,S)")

_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")


def parse_type(text: str) -> str:
    """The canonical form of a type, such as `decimal(12,2)`. Raises ValueError that names the allowed ones."""
    compact = text.replace(" ", "").lower()
    if compact in TYPES:
        return compact
    match = _DECIMAL.fullmatch(compact)
    if match and 1 <= int(match[1]) <= 38 and int(match[2]) <= int(match[1]):
        return compact
    raise ValueError(f"'{text}' is no type; allowed are {', '.join(TYPES)}")


class Column(Part):
    """A column's type. In the document, `quantity: integer` is short for `quantity: {type: integer}`."""

    type: str

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, (str, dict, Column)):
            return {"type": value} if isinstance(value, str) else value
        raise ValueError(f"give the column's type; allowed are {', '.join(TYPES)}")

    @field_validator("type")
    @classmethod
    def _known_type(cls, value: str) -> str:
        return parse_type(value)
