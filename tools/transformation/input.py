"""What a transformation reads, within the bounds of its context."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import ibis
from ibis.expr.types import Table

from core.errors import SourceError
from core.spec.column import Column, check_given
from core.task import Fate
from tools.engine.engine import Engine
from tools.engine.files import refresh
from tools.engine.rowid import ROW, unreadable_row
from tools.engine.types import ibis_type, missing, typed
from tools.quality.departure import departures, unreadable
from tools.sources.opening import Files, open_files
from tools.sources.reader import Part


@dataclass(frozen=True)
class Input:
    """What came in. `rows` has `_row` and the columns, as values of their declared types.

    `raw` has all records as they came. `arrived` counts these and the lines that are none; `left` has the departures of
    such lines, and of rows with a cell that is not of its type. `parts` are the files.
    """

    name: str
    rows: Table
    raw: Table
    arrived: int
    left: list[Table]
    parts: list[Part]
    notes: list[str]

    @property
    def size(self) -> int:
        """What the files have on disk, bytes."""
        return sum(part.size for part in self.parts)

    def confirm(self, allowed: Callable[[str], str]) -> None:
        """Raise SourceError or Refused if a file was changed, or led elsewhere, while it was read."""
        for part in self.parts:
            allowed(part.path)
            if refresh(part) != part:
                raise SourceError(self.name, f"{part.path} has changed while it was read.", remedy="Try again.")


def opened(engine: Engine, name: str, files: Files, allowed: Callable[[str], str], scratch: Path) -> Input:
    """The files, opened, each if it is `allowed`. Raises SourceError, Refused."""
    found = open_files(engine, name, files, scratch, allowed)
    lines = [
        (unreadable_row(part.index, line.line), f"line {line.line}: {line.reason}", line.text)
        for part, line in found.unreadable
    ]
    columns = files.columns or {}
    raw = found.rows(engine)
    raw = raw.select(ROW, *columns) if columns else _usable(name, raw)
    rows, left = _typed(raw, columns)
    return Input(
        name=name,
        rows=rows,
        raw=raw,
        arrived=found.records + len(lines),
        left=[*([unreadable(engine, lines)] if lines else []), *left],
        parts=found.parts,
        notes=found.notes,
    )


def looked_up(engine: Engine, name: str, files: Files, allowed: Callable[[str], str], scratch: Path) -> Input:
    """Files that others are looked up in. Raises SourceError also for a cell that is not of its type."""
    found = opened(engine, name, files, allowed, scratch)
    for gone in found.left:
        if told := engine.rows(gone.limit(1)):
            raise SourceError(
                name, f"there is a row that cannot be used: {told[0]['reason']}.", remedy="Clean it before."
            )
    return found


def _usable(name: str, raw: Table) -> Table:
    for column in raw.columns:
        if column == ROW:
            continue
        try:
            check_given(column)
        except ValueError as error:
            raise SourceError(name, f"{error}.", remedy="Declare the `columns` that are wanted, without it.") from error
    return raw


def _typed(raw: Table, columns: dict[str, Column]) -> tuple[Table, list[Table]]:
    """The rows whose cells are all of their declared types, as such values; and the others' departures."""
    if not columns:
        return raw, []
    values = {name: typed(raw[name], column.type).cast(ibis_type(column.type)) for name, column in columns.items()}
    table = raw.mutate(**{f"_typed_{name}": value for name, value in values.items()})
    wrong = {name: ~missing(table[name]) & table[f"_typed_{name}"].isnull() for name in columns}
    reasons = {
        name: ibis.literal(f"{name} is '") + table[name].cast("string").fill_null("") + f"', not of type {column.type}"
        for name, column in columns.items()
    }
    rule = ibis.cases(*((faults, f"type({name})") for name, faults in wrong.items()), else_="")
    why = ibis.cases(*((faults, reasons[name]) for name, faults in wrong.items()), else_="")
    faulty, fit = (table.filter(which) for which in (ibis.or_(*wrong.values()), ~ibis.or_(*wrong.values())))
    rows = fit.select(ROW, **{name: fit[f"_typed_{name}"] for name in columns})
    return rows, [departures(faulty, Fate.QUARANTINED, rule, why)]
