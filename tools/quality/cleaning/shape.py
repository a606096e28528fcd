"""Texts off the shape of their column: `9x%` where all others are digits and a percent sign.

Told only of columns with few shapes that carry digits. What the text should be, its shape does not say.
"""

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tools.quality.cleaning.grid import Column

RULE = "shape"

# A column has a shape if texts of shapes as common as this make up so much of it.
_COMMON = 0.02
_COVERED = 0.94
# Texts of other shapes that are each as rare as this are off it.
_RARE = 0.005
_ROWS = 40

_DIGITS = re.compile(r"\d+")
_LETTERS = re.compile(r"[^\W\d_]+")
_BLANKS = re.compile(r"\s+")

# The same for Arrow (RE2), in the order in which they are replaced.
_RUNS = {r"[\s\v\x{1c}-\x{1f}\x{85}\pZ]+": " ", r"[\pL\p{Nl}\p{No}]+": "a", r"\p{Nd}+": "9"}


def shape(text: str) -> str:
    """The text with a 9 for each run of digits, an `a` for each run of letters."""
    return _DIGITS.sub("9", _LETTERS.sub("a", _BLANKS.sub(" ", text)))


def shapes(column: Column) -> pa.DictionaryArray:
    """The shapes of a column's texts, by code."""
    strings = column.strings
    for run, sign in _RUNS.items():
        strings = pc.replace_substring_regex(strings, run, sign)
    return strings.dictionary_encode()


def misshapen(column: Column) -> dict[int, float]:
    """The texts, by code, that are off the shapes of their column, and the share of rows that are on them."""
    if column.present < _ROWS:
        return {}
    encoded = shapes(column)
    names, of = encoded.dictionary.to_pylist(), encoded.indices.to_numpy()
    if len(names) > 400:
        return {}
    rows = np.bincount(of, weights=column.counts, minlength=len(names))
    common = rows >= _COMMON * column.present
    covered = float(rows[common].sum()) / column.present
    if covered < _COVERED or common.sum() > 4 or not all("9" in names[at] for at in np.flatnonzero(common)):
        return {}
    if covered == 1:
        return {}
    off = (rows > 0) & (rows <= max(1, _RARE * column.present)) & ~common
    return {code: round(covered, 3) for code in np.flatnonzero(off[of] & (column.counts > 0)).tolist()}
