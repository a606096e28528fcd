"""How a cell that contradicts a dependency looks in itself: impossible, or as good as what is predicted."""

from enum import StrEnum
from functools import cache
from re import compile as regex

from tools.quality.cleaning.comparison import Comparison
from tools.quality.cleaning.grid import MISSING, Column
from tools.quality.cleaning.likeness import similar
from tools.quality.cleaning.shape import shape

# A text this much rarer than what is predicted may be a misspelling of it.
_RARER = 10

# A text of so few letters is a code, and a letter makes it another.
_CODE = 3

_DIGITS = regex(r"\d")


class Kind(StrEnum):
    """What a blamed cell is."""

    FAULT = "fault"  # a text that is known to be wrong
    GAP = "gap"  # nothing, where nothing is unusual or known to be wrong
    TYPO = "typo"  # a rare text like the one predicted, which nothing predicts anywhere
    OMISSION = "omission"  # nothing, in a column where that is usual
    STRANGER = "stranger"  # a text that is nowhere else
    SWAP = "swap"  # a text that belongs to other rows
    KEY = "key"  # a cell that contradicts all around it
    DETERMINANT = "determinant"  # a determinant that contradicts most of what hangs on it
    TIE = "tie"  # one of several cells that are equally to blame

    @property
    def sure(self) -> bool:
        """Whether such a cell is wrong by its looks. The others may as well be exceptions."""
        return self in (Kind.FAULT, Kind.GAP, Kind.TYPO)


class Plausibility:
    """Judges texts of a table's columns by their looks."""

    def __init__(self, columns: list[Column], comparison: Comparison) -> None:
        self._columns = columns
        self._known = comparison.known
        self._shapes = cache(self._known_shapes)

    def kind(self, index: int, code: int, predicted: int, voters: int) -> Kind:
        """What the text of a column (its code) is, beside the one that so many dependencies predict."""
        column = self._columns[index]
        if code == MISSING:
            return Kind.OMISSION if self._known[index][MISSING] else Kind.GAP
        count, expected = int(column.counts[code]), int(column.counts[predicted])
        rare = count * _RARER <= expected or (count == 1 and expected > 2)
        if rare and not self._known[index][code]:
            text, meant = column.texts[code], column.texts[predicted]
            own = self._own_number(index, text, meant) or (voters == 1 and _own_code(text, meant))
            if similar(text, meant) and not own:
                return Kind.TYPO
            if count == 1:
                return Kind.STRANGER
        return Kind.SWAP

    def _own_number(self, index: int, text: str, meant: str) -> bool:
        """Whether a text differs in digits, and is of a shape of known texts: one number is as good as another."""
        if _DIGITS.findall(text) == _DIGITS.findall(meant):
            return False
        return shape(text) in self._shapes(index)

    def _known_shapes(self, index: int) -> set[str]:
        known = self._known[index]
        return {shape(text) for code, text in enumerate(self._columns[index].texts) if known[code]}


def _own_code(text: str, meant: str) -> bool:
    """Whether a text may be a code of its own: `ID` is as good as `IL`."""
    return len(text) == len(meant) <= _CODE and text.isupper() == meant.isupper() and text.isalpha()
