"""A corruption that repeats: one letter that stands for many others, learned from repairs that other evidence made.

Once it is known, the letter may stand for any in a text. A text is then the one other text of its column that it fits.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.finding import Verdict, succession
from tools.quality.cleaning.grid import Column

RULE = "corruption"

# A letter is believed to corrupt when it makes up this share of all replaced letters, in place of so many different.
_SHARE = 0.6
_REPLACED = 12
_DIFFERENT = 4
# A corrupted text is so much rarer than the text, or texts, that it fits.
_TIMES = 3
# Of several that it fits, one is meant if it has this share of their rows.
_ALONE = 0.95
_MAX_SUSPECTS = 5_000


@dataclass(frozen=True)
class Corruption:
    """The letter, and the share of replaced letters that it makes up."""

    letter: str
    share: float


def learned(pairs: Iterable[tuple[str, str]]) -> Corruption | None:
    """The corruption behind most of the repairs, each given as before and after; None if there is none."""
    replaced: Counter[str] = Counter()
    originals: dict[str, set[str]] = {}
    for before, after in pairs:
        if len(before) == len(after):
            for wrong, right in zip(before, after, strict=True):
                if wrong != right:
                    replaced[wrong] += 1
                    originals.setdefault(wrong, set()).add(right)
    if not replaced:
        return None
    letter, n = max(replaced.items(), key=lambda item: (item[1], item[0]))
    total = replaced.total()
    if n < _REPLACED or n < _SHARE * total or len(originals[letter]) < _DIFFERENT:
        return None
    return Corruption(letter, round(succession(n, total), 3))


def corrupted(column: Column, corruption: Corruption) -> dict[int, Verdict]:
    """The texts of a column that the corruption has made of others, by code."""
    suspects = [code for code, text in enumerate(column.texts) if column.counts[code] and corruption.letter in text]
    if not 0 < len(suspects) <= _MAX_SUSPECTS:
        return {}
    by_length: dict[int, list[int]] = {}
    for code, text in enumerate(column.texts):
        if column.counts[code]:
            by_length.setdefault(len(text), []).append(code)
    letters = {length: _letters([column.texts[code] for code in codes]) for length, codes in by_length.items()}
    closed = np.count_nonzero(column.counts == 1) < 0.05 * max(column.present, 1)
    found = {}
    for code in suspects:
        text = column.texts[code]
        fits = [by_length[len(text)][at] for at in _fitting(text, corruption.letter, letters[len(text)])]
        counts = column.counts[fits]
        if not fits or counts.sum() < _TIMES * column.counts[code]:
            continue
        meant = column.texts[fits[int(counts.argmax())]]
        alone = counts.max() >= _ALONE * counts.sum() and (closed or not _replaces_digit(text, meant))
        found[code] = Verdict(meant if alone else None, corruption.share)
    return found


def _letters(texts: list[str]) -> NDArray[np.uint32]:
    return np.array([[ord(letter) for letter in text] for text in texts], np.uint32)


def _fitting(text: str, letter: str, others: NDArray[np.uint32]) -> list[int]:
    own = np.array([ord(character) for character in text], np.uint32)
    differs = others != own
    fits = ~differs[:, own != ord(letter)].any(axis=1) & differs.any(axis=1)
    return np.flatnonzero(fits).tolist()


def _replaces_digit(text: str, meant: str) -> bool:
    return any(wrong != right and right.isdigit() for wrong, right in zip(text, meant, strict=True))
