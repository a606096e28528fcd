"""Corrections: what a crew says should stand in cells, and what nobody may say.

A crew names texts, never rows. What it says holds for the rows that wait (see `crews.data_team.waiting`) alone.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from tools.engine.rowid import ROW

# What a corrected cell may hold, characters.
LONGEST = 1_000

SCHEMA = pa.schema([(ROW, pa.int64()), ("column", pa.string()), ("before", pa.string()), ("after", pa.string())])


@dataclass
class Corrections:
    """For each column, texts as they stand and the texts that should stand there.

    `texts` has, for each column that is open to correction, the texts of the rows that wait. `keys` are columns by
    which rows are told apart or found: their texts may change in notation only.
    """

    texts: Mapping[str, Collection[str]]
    keys: Collection[str]
    made: dict[str, dict[str, str]] = field(default_factory=dict)

    def propose(self, column: str, values: Mapping[str, str]) -> dict[str, str]:
        """Take what can be taken; return what cannot, and why. What was said of a text before is replaced."""
        if column not in self.texts:
            there = ", ".join(sorted(self.texts)) or "none"
            return dict.fromkeys(values, f"column {column} is not open to correction; open are: {there}")
        refused = {before: why for before, after in values.items() if (why := self._against(column, before, after))}
        taken = {before: after for before, after in values.items() if before not in refused}
        self.made.setdefault(column, {}).update(taken)
        return refused

    def cells(self, rows: pa.Table) -> pa.Table:
        """The cells of rows that they are about: `_row`, column, before, after."""
        found: list[pa.Table] = []
        for column, values in sorted(self.made.items()):
            texts = rows[column].combine_chunks()
            listed = pa.array(list(values), pa.string())
            places = pc.index_in(texts, value_set=listed)
            where = pc.is_valid(places)
            after = pc.take(pa.array(list(values.values()), pa.string()), places.filter(where))
            before = texts.filter(where)
            name = pa.array([column] * len(before), pa.string())
            found.append(pa.table([rows[ROW].filter(where), name, before, after], schema=SCHEMA))
        return pa.concat_tables(found) if found else SCHEMA.empty_table()

    def _against(self, column: str, before: str, after: str) -> str:
        if before not in self.texts[column]:
            return "no row that waits has this text"
        if not after.strip() or after == before:
            return "a correction is another text, and not a blank one"
        if len(after) > LONGEST or not after.isprintable():
            return f"a correction is printable, and has no more than {LONGEST} characters"
        if column in self.keys and notation_free(before) != notation_free(after):
            return "a key may be written otherwise, but never become another one"
        return ""


def notation_free(key: str) -> tuple[str, ...]:
    """What is left of a key when it does not matter how it is written: its words and numbers, in order.

    Neither letter case matters, nor what stands between them, nor zeros before a number.
    """
    return tuple(part.lstrip("0") or "0" if part.isdigit() else part.casefold() for part in _PARTS.findall(key))


_PARTS = re.compile(r"\d+|[^\W\d_]+")
