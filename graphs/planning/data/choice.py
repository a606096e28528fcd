"""combined: one option of each list, all ways; where these are too many, the nearest ones."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

# So many ways are told apart at most: with four options for each thing that a goal names, all of them have no end.
_WAYS = 256

# A part of a reading, how far it is from the words, and why it was taken.
Option = tuple[Any, float, str]


def combined(options: Sequence[Sequence[Option]]) -> Iterable[tuple[Option, ...]]:
    """The ways to take one option of each list; none where a list is empty."""
    if math.prod(map(len, options)) <= _WAYS:
        return itertools.product(*options)
    ways: list[tuple[Option, ...]] = [()]
    for option in options:
        longer = [(*way, one) for way in ways for one in option]
        ways = sorted(longer, key=lambda way: sum(off for _, off, _ in way))[:_WAYS]
    return ways
