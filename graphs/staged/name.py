"""Names of pipelines, stages and runs: they stand in checkpoints, folders and diagrams."""

import re

from core.errors import InputError

_NAME = re.compile(r"[^\W_][\w .-]{0,99}")


def check_name(name: object, what: str) -> None:
    """Raise InputError if this is no name; `what` says of what, as in `stage`."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{name!r} is no name for a {what}.",
            remedy="Begin with a letter or digit; go on with these, blanks, dots, dashes; at most 100 in all.",
        )
