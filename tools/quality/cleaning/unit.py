"""Quantities with a unit that is spelt in several ways, or left out: the number stays, in the dominant form.

Only where all spellings begin alike, so that they are one unit, and the numbers are those of the dominant form.
"""

import re
from collections import Counter

import numpy as np

from tools.quality.cleaning.finding import Verdict, succession
from tools.quality.cleaning.grid import Column

RULE = "unit"

_QUANTITY = re.compile(r"([+-]?\d+(?:\.\d+)?)(\s*)(%|[A-Za-z][^\d]{1,19})?", re.ASCII)
_QUANTITIES = 0.95
_DOMINANT = 0.4
_ROWS = 20
# So many of the numbers in another form must be numbers of the dominant form too, or within their range.
_SHARED = 0.9


def units(column: Column) -> dict[int, Verdict]:
    """The texts, by code, that are a quantity in another form than the dominant one."""
    quantities = column.matches(_QUANTITY.pattern)
    rows = int(column.counts[quantities].sum())
    if column.present < _ROWS or rows < _QUANTITIES * column.present or not column.having("[%A-Za-z]").any():
        return {}
    read = {code: _QUANTITY.fullmatch(column.texts[code]) for code in np.flatnonzero(quantities & (column.counts > 0))}
    good = {int(code): match for code, match in read.items() if match}
    forms: Counter[str] = Counter()
    for code, match in good.items():
        forms[_form(match)] += int(column.counts[code])
    dominant, most = max(forms.items(), key=lambda item: (item[1], item[0]))
    if most < _DOMINANT * rows or len({form.strip()[:1].casefold() for form in forms if form}) > 1 or len(forms) < 2:
        return {}
    of_dominant = sorted(float(match[1]) for match in good.values() if _form(match) == dominant)
    others = {code: match for code, match in good.items() if _form(match) != dominant}
    within = sum(of_dominant[0] <= float(match[1]) <= of_dominant[-1] for match in others.values())
    if within < _SHARED * len(others):
        return {}
    confidence = round(succession(most, rows), 3)
    return {code: Verdict(match[1] + dominant, confidence) for code, match in others.items()}


def _form(match: re.Match[str]) -> str:
    """What follows the number: blanks and unit; nothing for a bare number."""
    return (match[2] + match[3]) if match[3] else ""
