"""What is checked by itself: a file, or a table in memory, with columns whose types nobody need have declared."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from ibis.expr.types import Table

from core.errors import SourceError
from core.spec.column import Column
from tools.engine.engine import Engine
from tools.engine.types import declared_type, ibis_type
from tools.sources.opening import Files, open_files


@dataclass(frozen=True)
class Input:
    """Rows as they came. `columns` are the types of all columns, `declared` of those that were told.

    A column that was not told has the type that it has in its file; one that no column of a spec can have, such as a
    list, is looked at as text. `unreadable` counts lines that are no records; `notes` say what was taken for granted.
    """

    name: str
    table: Table
    columns: dict[str, Column]
    declared: dict[str, Column]
    unreadable: int
    notes: list[str]


def opened(
    engine: Engine,
    data: str | Path | pa.Table,
    scratch: Path,
    declared: dict[str, Column],
    allowed: Callable[[str], str] = str,
) -> Input:
    """Open files (see tools.sources.opening), or a table in memory. Raises SourceError, and what `allowed` raises."""
    if isinstance(data, pa.Table):
        return _input("table", engine.table(data), declared, 0, [])
    name = Path(data).stem
    found = open_files(engine, name, Files(path=str(data)), scratch, allowed)
    return _input(name, found.cells(engine), declared, len(found.unreadable), found.notes)


def _input(name: str, raw: Table, declared: dict[str, Column], unreadable: int, notes: list[str]) -> Input:
    if absent := [column for column in declared if column not in raw.columns]:
        there = ", ".join(raw.columns)
        raise SourceError(
            name, f"there is no column {', '.join(absent)}; there are {there}.", remedy="Correct `columns`."
        )
    columns: dict[str, Column] = {}
    cells = {}
    for column in raw.columns:
        kind = declared_type(raw[column].type()) or "string"
        columns[column] = declared.get(column) or Column(type=kind)
        cells[column] = raw[column] if column in declared else raw[column].cast(ibis_type(kind))
    return Input(name, raw.select(**cells), columns, declared, unreadable, notes)
