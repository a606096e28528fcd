"""What to make of all evidence together.

In each of two rounds, the second on the table as the first repaired it, evidence is heard in this order, and the first
that repairs a cell has decided on it:

1. dependencies between columns (`contradiction`), which also veto: a cell that a dependency predicts as it is stands
2. what most sources say of an entity (`vote`)
3. values that spilt into their neighbour (`spill`), or changed places with another (`exchange`)
4. dates and numbers in another notation (`notation`), quantities in another form (`unit`), spellings of one word
   (`variant`)
5. misspellings in closed vocabularies, of texts and of their skeletons (`typo`)
6. a corruption learned from all repairs so far (`corruption`)

After the rounds, blanks around a text are cut (`padding`). Dates of which nothing tells the day (`calendar`), what is
off the shape of its column (`shape`), far from its numbers or of broken encoding (`outlier`) is flagged. A flag holds
only where nothing repaired.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tools.quality.cleaning import (
    calendar,
    corruption,
    exchange,
    notation,
    outlier,
    shape,
    spill,
    typo,
    unit,
    variant,
    vote,
)
from tools.quality.cleaning.company import Company
from tools.quality.cleaning.comparison import compared
from tools.quality.cleaning.contradiction import contradictions
from tools.quality.cleaning.dependency import dependencies
from tools.quality.cleaning.exception import accidental
from tools.quality.cleaning.finding import Finding, Verdict
from tools.quality.cleaning.grid import MISSING, Column, grid
from tools.quality.cleaning.padding import paddings
from tools.quality.cleaning.skeleton import refilled, same_numbers_kept, skeletons

_ROUNDS = 2

Cell = tuple[int, int]


def judged(table: pa.Table, wrong: Mapping[str, NDArray[np.int64]] | None = None) -> list[Finding]:
    """All findings on a table, one for each cell at most, in the order of rows and columns.

    `wrong` has, by column, the rows whose cell is known to be wrong: that needs no evidence then, and only what belongs
    there is asked.
    """
    columns = grid(table, wrong)
    if not columns or table.num_rows < 2:
        return []
    repairs: dict[Cell, Finding] = {}
    replaced: set[tuple[str, str]] = set()
    flags: dict[Cell, Finding] = {}
    for _ in range(_ROUNDS):
        new: dict[Cell, Finding] = {}
        flags = {}
        for finding in _heard(columns, replaced):
            cell = finding.row, finding.column
            if cell not in repairs:
                (flags if finding.after is None else new).setdefault(cell, finding)
        repairs |= new
        columns = _repaired(columns, new)
        if not new:
            break
    for finding in paddings(table, columns):
        repairs.setdefault((finding.row, finding.column), finding)
    for finding in _odd(columns):
        flags.setdefault((finding.row, finding.column), finding)
    return [finding for _, finding in sorted((flags | repairs).items())]


def _repaired(columns: list[Column], findings: dict[Cell, Finding]) -> list[Column]:
    changes: dict[int, dict[int, str]] = {}
    for (row, index), finding in findings.items():
        if finding.after is not None:
            changes.setdefault(index, {})[row] = finding.after
    return [column.replaced(changes[index]) if index in changes else column for index, column in enumerate(columns)]


def _heard(columns: list[Column], replaced: set[tuple[str, str]]) -> Iterator[Finding]:
    """All evidence in its order. `replaced` gathers what dependencies have repaired, as before and after."""
    found = dependencies(columns)
    comparison = compared(columns, found)
    told = contradictions(columns, comparison)
    yield from told
    yield from vote.votes(columns, found)
    yield from spill.spills(columns)
    yield from exchange.exchanges(columns)
    sound = comparison.sound
    for index, column in enumerate(columns):
        yield from _forms(index, column)
        yield from _rows(index, columns, variant.variants(column), sound, variant.RULE, "another spelling of {}")
        misspelt = partial(_misspelt, index=index, columns=columns)
        yield from _rows(index, columns, misspelt(column), sound, typo.RULE, "rare, and almost {}")
        yield from _rows(index, columns, _in_skeleton(column, misspelt), sound, typo.RULE, "almost {}")
    replaced.update(
        (columns[f.column].texts[code], f.after)
        for f in told
        if f.after is not None and (code := int(columns[f.column].codes[f.row])) != MISSING
    )
    learned = corruption.learned(sorted(replaced))
    if learned is None:
        return
    corrupted = partial(corruption.corrupted, corruption=learned)
    reason = f"'{learned.letter}' stands for other letters"
    for index, column in enumerate(columns):
        yield from _rows(index, columns, corrupted(column), sound, corruption.RULE, reason)
        yield from _rows(index, columns, _in_skeleton(column, corrupted), sound, corruption.RULE, reason)


def _rows(
    index: int, columns: list[Column], texts: dict[int, Verdict], sound: np.ndarray, rule: str, reason: str
) -> Iterator[Finding]:
    """What is found of texts, for each row that has one of them, but those that a dependency backs."""
    if not texts:
        return
    column = columns[index]
    wrong = np.zeros(len(column.texts) + 1, bool)
    wrong[list(texts)] = True
    for row in accidental(np.flatnonzero(wrong[column.codes] & ~sound[index]), index, columns).tolist():
        found = texts[int(column.codes[row])]
        told = reason.format("several others" if found.meant is None else f"'{found.meant}'")
        yield Finding(row, index, found.meant, rule, told, found.confidence)


def _forms(index: int, column: Column) -> Iterator[Finding]:
    """Values in another form than most; that all rows of a group have it does not make it another value."""
    for texts, rule in ((notation.notations(column), notation.RULE), (unit.units(column), unit.RULE)):
        for row in np.flatnonzero(np.isin(column.codes, list(texts))).tolist():
            found = texts[int(column.codes[row])]
            reason = "in another form than most" if found.meant is not None else "in another unit than all others"
            yield Finding(row, index, found.meant, rule, reason, found.confidence)


def _misspelt(column: Column, index: int, columns: list[Column]) -> dict[int, Verdict]:
    return typo.misspellings(column, Company(column, columns[:index] + columns[index + 1 :]))


def _in_skeleton(column: Column, evidence: Callable[[Column], dict[int, Verdict]]) -> dict[int, Verdict]:
    """Evidence on the column's skeletons, for its texts."""
    made = skeletons(column)
    if made is None:
        return {}
    bare, of = made
    wrong = evidence(bare)
    found: dict[int, Verdict] = {}
    for code in np.flatnonzero(np.isin(of, list(wrong)) & (column.counts > 0)).tolist():
        judged = wrong[int(of[code])]
        if judged.meant is not None and same_numbers_kept(bare.texts[of[code]], judged.meant):
            found[code] = Verdict(refilled(judged.meant, column.texts[code]), judged.confidence)
    return found


def _odd(columns: list[Column]) -> Iterator[Finding]:
    for index, column in enumerate(columns):
        for off, rule, reason in (
            (outlier.broken(column), outlier.ENCODING, "its encoding is broken"),
            (calendar.ambiguous(column), calendar.RULE, "a date that can be read in two ways"),
            (calendar.disordered(column), calendar.RULE, "day and month in another order than in all others"),
            (calendar.impossible(column), calendar.RULE, "a date of no calendar"),
            (shape.misshapen(column), shape.RULE, "off the shape of its column"),
            (outlier.outliers(column), outlier.OUTLIER, "far from all other numbers of its column"),
        ):
            texts = {code: Verdict(None, confidence) for code, confidence in off.items()}
            nothing = np.zeros((len(columns), len(column.codes)), bool)
            yield from _rows(index, columns, texts, nothing, rule, reason)
