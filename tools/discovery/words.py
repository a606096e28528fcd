"""The words of identifiers: `customerOrders_2024` is about customers, orders and 2024."""

import re

_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_WORD = re.compile(r"[^\W_]+")

# Longer than any word; what is longer is a key or a hash, which nobody looks for by its beginning.
_LONGEST = 40


def words(text: str) -> list[str]:
    """The words of a text in their order, in lower case, identifiers taken apart."""
    return [word.lower() for word in _WORD.findall(_BOUNDARY.sub(" ", text)) if len(word) <= _LONGEST]
