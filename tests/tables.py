"""Small tables in an engine's session, and their rows as plain values."""

from typing import Any

import pyarrow as pa
from ibis.expr.types import Table

from tools.engine.engine import Engine
from tools.engine.rowid import ROW

KINDS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "float": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "money": pa.decimal128(12, 2),
}


def table(engine: Engine, types: dict[str, str], rows: list[tuple[Any, ...]]) -> Table:
    """Rows with ids from 1, in columns of these kinds."""
    return numbered(engine, types, list(enumerate(rows, start=1)))


def numbered(engine: Engine, types: dict[str, str], rows: list[tuple[int, tuple[Any, ...]]]) -> Table:
    """Rows with the ids that are given with them."""
    data = {ROW: pa.array([row for row, _ in rows], pa.int64())}
    for index, (name, kind) in enumerate(types.items()):
        data[name] = pa.array([cells[index] for _, cells in rows], KINDS[kind])
    return engine.table(pa.table(data))


def text(engine: Engine, **columns: list[str | None]) -> Table:
    """Columns of text, as they come from a CSV file, with row ids from 1."""
    return table(engine, dict.fromkeys(columns, "string"), list(zip(*columns.values(), strict=True)))


def rows(engine: Engine, table: Table) -> list[dict[str, Any]]:
    """All rows in the order of their ids."""
    return engine.rows(table.order_by(ROW))


def column(engine: Engine, table: Table, name: str) -> list[Any]:
    """A column's values in the order of the rows."""
    return [row[name] for row in rows(engine, table)]


def ids(engine: Engine, *tables: Table) -> list[int]:
    """The row ids of all the tables together, in order, each as often as it is there."""
    return sorted(row[ROW] for table in tables for row in engine.rows(table.select(ROW)))
