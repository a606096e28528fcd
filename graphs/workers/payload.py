"""The payload of a branch as the request of its worker."""

from typing import TypeVar

from pydantic import ValidationError

from core.errors import InputError
from graphs.branch import Branch
from tools.arguments import Arguments, problems

Request = TypeVar("Request", bound=Arguments)


def requested(kind: type[Request], branch: Branch) -> Request:
    """What the branch asks for. Raises InputError, which names each wrong field."""
    try:
        return kind.model_validate(branch.payload)
    except ValidationError as error:
        wrong = problems(error)
    except RecursionError:
        wrong = "it is nested too deeply"
    raise InputError(
        f"The payload of the branch {branch.key} ({branch.kind}) is wrong: {wrong}.",
        remedy=f"Its fields are {', '.join(kind.model_fields)}.",
    )
