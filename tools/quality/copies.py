"""Rows that share a key: copies of one another, or contradictions."""

from dataclasses import dataclass

import ibis
from ibis.expr.types import Table

from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.keys import repeated


@dataclass(frozen=True)
class Copies:
    """`of` has a row for each row that shares its key with another: `_row`, `_into`, `_conflict`.

    Rows with one key agree if no column has two different values among them (a missing cell agrees with anything).
    Then they are copies, and `_into` is the first of them. Otherwise each is in conflict, as nothing tells which one
    is right. `merged` has, for each first row of agreeing copies, the values of all together.
    """

    of: Table
    merged: Table


def copies(engine: Engine, rows: Table, key: tuple[str, ...], columns: list[str]) -> Copies | None:
    """Find the copies among rows by `key`; rows without a whole key have none. None if there are none at all."""
    keys = repeated(engine, rows, key)
    if keys is None:
        return None
    sharing = engine.hold(rows.semi_join(keys, list(key)))
    others = [column for column in columns if column not in key]
    together = engine.hold(
        sharing.group_by(list(key)).aggregate(
            _into=sharing[ROW].min(),
            _conflict=ibis.or_(ibis.literal(False), *(sharing[column].nunique() > 1 for column in others)),
            **{column: sharing[column].max() for column in others},
        )
    )
    of = sharing.join(together, list(key)).select(sharing[ROW], together["_into"], together["_conflict"])
    agreed = together.filter(~together["_conflict"])
    return Copies(
        of=engine.hold(of),
        merged=engine.hold(agreed.select(agreed["_into"].name(ROW), *(agreed[c] for c in columns))),
    )
