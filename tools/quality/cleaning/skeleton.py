"""Texts without their digits: `619 patients` is `# patients`, and shares it with all other counts of patients."""

import re

import numpy as np
import pyarrow.compute as pc

from tools.quality.cleaning.grid import MISSING, Codes, Column

_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_MARK = "#"


def skeletons(column: Column) -> tuple[Column, Codes] | None:
    """The column of the texts' skeletons, and each text's skeleton by their codes. None if there are few numbers."""
    if not any(map(_NUMBER.search, column.texts[:1000])) or column.having(_MARK).any():
        return None
    bare = pc.replace_substring_regex(column.strings, _NUMBER.pattern, _MARK).dictionary_encode()
    order = pc.sort_indices(bare.dictionary)
    of = pc.index_in(bare.indices, order).to_numpy().astype(np.int32)
    return Column(column.name, bare.dictionary.take(order).to_pylist(), np.append(of, MISSING)[column.codes]), of


def refilled(skeleton: str, text: str) -> str:
    """The text with another skeleton, which has as many places for its numbers."""
    parts = skeleton.split(_MARK)
    return "".join(part + number for part, number in zip(parts, [*_NUMBER.findall(text), ""], strict=True))


def same_numbers_kept(before: str, after: str) -> bool:
    """Whether a skeleton was changed only between its letters: what touches a number may be a digit of it."""
    if len(before) != len(after):
        return False
    marks = [index for index, letter in enumerate(after) if letter == _MARK]
    return marks == [index for index, letter in enumerate(before) if letter == _MARK]
