"""Quantities with a unit that is spelt in several ways, or left out: the number stays, in the dominant form.

Only where the spellings are known to be one unit, and the numbers are those of the dominant form. A quantity in another
unit than nearly all is flagged: its number may be meant in either.
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
# Quantities in other units are an accident if they are as rare as this.
_RARE = 0.005

_NAME = re.compile(r"%|[A-Za-z]+")
# Signs that are not made of letters of their word.
_SIGNS = {"oz": "ounce", "lb": "pound"}
# An abbreviation is as short as this, and a letter that begins many units is none: metres, minutes, miles.
_SHORT = 3
_AMBIGUOUS = "m"


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
    if most < _DOMINANT * rows or len(forms) < 2:
        return {}
    foreign = {form for form in forms if form and dominant and not _one_unit(form, dominant)}
    accident = sum(forms[form] for form in foreign) <= max(1, _RARE * rows)
    found = {}
    if foreign and accident:
        confidence = round(1 - sum(forms[form] for form in foreign) / rows, 4)
        found = {code: Verdict(None, confidence) for code, match in good.items() if _form(match) in foreign}
    # Where units are mixed, a bare number may be of any.
    alike = {form for form in forms if form not in foreign and form != dominant and (form or accident)}
    return found | _respelt(good, dominant, alike, round(succession(most, rows), 3))


def _respelt(good: dict[int, re.Match[str]], dominant: str, alike: set[str], confidence: float) -> dict[int, Verdict]:
    """The quantities in a form that is `alike`, in the dominant one, if they are of its numbers."""
    of_dominant = sorted(float(match[1]) for match in good.values() if _form(match) == dominant)
    others = {code: match for code, match in good.items() if _form(match) in alike}
    within = sum(of_dominant[0] <= float(match[1]) <= of_dominant[-1] for match in others.values())
    if within < _SHARED * len(others):
        return {}
    return {code: Verdict(match[1] + dominant, confidence) for code, match in others.items()}


def _form(match: re.Match[str]) -> str:
    """What follows the number: blanks and unit; nothing for a bare number."""
    return (match[2] + match[3]) if match[3] else ""


def _one_unit(form: str, other: str) -> bool:
    """Whether two forms begin with the same unit: `oz.`, `OZ` and `ounces`, but not `mg` and `ml`."""
    names: list[str] = [_NAME.findall(text)[0].casefold() for text in (form, other)]
    short, long = sorted(names, key=len)
    if long in (short, short + "s"):
        return True
    if len(short) > _SHORT:
        return long.startswith(short)
    letters = iter(long)
    abbreviated = long[0] == short[0] and all(letter in letters for letter in short)
    if len(long) <= _SHORT or short == _AMBIGUOUS:
        return False
    return abbreviated or long.startswith(_SIGNS.get(short, short))
