"""Misspellings in columns of a closed vocabulary: a rare text near a frequent one.

Nearness alone proves little where words are near one another by nature, as names are. How often that is so is told by
the column's frequent texts, and how many rare texts are no misspellings by those that are near nothing. The confidence
is the share of the near rare texts that is left when as many as nature explains are taken off.
"""

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from tools.quality.cleaning.finding import Verdict
from tools.quality.cleaning.grid import Column
from tools.quality.cleaning.likeness import near, slips

RULE = "misspelling"

_CONFIDENCE = 0.9

# A frequent text is so frequent, and so many times as frequent as its misspelling.
_FREQUENT = 5
_TIMES = 10
# With more rows than this of rare texts, a vocabulary is open: names, titles.
_OPEN = 0.25
_MAX_LENGTH = 200
_MAX_FREQUENT = 4_000
# Comparisons of one column in all, and of texts at a time.
_MAX_PAIRS = 40_000_000
_BLOCK = 500
# Before anything is seen: one text in fifty is near another by nature, believed as firmly as two observations.
_PRIOR, _PRIOR_WEIGHT = 0.02, 2


def misspellings(column: Column) -> dict[int, Verdict]:
    """The misspelt texts of a column, by code."""
    counts = column.counts
    frequent = [code for code in np.flatnonzero(counts >= _FREQUENT).tolist() if _comparable(column.texts[code])]
    if not 1 <= len(frequent) <= _MAX_FREQUENT:
        return {}
    rarity = max(1, int(counts.max(initial=0)) // _TIMES)
    rare = [
        code
        for code in np.flatnonzero((counts > 0) & (counts <= min(rarity, max(2, column.present // 500)))).tolist()
        if _comparable(column.texts[code])
    ]
    if counts[rare].sum() > _OPEN * column.present:
        return {}
    if not rare or len(rare) * len(frequent) > _MAX_PAIRS:
        return {}
    neighbours = _neighbours(column, rare, frequent)
    close = {
        code: [other for other in others if counts[other] >= max(_FREQUENT, _TIMES * counts[code])]
        for code, others in neighbours.items()
    }
    close = {code: others for code, others in close.items() if others}
    natural = (len(_neighbours(column, frequent, frequent)) + _PRIOR * _PRIOR_WEIGHT) / (len(frequent) + _PRIOR_WEIGHT)
    strangers = len(rare) - len(close) + 1
    expected = strangers * natural / (1 - natural) if natural < 1 else float("inf")
    confidence = round(1 - expected / len(close), 3) if close else 0.0
    if confidence < _CONFIDENCE:
        return {}
    return {
        code: Verdict(column.texts[others[0]], confidence) if len(others) == 1 else Verdict(None, confidence)
        for code, others in close.items()
    }


def _comparable(text: str) -> bool:
    """Whether a text is long enough to have a misspelling, and consists of letters for the most part."""
    return 4 <= len(text) <= _MAX_LENGTH and 2 * sum(map(str.isalpha, text)) >= len(text)


def _neighbours(column: Column, codes: list[int], others: list[int]) -> dict[int, list[int]]:
    """For each text those of the others that are within a slip."""
    texts = [column.texts[code] for code in others]
    lengths = np.array([len(text) for text in texts])
    limits = np.array([slips(length) for length in range(_MAX_LENGTH + 1)])
    found: dict[int, list[int]] = defaultdict(list)
    for start in range(0, len(codes), _BLOCK):
        block = codes[start : start + _BLOCK]
        words = [column.texts[code] for code in block]
        distance: NDArray[np.uint8] = cdist(
            words, texts, scorer=OSA.distance, score_cutoff=int(limits[-1]), dtype=np.uint8
        )
        longer = np.maximum(np.array([len(word) for word in words])[:, None], lengths[None, :])
        for at, other in zip(*np.nonzero((distance > 0) & (distance <= limits[longer])), strict=True):
            if near(words[at], texts[other]):
                found[block[at]].append(others[other])
    return found
