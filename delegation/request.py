"""Requests for approval: what can be asked for, of whom, and for how long."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from core.errors import InputError
from core.store.value import text
from delegation.name import named
from delegation.rules.condition import kind

# The most time that somebody can have to approve, seconds: ten years.
LONGEST_S = 10 * 365 * 86_400.0

# It may have several names in it.
LONGEST_SUBJECT = 1_000

# Of a person's reason.
LONGEST_REASON = 10_000

# Of what is seen, as JSON: more than anybody reads.
LONGEST_SEEN = 1_000_000


def check(subject: str, *, asked_by: str, path: Sequence[str], reason: str, timeout_s: float) -> None:
    """Raise InputError without a path, with a time that is none, or for what is no name or reason."""
    named(subject, "what is to be approved", longest=LONGEST_SUBJECT)
    named(asked_by, "who asks")
    if isinstance(path, str) or not path:
        raise InputError(f"Nobody is named who could approve '{subject}'.", remedy="Give a list of at least one.")
    for name in path:
        named(name, "who could approve")
    # Made of what was found, which may be much.
    because(reason, longest=LONGEST_SEEN)
    if kind(timeout_s) != "number" or not 0 < timeout_s <= LONGEST_S:
        raise InputError(
            f"A time of {timeout_s!r:.40} s to approve '{subject}' is none.",
            remedy=f"Give more than 0 s, and no more than {LONGEST_S:,.0f} s.",
        )


def fingerprint(seen: Mapping[str, Any]) -> str:
    """SHA-256 of what is shown, whatever the order of its keys. Raises InputError for what is no plain JSON."""
    try:
        if not isinstance(seen, Mapping):
            raise TypeError(f"it is no mapping, but of type {type(seen).__name__}")
        content = json.dumps(dict(seen), sort_keys=True, allow_nan=False)
        if len(content) > LONGEST_SEEN:
            raise ValueError(f"it has {len(content):,} characters, and can have {LONGEST_SEEN:,}")
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"What is to be approved cannot be shown: {error}.", remedy="Give names and plain values."
        ) from error
    return hashlib.sha256(content.encode()).hexdigest()


def because(reason: Any, *, longest: int = LONGEST_REASON) -> str:
    """The reason, without blanks around it. Raises InputError if it is none."""
    if isinstance(reason, str) and 0 < len(reason.strip()) <= longest:
        return text(reason.strip())
    raise InputError(f"{reason!r:.40} is no reason.", remedy=f"Say why, in up to {longest:,} characters.")
