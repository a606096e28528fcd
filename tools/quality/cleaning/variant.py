"""Spellings of one word that differ in case, blanks, hyphens and marks alone: the dominant one is meant."""

import re
from collections import defaultdict

from tools.quality.cleaning.finding import Verdict, succession
from tools.quality.cleaning.grid import Column

RULE = "spelling"

# The dominant spelling is so frequent, and so many times as frequent as the others together.
_FREQUENT = 5
_TIMES = 8

# One letter in another case may be another word.
_LENGTH = 3

_BETWEEN = re.compile(r"[\s_\-]+")


def variants(column: Column) -> dict[int, Verdict]:
    """The minor spellings of a column, by code, where one spelling dominates; none where spellings often coexist."""
    if column.counts.max(initial=0) < _FREQUENT:
        return {}
    groups: dict[str, list[int]] = defaultdict(list)
    for code, text in enumerate(column.texts):
        if column.counts[code] and len(text) >= _LENGTH:
            groups[_BETWEEN.sub(" ", text).casefold()].append(code)
    found: dict[int, Verdict] = {}
    natural = judged = 0
    for codes in groups.values():
        if len(codes) > 1:
            counts = column.counts[codes]
            best = codes[int(counts.argmax())]
            most, all_ = int(counts.max()), int(counts.sum())
            if most >= _FREQUENT and most >= _TIMES * (all_ - most):
                confidence = round(succession(most, all_), 3)
                found |= {code: Verdict(column.texts[best], confidence) for code in codes if code != best}
                judged += 1
            elif all_ > _FREQUENT:
                natural += 1
    return found if judged > _TIMES * natural else {}
