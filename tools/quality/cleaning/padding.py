"""Blanks before or after a text that other rows have without them."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from tools.quality.cleaning.finding import Finding, succession
from tools.quality.cleaning.grid import MISSING, Column

RULE = "padding"

_SHARE = 0.05
_FREQUENT = 5


def paddings(table: pa.Table, columns: list[Column]) -> Iterator[Finding]:
    """Findings on padded cells, in columns where few are padded and the text is frequent without."""
    for index, column in enumerate(columns):
        cells = table.column(index)
        if not pa.types.is_string(cells.type) or not column.present:
            continue
        padded = pc.fill_null(pc.not_equal(pc.utf8_trim_whitespace(cells), cells), False)
        rows = [row for row in pc.indices_nonzero(padded).to_pylist() if column.codes[row] != MISSING]
        if not 0 < len(rows) <= _SHARE * column.present:
            continue
        confidence = round(succession(column.present - len(rows), column.present), 3)
        for row in rows:
            code = int(column.codes[row])
            if column.counts[code] > _FREQUENT:
                yield Finding(
                    row, index, column.texts[code], RULE, "blanks around a text that others have bare", confidence
                )
