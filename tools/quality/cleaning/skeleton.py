"""Texts without their digits: `619 patients` is `# patients`, and shares it with all other counts of patients."""

import re

import numpy as np

from tools.quality.cleaning.grid import MISSING, Column

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_MARK = "#"


def skeletons(column: Column) -> tuple[Column, list[list[str]]] | None:
    """The column of the texts' skeletons, and for each text its numbers. None if the column has few numbers."""
    if not any(_NUMBER.search(text) for text in column.texts[:1000]) or any(_MARK in text for text in column.texts):
        return None
    numbers = [_NUMBER.findall(text) for text in column.texts]
    bare = [_NUMBER.sub(_MARK, text) for text in column.texts]
    texts = sorted(set(bare))
    number = {text: code for code, text in enumerate(texts)}
    translation = np.array([number[text] for text in bare] + [MISSING], np.int32)
    return Column(column.name, texts, translation[column.codes]), numbers


def refilled(skeleton: str, numbers: list[str]) -> str:
    """The text with this skeleton and as many numbers as it has places."""
    parts = skeleton.split(_MARK)
    return "".join(part + number for part, number in zip(parts, [*numbers, ""], strict=True))


def same_numbers_kept(before: str, after: str) -> bool:
    """Whether a skeleton was changed only between its letters: what touches a number may be a digit of it."""
    if len(before) != len(after):
        return False
    marks = [index for index, letter in enumerate(after) if letter == _MARK]
    return marks == [index for index, letter in enumerate(before) if letter == _MARK]
