"""The payload of a branch as the request of its worker."""

from typing import Any, TypeVar

from pydantic import ValidationError

from core.errors import InputError
from graphs.branch import Branch
from tools.arguments import Arguments, problems

Request = TypeVar("Request", bound=Arguments)


def requested(kind: type[Request], branch: Branch) -> Request:
    """What the branch asks for. Raises InputError, which names each wrong field."""
    try:
        named = [field for field, value in branch.payload.items() if _has_nul(value)]
        if not named:
            return kind.model_validate(branch.payload)
        wrong = f"{', '.join(named)}: there is a NUL character, which neither paths nor the database can hold"
    except ValidationError as error:
        wrong = problems(error)
    except RecursionError:
        wrong = "it is nested too deeply"
    raise InputError(
        f"The payload of the branch {branch.key} ({branch.kind}) is wrong: {wrong}.",
        remedy=f"Its fields are {', '.join(kind.model_fields)}.",
    )


def _has_nul(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(part) for entry in value.items() for part in entry)
    if isinstance(value, list | tuple):
        return any(map(_has_nul, value))
    return isinstance(value, str) and "\0" in value
