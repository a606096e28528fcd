"""Words that should be among those listed, and which of them is meant."""

import re

# A short word is one letter away from too many others.
_MIN_LENGTH = 5


def listed(word: str, allowed: tuple[str, ...]) -> tuple[str, float] | None:
    """The listed word that is meant, and how sure that is; None if none is, or more than one could be.

    Confidence is 1 where only case, spaces, hyphens or underscores differ, else 1 - 1 / length for one letter
    (Levenshtein) off.
    """
    same = [candidate for candidate in allowed if _fold(candidate) == _fold(word)]
    if same:
        return (same[0], 1.0) if len(same) == 1 else None
    near = [candidate for candidate in allowed if _one_apart(_fold(word), _fold(candidate))]
    if len(word) < _MIN_LENGTH or len(near) != 1:
        return None
    return near[0], round(1 - 1 / len(word), 3)


def _fold(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word).strip().lower()


def _one_apart(a: str, b: str) -> bool:
    """Whether one letter inserted, deleted or replaced makes one of the other."""
    if len(a) > len(b):
        a, b = b, a
    if len(b) - len(a) > 1 or a == b:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    return a[start + (len(a) == len(b)) :] == b[start + 1 :]
