"""When one text may be a misspelling of another."""

import re
from collections.abc import Collection

from rapidfuzz.distance import OSA

# What touches a digit may be one.
_DIGITS = re.compile(r".?\d+.?")
_WORD = re.compile(r"(?:[^\W_]|#)+")
# A digit, or what stands for a number in a skeleton.
_CODE = re.compile(r"[\d#]")


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


def words(text: str) -> list[str]:
    """The words of a text: runs of letters and digits."""
    return _WORD.findall(text)


def misspelt(text: str, other: str, known: Collection[str]) -> bool:
    """Whether one may be a misspelling of the other word by word: what differs are words that are not `known`.

    What has digits is a code, whose letters are as good as others. A blank may be lost, or made a letter.
    """
    one, two = words(text), words(other)
    if len(one) != len(two):
        return "".join(one) == "".join(two) or (len(one) < len(two) and len(text) == len(other))
    differing = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
    return all(
        a not in known and not _CODE.search(a + b) and OSA.distance(a, b) <= max(slips(len(b)), len(b) > 2)
        for a, b in differing
    )
