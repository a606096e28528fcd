"""A table as integer codes: for each column its distinct texts once, and for each row the number of its text."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int32]

MISSING = -1

# What people write where there is nothing to write, in lower case.
NOTHING = frozenset(
    (
        *("", "-", "--", "---", "?", ".", "n/a", "na", "#n/a", "n.a.", "nan", "nil", "none", "null", "nat", "unknown"),
        *("empty", "missing", "not available", "not applicable"),
    )
)


@dataclass(frozen=True)
class Column:
    """Texts without the blanks around them. `codes` has a row's text as its number in `texts`, or MISSING.

    `wrong` says of which rows the cell is known to be wrong, if that is known of any: it tells nothing of others then.
    """

    name: str
    texts: list[str]
    codes: Codes
    wrong: NDArray[np.bool_] | None = None

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """How many rows have each text."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))

    @cached_property
    def present(self) -> int:
        """How many rows have a text."""
        return int(self.counts.sum())

    @cached_property
    def number(self) -> dict[str, int]:
        """Each text's code."""
        return {text: code for code, text in enumerate(self.texts)}

    @cached_property
    def strings(self) -> pa.StringArray:
        """The texts for Arrow, which searches a hundred thousand of them while Python searches thousands."""
        return pa.array(self.texts, pa.string())

    def matches(self, pattern: str) -> NDArray[np.bool_]:
        """Which texts, by code, the whole of a pattern (RE2) fits."""
        return self.having(f"^(?:{pattern})$")

    def having(self, pattern: str) -> NDArray[np.bool_]:
        """Which texts, by code, have a part that a pattern (RE2) fits."""
        found: NDArray[np.bool_] = pc.match_substring_regex(self.strings, pattern).to_numpy(zero_copy_only=False)
        return found

    def replaced(self, changes: dict[int, str]) -> "Column":
        """The column with other texts in some rows."""
        texts = self.texts + sorted(set(changes.values()) - self.number.keys())
        number = {text: code for code, text in enumerate(texts)}
        codes = self.codes.copy()
        codes[list(changes)] = [number[text] for text in changes.values()]
        wrong = None if self.wrong is None else self.wrong.copy()
        if wrong is not None:
            wrong[list(changes)] = False
        return Column(self.name, texts, codes, wrong)

    def every(self, step: int) -> "Column":
        """The column of each so-manieth row."""
        return replace(self, codes=self.codes[::step], wrong=None if self.wrong is None else self.wrong[::step])


def grid(table: pa.Table, wrong: Mapping[str, NDArray[np.int64]] | None = None) -> list[Column]:
    """All columns. Those whose type has no text form, such as lists, come as if all their cells were missing.

    `wrong` has, for columns of which some cells are known to be wrong, the rows of these.
    """
    columns = [_column(name, table.column(name)) for name in table.column_names]
    return [_marked(column, wrong[column.name]) if wrong and column.name in wrong else column for column in columns]


def _marked(column: Column, rows: NDArray[np.int64]) -> Column:
    wrong = np.zeros(len(column.codes), bool)
    wrong[rows] = True
    return replace(column, wrong=wrong)


def _column(name: str, cells: pa.ChunkedArray) -> Column:
    kind = cells.type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or len(cells) == 0:
        return Column(name, [], np.full(len(cells), MISSING, np.int32))
    plain = cells if pa.types.is_string(kind) else pc.cast(cells, pa.string())
    encoded = plain.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.chunk(0)
    stripped = pc.utf8_trim_whitespace(encoded.dictionary)
    something = stripped.filter(pc.invert(pc.is_in(pc.utf8_lower(stripped), pa.array(sorted(NOTHING), pa.string()))))
    distinct = pc.unique(something)
    texts = distinct.take(pc.sort_indices(distinct))
    # The last place is for null, which Arrow gives no code.
    translation = np.append(pc.fill_null(pc.index_in(stripped, texts), MISSING).to_numpy(), MISSING).astype(np.int32)
    codes = pc.fill_null(encoded.indices, len(stripped)).to_numpy(zero_copy_only=False)
    return Column(name, texts.to_pylist(), translation[codes])
