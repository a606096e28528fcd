"""Rows that leave: one schema for all of them, whatever the stage and the reason.

Grain: one row of a dataset that left, once. Key: `_row` within the dataset. Columns:

`_row` int64      who left (see tools.engine.rowid)
`fate` string     quarantined, merged or filtered
`rule` string     the check or rule that caught it; the first, if several did
`reason` string   in words, with the value
`into` int64      for merged rows: the row that it was merged into; else null
`record` string   for lines that could not be read: their text; else null
"""

from collections.abc import Sequence
from pathlib import Path

import ibis
import pyarrow as pa
from ibis.expr.types import Table, Value

from core.dataset import DatasetRef
from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.rowid import ROW

SCHEMA = ibis.schema(
    {
        ROW: "int64",
        "fate": "string",
        "rule": "string",
        "reason": "string",
        "into": "int64",
        "record": "string",
    }
)


def departures(
    rows: Table, fate: Fate | Value, rule: str | Value, reason: str | Value, into: Value | None = None
) -> Table:
    """Rows of a table (with `_row`) as departures."""
    columns = {
        ROW: rows[ROW],
        "fate": ibis.literal(str(fate)) if isinstance(fate, Fate) else fate,
        "rule": ibis.literal(rule) if isinstance(rule, str) else rule,
        "reason": ibis.literal(reason) if isinstance(reason, str) else reason,
        "into": ibis.null("int64") if into is None else into,
        "record": ibis.null("string"),
    }
    return rows.select(**columns).cast(SCHEMA)


def unreadable(engine: Engine, lines: list[tuple[int, str, str]]) -> Table:
    """Lines that are no records, as departures: row id, reason, text."""
    schema = SCHEMA.to_pyarrow()
    columns = [
        [row for row, _, _ in lines],
        [str(Fate.QUARANTINED)] * len(lines),
        ["readable"] * len(lines),
        [reason for _, reason, _ in lines],
        [None] * len(lines),
        [text for _, _, text in lines],
    ]
    arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return engine.table(pa.table(arrays, schema=schema))


def record(engine: Engine, left: list[Table], path: Path) -> tuple[DatasetRef | None, dict[str, int]]:
    """Write departures to `path`, in the order of `_row`; return the reference and the count by `fate:rule`.

    None, and no file, if nobody left.
    """
    if not left:
        return None, {}
    table = ibis.union(*left) if len(left) > 1 else left[0]
    written = engine.write(table.order_by(ROW), path)
    if not written.rows:
        path.unlink()
        return None, {}
    gone = engine.read([written])
    counts = engine.rows(gone.group_by("fate", "rule").aggregate(n=gone.count()).order_by("fate", "rule"))
    return written, {f"{row['fate']}:{row['rule']}": row["n"] for row in counts}


def remaining(
    engine: Engine, rows: Sequence[DatasetRef], columns: Sequence[str], left: DatasetRef | None
) -> DatasetRef:
    """A reference to these columns of the rows without those that left; they are counted there.

    Nothing is written for it: the rows stay where they are.
    """
    types = rows[0].columns
    ref = DatasetRef(
        paths=tuple(path for ref in rows for path in ref.paths),
        rows=0,
        columns={name: types[name] for name in columns},
        without=(*(path for ref in rows for path in ref.without), *(left.paths if left else ())),
    )
    return ref.model_copy(update={"rows": engine.count(engine.read([ref]))})


def count(leaving: dict[str, int], fate: Fate) -> int:
    """Rows of one fate in a count by `fate:rule`."""
    return sum(n for key, n in leaving.items() if key.startswith(f"{fate}:"))
