"""When one text may be a misspelling of another."""

import re

from rapidfuzz.distance import OSA

# What touches a digit may be one.
_DIGITS = re.compile(r".?\d+.?")


def slips(length: int) -> int:
    """The edits (insert, delete, replace, swap neighbours) that a text of so many characters may be away by.

    A short word is one edit away from too many others.
    """
    return 0 if length < 4 else 1 if length < 8 else 2 if length < 16 else 3


def near(text: str, other: str) -> bool:
    """Whether one may be a misspelling of the other that left every digit, and what touches it, alone."""
    limit = slips(max(len(text), len(other)))
    return 0 < OSA.distance(text, other, score_cutoff=limit) <= limit and _DIGITS.findall(text) == _DIGITS.findall(
        other
    )


def similar(text: str, other: str) -> bool:
    """Whether one may be a misspelling of the other, where something else says that the other is meant."""
    longest = max(len(text), len(other))
    return longest >= 2 and OSA.distance(text, other) <= max(1, 0.4 * longest)
