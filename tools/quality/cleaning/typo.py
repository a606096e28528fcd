"""Misspellings in columns of a closed vocabulary: a rare text near a frequent one.

Nearness alone proves little where words are near one another by nature, as names are. How often that is so is told by
the column's frequent texts, and by rare texts that are words of their own: they are made of words that stand elsewhere,
or keep company of their own. How many rare texts are no misspellings is told by those that are near nothing. The
confidence is the share of the near rare texts that is left when as many as nature explains are taken off.
"""

from collections import Counter, defaultdict

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

from tools.quality.cleaning.company import Company
from tools.quality.cleaning.finding import Verdict
from tools.quality.cleaning.grid import Column
from tools.quality.cleaning.likeness import misspelt, near, slips, words

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
# Before anything is seen: one text in ten is near another by nature, believed as firmly as five observations.
_PRIOR, _PRIOR_WEIGHT = 0.1, 5
# Slips come in series, each another: without company, a text is none unless so many times its rows are suspect.
_SERIES = 3
# A word stands elsewhere if so many other rows have it.
_ELSEWHERE = 3


def misspellings(column: Column, company: Company) -> dict[int, Verdict]:
    """The misspelt texts of a column, by code; `company` is that of its texts."""
    frequent, rare = _frequent_and_rare(column)
    if not frequent or not rare:
        return {}
    near_rare = {
        code: closest
        for code, others in _neighbours(column, rare, frequent).items()
        if (closest := [o for o in others if column.counts[o] >= max(_FREQUENT, _TIMES * column.counts[code])])
    }
    if not near_rare:
        return {}
    suspects = _suspects(column, company, near_rare)
    own = len(near_rare) - len(suspects)
    natural = _rate(len(_neighbours(column, frequent, frequent)) + own, len(frequent) + own)
    expected = (len(rare) - len(near_rare) + 1) * natural / (1 - natural)
    series = int(column.counts[list(suspects)].sum())
    found = {}
    for code, chances in suspects.items():
        least = min(chances.values())
        meant = [other for other, chance in chances.items() if chance == least]
        confidence = round(1 - least * expected / len(suspects), 3)
        alone = least == 1 and series < _SERIES * column.counts[code]
        if confidence >= _CONFIDENCE and not alone:
            found[code] = Verdict(column.texts[meant[0]] if len(meant) == 1 else None, confidence)
    return found


def _frequent_and_rare(column: Column) -> tuple[list[int], list[int]]:
    """The frequent and the rare texts of a closed vocabulary, by code; none if it is open, or too large."""
    counts = column.counts
    frequent = [code for code in np.flatnonzero(counts >= _FREQUENT).tolist() if _comparable(column.texts[code])]
    if not 1 <= len(frequent) <= _MAX_FREQUENT:
        return [], []
    rarity = min(max(1, int(counts.max()) // _TIMES), max(2, column.present // 500))
    candidates = np.flatnonzero((counts > 0) & (counts <= rarity)).tolist()
    rare = [code for code in candidates if _comparable(column.texts[code])]
    if counts[rare].sum() > _OPEN * column.present or len(rare) * len(frequent) > _MAX_PAIRS:
        return [], []
    return frequent, rare


def _suspects(column: Column, company: Company, near_rare: dict[int, list[int]]) -> dict[int, dict[int, float]]:
    """Those that may be misspelt, each with the texts that may be meant, and the chance that it is another word."""
    known: Counter[str] = Counter()
    for text, count in zip(column.texts, column.counts.tolist(), strict=True):
        for word in set(words(text)) if count else ():
            known[word] += count
    found = {}
    for code, others in near_rare.items():
        text, rows = column.texts[code], int(column.counts[code])
        elsewhere = {word for word in words(text) if known[word] - rows >= _ELSEWHERE}
        chances = {
            other: chance
            for other in others
            if misspelt(text, column.texts[other], elsewhere) and (chance := company.chance(code, other)) is not None
        }
        if chances:
            found[code] = chances
    return found


def _rate(hits: int, trials: int) -> float:
    """The rate of what was seen so many times: a standard deviation above what Bayes expects."""
    weight = trials + _PRIOR_WEIGHT
    mean = (hits + _PRIOR * _PRIOR_WEIGHT) / weight
    return float(min(mean + (mean * (1 - mean) / (weight + 1)) ** 0.5, 0.99))


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
