"""Names: of agents, people and tasks; what stands in a line of a list, and in the store, as it was given."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from core.errors import InputError

LONGEST = 200


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("must be a line of printable characters")
    return value


Line = Annotated[str, AfterValidator(_printable)]
Name = Annotated[Line, Field(min_length=1, max_length=LONGEST)]


def named(value: Any, whose: str, *, longest: int = LONGEST) -> str:
    """The name that was given. Raises InputError, which says `whose` it was to be."""
    if isinstance(value, str) and value.strip() and len(value) <= longest and value.isprintable():
        return value
    raise InputError(
        f"{value!r:.60} is no name of {whose}.", remedy=f"Give a line of up to {longest} printable characters."
    )
