"""Columns and their types, as the spec declares them."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, field_validator, model_validator

from core.spec.part import Part

TYPES = ("string", "integer", "float", "boolean", "date", "timestamp", "decimal(P,S)")

_DECIMAL = re.compile(r"decimal\((\d{1,2}),(\d{1,2})\)")

RESERVED = "_"
# As long as the name of a file: a column can be a Hive folder.
_LONGEST = 255


def check_name(name: str) -> None:
    """Raise ValueError for what no column can be called."""
    if not name.strip():
        raise ValueError("a column has a name that is empty")
    if "\0" in name or len(name) > _LONGEST:
        raise ValueError(
            f"no column can be called {name[:20]!r}...: a name has up to {_LONGEST} characters, and no NUL"
        )


def check_given(name: str) -> None:
    """Raise ValueError for what no column can be called, or what Crewline keeps for its own."""
    check_name(name)
    if name.startswith(RESERVED):
        raise ValueError(f"column '{name}' begins with '_', which is kept for Crewline's own columns")


def check_apart(names: Iterable[str]) -> None:
    """Raise ValueError if two names differ in case alone: the engine takes them for one."""
    seen: dict[str, str] = {}
    for name in names:
        if seen.setdefault(name.lower(), name) != name:
            raise ValueError(f"columns '{seen[name.lower()]}' and '{name}' differ in case alone")


def _once(names: tuple[str, ...]) -> tuple[str, ...]:
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise ValueError(f"'{twice[0]}' is named twice")
    return names


# The names of columns, none of them twice.
Names = Annotated[tuple[str, ...], AfterValidator(_once)]


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
