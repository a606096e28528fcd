"""Words that should be among those listed, and which of them is meant."""

import re

import pyarrow as pa
from ibis.expr.types import StringValue

from tools.engine.engine import Engine

# A short word is one letter away from too many others.
_MIN_LENGTH = 5


def corrections(engine: Engine, text: StringValue, allowed: tuple[str, ...]) -> list[tuple[float, dict[str, str]]]:
    """What the column's unlisted words should be: maps from word to listed word, each with its confidence.

    Confidence is 1 where only case, spaces, hyphens or underscores differ, else 1 - 1 / length for one letter
    (Levenshtein) off. Words to which two listed ones are equally near are left out.
    """
    words = text.as_table().select(word=text).distinct()
    unlisted = words.filter(words["word"].notnull() & words["word"].notin(allowed))
    listed = engine.table(pa.table({"listed": list(allowed), "folded": [_fold(word) for word in allowed]}))
    found: dict[float, dict[str, str]] = {}
    folds = {_fold(word): [w for w in allowed if _fold(w) == _fold(word)] for word in allowed}
    near = unlisted.cross_join(listed).filter(lambda t: t["word"].lower().strip().levenshtein(t["folded"]) == 1)
    by_distance: dict[str, list[str]] = {}
    for row in engine.rows(near.order_by("word", "listed")):
        by_distance.setdefault(row["word"], []).append(row["listed"])
    for row in engine.rows(unlisted.order_by("word")):
        word = row["word"]
        same = folds.get(_fold(word), [])
        if len(same) == 1:
            found.setdefault(1.0, {})[word] = same[0]
        elif not same and len(word) >= _MIN_LENGTH and len(by_distance.get(word, [])) == 1:
            found.setdefault(round(1 - 1 / len(word), 3), {})[word] = by_distance[word][0]
    return sorted(found.items(), reverse=True)


def _fold(word: str) -> str:
    return re.sub(r"[\s_-]+", " ", word.strip()).lower()
