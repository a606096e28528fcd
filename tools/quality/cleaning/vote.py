"""Several sources that report on one entity: what most of them say.

Told only of tables in which two columns, an entity and a source, name each row, and of columns on which most entities
are decided: six in ten of their sources say one thing, and three times as many as say the next.
"""

from collections.abc import Iterator
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from tools.quality.cleaning.dependency import Dependency, measured
from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column

RULE = "vote"

_SOURCES = 3
_SHARE = 0.6
_TIMES = 3
_DECIDED = 0.6
# The entity must tell the column this much better than chance: where all entities say much the same, nobody votes.
_STRENGTH = 0.3
# Sources err in all columns alike: none is disputed so many times as much as the less disputed half.
_ALIKE = 4
# Entity and source name a row, but for so many.
_NAMED = 0.98
_SAMPLE = 2_000
# They are among the first columns that may be.
_COLUMNS = 40


def votes(columns: list[Column], found: list[Dependency]) -> Iterator[Finding]:
    """Findings on the cells that most sources contradict, where no dependency already tells the column."""
    for entity, source in _entities(columns):
        told = {d.dependent for d in found if d.determinants == (entity,)}
        groups = columns[entity].codes
        size = np.bincount(groups[groups >= 0])
        ballots = [
            ballot
            for index, column in enumerate(columns)
            if index not in (entity, source)
            and len(column.texts) > 1
            and (ballot := measured((entity,), index, groups, size, column, _STRENGTH))
        ]
        dissent = sorted(1 - ballot.strength for ballot in ballots)
        for ballot in ballots:
            # A column alone in being disputed is disputed by its nature: a price differs from shop to shop.
            alike = len(ballots) > 1 and 1 - ballot.strength <= _ALIKE * dissent[(len(ballots) - 1) // 2]
            if alike and ballot.dependent not in told:
                yield from _outvoted(ballot, columns[ballot.dependent], columns[entity].name)


def _entities(columns: list[Column]) -> list[tuple[int, int]]:
    """The pairs of an entity, with three rows and more, and a source, with many entities."""
    rows = len(columns[0].codes)
    pairs = []
    some = [index for index, column in enumerate(columns) if 1 < len(column.texts) <= rows // _SOURCES]
    for entity, source in permutations(some[:_COLUMNS], 2):
        one, other = columns[entity], columns[source]
        if not _SOURCES <= len(other.texts) <= rows // 10:
            continue
        possible = len(one.texts) * len(other.texts) >= _NAMED * rows and len(other.texts) < len(one.texts)
        # Most pairs name nothing, and a part of the rows shows it.
        if possible and _named(one, other, _SAMPLE) and _named(one, other, rows):
            pairs.append((entity, source))
    return pairs


def _named(one: Column, other: Column, rows: int) -> bool:
    """Whether two columns together name each of the first rows."""
    first, second = one.codes[:rows], other.codes[:rows]
    both = (first >= 0) & (second >= 0)
    named = len(np.unique(first[both].astype(np.int64) * len(other.texts) + second[both]))
    return named >= _NAMED * len(first)


def _outvoted(ballot: Dependency, column: Column, entity: str) -> Iterator[Finding]:
    voters = _voters(ballot, column)
    second = np.where(ballot.top == MISSING, 0, ballot.second)
    heard = voters >= _SOURCES
    decided = heard & (ballot.top != MISSING) & (ballot.first >= _SHARE * voters) & (ballot.first >= _TIMES * second)
    if decided.sum() < _DECIDED * max(heard.sum(), 1):
        return
    inside = np.flatnonzero(ballot.groups >= 0)
    group = ballot.groups[inside]
    against = decided[group] & (column.codes[inside] != ballot.top[group])
    for row, at in zip(inside[against].tolist(), group[against].tolist(), strict=True):
        confidence = round(succession(int(ballot.first[at]), int(voters[at])), 3)
        yield Finding(
            row, ballot.dependent, column.texts[ballot.top[at]], RULE, f"most of the same {entity}", confidence
        )


def _voters(ballot: Dependency, column: Column) -> NDArray[np.int64]:
    """How many rows of each group have a text."""
    speaks = (ballot.groups >= 0) & (column.codes >= 0)
    return np.bincount(ballot.groups[speaks], minlength=len(ballot.size))
