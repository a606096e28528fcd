"""Enhancement: the cells of a dataset are repaired, first each by itself, then by what the other rows tell.

A cell's notation and a listed value's spelling (`tools.quality.repair`) need no more than the column. A cell that still
fails a check may then be repaired by evidence (`tools.quality.cleaning`), under conditions that all serve precision,
because a wrong repair passes every check that its row fails now, and nobody looks at the row again:

- The row fails a check that reads the cell. What passes the checks is as the pipeline wants it, however rare it looks.
- The cell is no key: a wrong key makes a row another thing's.
- The confidence is at least `CONFIDENCE`.
- Once it is repaired, its row fails no check that reads a repaired cell. Else all its cells stay as they were.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ibis.expr.types import Table

from core.errors import DataError
from core.spec.check import Check, ForeignKey, Unique
from core.spec.column import Column
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.checks import Test, attributed, testable, tests, with_types
from tools.quality.cleaning.rows import RowIds, changes_by_evidence
from tools.quality.repair import repaired

# Three of three rows agree, or seven of eight, by Laplace's rule: (votes + 1) / (rows + 2).
CONFIDENCE = 0.8

# Cells (rows x columns) up to which evidence is looked for. It is done in memory beside the engine's, and takes 40
# bytes a cell where texts repeat, 110 and the text twice where all differ.
CELLS = 3_000_000


@dataclass
class Enhanced:
    """The rows with their cells repaired; the changed cells (see `tools.quality.repair.changes`), each once; notes."""

    rows: Table
    changes: list[Table]
    notes: list[str] = field(default_factory=list)


def enhanced(
    engine: Engine,
    raw: Table,
    columns: Mapping[str, Column],
    checks: tuple[Check, ...],
    *,
    dataset: str,
    keys: Collection[str] = (),
) -> Enhanced:
    """Repair the cells of a dataset; `keys` are columns that are keys besides those that `checks` call so.

    Raises CheckError for a check that the data defeats, ExpressionError for an expression that does not fit.
    """
    rows, found = repaired(engine, raw, dict(columns), checks)
    checked = _Checked(engine, columns, checks, dataset, frozenset(keys))
    failing = checked.failing(rows)
    if not failing:
        return Enhanced(rows, found)
    size = engine.count(rows)
    if size * len(columns) > CELLS:
        note = f"{dataset}: {size:,} rows of {len(columns)} columns are too many to repair cells by evidence"
        return Enhanced(rows, found, [f"{note}, which is done up to {CELLS:,} cells."])
    made = changes_by_evidence(engine, rows, checked.cells(failing), checked.cells([t for t in failing if t.certain]))
    made = made.filter(pc.greater_equal(made["confidence"], CONFIDENCE))
    if made.num_rows:
        touched = rows.semi_join(engine.table(made.select([ROW])), ROW)
        made = _passing(made, checked.failing(replaced(engine, touched, made)))
    if not made.num_rows:
        return Enhanced(rows, found)
    return Enhanced(engine.hold(replaced(engine, rows, made)), folded(engine, found, [engine.table(made)]))


def folded(engine: Engine, first: list[Table], then: list[Table]) -> list[Table]:
    """Changes, and changes made after them, as one list with each cell once: as it came, as it is at last, and by the
    last rule, which decided. What came back to what it was is no change.
    """
    if not first or not then:
        return first + then
    one, other = (engine.hold(ibis.union(*of) if len(of) > 1 else of[0]) for of in (first, then))
    later = other.rename({f"_{name}": name for name in other.columns if name != ROW} | {"_later": ROW})
    both = one.left_join(later, [(ROW, "_later"), ("column", "_column")])
    again = both["_later"].notnull()
    cells = {name: ibis.ifelse(again, both[f"_{name}"], both[name]) for name in ("after", "rule", "confidence")}
    once = both.select(both[ROW], both["column"], both["before"], **cells)
    once = once.filter(~once["before"].identical_to(once["after"]))
    return [once, other.anti_join(one, [ROW, "column"])]


def replaced(engine: Engine, rows: Table, made: pa.Table) -> Table:
    """The rows with the changed cells (`_row`, column, after) in their places."""
    for name in sorted(set(made.column("column").to_pylist())):
        own = made.filter(pc.equal(made["column"], name)).select([ROW, "after"])
        changed = engine.table(own.rename_columns(["_changed", "_after"]))
        both = rows.left_join(changed, rows[ROW] == changed["_changed"])
        cells = {column: both[column] for column in rows.columns}
        rows = both.select(**cells | {name: both["_after"].coalesce(both[name])})
    return rows


@dataclass(frozen=True)
class _Failing:
    """A check that rows fail: the columns of it that may be repaired, and the ids of the rows.

    `certain` says that the check looks at one column alone, so that the cell is wrong and nothing else.
    """

    reads: frozenset[str]
    certain: bool
    rows: RowIds


class _Checked:
    """The checks of a dataset that speak of cells open to repair: of text, and no keys."""

    def __init__(
        self,
        engine: Engine,
        columns: Mapping[str, Column],
        checks: tuple[Check, ...],
        dataset: str,
        keys: frozenset[str],
    ) -> None:
        self._engine = engine
        self._columns = columns
        self._checks = with_types(columns, checks)
        self._dataset = dataset
        self._keys = keys.union(*(check.reads for check in checks if isinstance(check, (Unique, ForeignKey))))

    def failing(self, raw: Table) -> list[_Failing]:
        """The checks that some rows fail."""
        table = testable(raw, self._columns)
        open_to = {name for name in self._columns if raw[name].type().is_string()} - self._keys
        row_tests = [test for test in tests(table, self._checks) if test.reads & open_to]
        if not row_tests:
            return []
        flags = self._flags(table, row_tests)
        ids = flags.column(ROW).to_numpy()
        found = []
        for test in row_tests:
            rows = np.sort(ids[flags.column(str(test.index)).to_numpy()])
            if len(rows):
                found.append(_Failing(test.reads & open_to, test.alone and len(test.reads) == 1, rows))
        return found

    def _flags(self, table: Table, row_tests: list[Test]) -> pa.Table:
        """The rows that fail a test, with a flag for each."""
        fails = {str(test.index): test.fails.fill_null(False) for test in row_tests}
        failing = table.filter(ibis.or_(*fails.values())).select(ROW, **fails)
        try:
            return self._engine.arrow(failing)
        except DataError as error:
            raise attributed(self._engine, table, row_tests, self._dataset, error) from error

    @staticmethod
    def cells(failing: list[_Failing]) -> dict[str, RowIds]:
        """For each column the rows that fail a check that reads it."""
        names = sorted({name for found in failing for name in found.reads})
        return {
            name: np.unique(np.concatenate([found.rows for found in failing if name in found.reads])) for name in names
        }


def _passing(made: pa.Table, failing: list[_Failing]) -> pa.Table:
    """The changes of rows that fail no check that reads one of the changed cells."""
    ids, names = made.column(ROW).to_numpy(), np.array(made.column("column").to_pylist())
    undone = np.zeros(len(ids), bool)
    for found in failing:
        undone |= np.isin(ids, found.rows) & np.isin(names, sorted(found.reads))
    return made.filter(pa.array(~np.isin(ids, ids[undone])))
