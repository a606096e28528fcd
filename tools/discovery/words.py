"""The words of identifiers: `customerOrders_2024` is about customers, orders and 2024."""

import re
import unicodedata

_BOUNDARY = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_WORD = re.compile(r"[^\W_]+")

# Longer than any word; what is longer is a key or a hash, which nobody looks for by its beginning.
_LONGEST = 40


def words(text: str) -> list[str]:
    """The words of a text in their order, in lower case, identifiers taken apart."""
    return [word.lower() for word in _WORD.findall(_BOUNDARY.sub(" ", text)) if len(word) <= _LONGEST]


def stem(word: str) -> str:
    """The word without its plural, and its letters without their marks."""
    word = folded(word)
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(ch|sh|x|ss)es$", word):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 2 else word


def folded(word: str) -> str:
    """The word in lower case, without accents: `größe` is `grosse`, `café` is `cafe`."""
    return "".join(mark for mark in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(mark))


def stems(name: str) -> tuple[str, ...]:
    """The stems of an identifier's words."""
    return tuple(stem(word) for word in words(name))
