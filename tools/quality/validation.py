"""Validation: what a dataset is worth, what of it goes on, and what does not."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import ibis
from ibis.expr.types import Table

from core.errors import DataError
from core.spec.check import Check, Unique
from core.spec.column import Column
from core.task import Dimension, Fate, Severity, Violation
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import missing, typed
from tools.quality.checks import Test, attributed, testable, tests, with_orphans, with_types
from tools.quality.copies import copies
from tools.quality.departure import departures
from tools.quality.enhancement import Enhanced, enhanced, folded
from tools.quality.measurement import by_dimension, of_rows, of_wholes, partitions, parts_of
from tools.quality.repair import changes
from tools.quality.verdict import Verdict


@dataclass
class Validated:
    """What validation found.

    `fit` are the rows that go on: `_row` and all columns, as values of their types; `as_came` says that these are the
    very cells that came. `left` are departures, `changes` the repaired cells, each once. `faults` counts the rows with
    a fault, for each dimension that a check measures.
    """

    fit: Table
    rows_in: int
    left: list[Table]
    changes: list[Table]
    faults: dict[Dimension, int]
    as_came: bool
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def validate(
    engine: Engine,
    raw: Table,
    *,
    dataset: str,
    columns: dict[str, Column],
    checks: tuple[Check, ...],
    repair: bool,
    others: Mapping[str, Table] | None = None,
    at: datetime | None = None,
    keys: Collection[str] = (),
) -> Validated:
    """Measure the rows of a dataset, and tell those that are fit from those that are not.

    `raw` has `_row` and the declared columns as they came. Every cell is checked against its column's type, and every
    row against `checks`. Rows with a critical or major fault leave into quarantine. With `repair`, cells are repaired
    first, and copies of one row are merged into it; what fails then was given its chance, and its violations are
    marked as handled. Checks of the whole are measured on all rows, repaired if they are, and make no row leave.

    `others` are the datasets that foreign keys refer to, as values of their types; ages are taken at `at`, by default
    now. `keys` are columns that repair leaves alone besides the keys that `checks` name. Raises CheckError for a check
    that the data defeats, ExpressionError for an expression that does not fit.
    """
    done = enhanced(engine, raw, columns, checks, dataset=dataset, keys=keys) if repair else Enhanced(raw, [])
    raw = done.rows
    checks = with_types(columns, checks)
    cells = testable(raw, columns)
    table = with_orphans(cells, checks, others or {})
    row_tests = tests(table, checks)
    able = [test for test in row_tests if not test.never]
    # Few rows fail, as a rule: they alone are kept, and the many are read past here, and once more when they go on.
    try:
        failing = engine.hold(_failing(table, able))
        counts = dict.fromkeys((f"_failed_{test.index}" for test in row_tests), 0)
        counts |= _counts(engine, failing, able, by_dimension(row_tests))
        verdicts = _verdicts(engine, table, row_tests, counts)
    except DataError as error:
        raise attributed(engine, table, row_tests, dataset, error) from error
    values = cells.select(ROW, *columns)
    caught = failing.filter(failing["_rule"].notnull())
    somebody = any(counts[f"_failed_{test.index}"] for test in able if test.check.severity != Severity.MINOR)
    result = Validated(
        fit=values.anti_join(caught, ROW) if somebody else values,
        rows_in=engine.count(values),
        left=[departures(caught, Fate.QUARANTINED, caught["_rule"], caught["_reason"])] if somebody else [],
        changes=done.changes,
        faults={dimension: counts[f"_fault_{dimension}"] for dimension in by_dimension(row_tests)},
        as_came=not repair and _unchanged(engine, raw, columns),
        violations=[violation(verdict, dataset, handled=repair) for verdict in verdicts if not verdict.passed],
        notes=done.notes,
    )
    faulty = {d: failing.filter(failing[f"_fault_{d}"]).select(ROW) for d in Dimension}
    for check in checks:
        if isinstance(check, Unique):
            _settle_copies(engine, result, faulty, check, dataset, list(columns), repair)
    wholes = of_wholes(engine, values, checks, at or datetime.now(UTC))
    result.violations += [violation(verdict, dataset) for verdict in wholes.values() if not verdict.passed]
    return result


def _failing(table: Table, row_tests: list[Test]) -> Table:
    """The rows that fail a test, with a flag for each test and dimension; those that are caught: by which, and why."""
    # A row is caught by its gravest fault, the first declared among equals.
    grave = sorted((t for t in row_tests if t.check.severity != Severity.MINOR), key=lambda t: t.check.severity.rank)
    nobody = ibis.null("string")
    return table.filter(_any(row_tests)).select(
        ROW,
        **{f"_failed_{test.index}": test.fails.fill_null(False) for test in row_tests},
        **{f"_fault_{d}": _any([t for t in row_tests if t.check.dimension == d]) for d in Dimension},
        _rule=ibis.cases(*((t.fails, t.check.name) for t in grave), else_=nobody) if grave else nobody,
        _reason=ibis.cases(*((t.fails, t.reason) for t in grave), else_=nobody) if grave else nobody,
    )


def _any(of: list[Test]) -> ibis.expr.types.BooleanValue:
    return ibis.or_(ibis.literal(False), *(test.fails.fill_null(False) for test in of))


def _counts(engine: Engine, failing: Table, row_tests: list[Test], measured: Iterable[Dimension]) -> dict[str, int]:
    """How many rows each flag of `failing` is true of, and those of the dimensions that are measured."""
    flags = [f"_failed_{test.index}" for test in row_tests] + [f"_fault_{d}" for d in measured]
    sums = {flag: failing[flag].sum().fill_null(0) for flag in flags}
    return {flag: int(n) for flag, n in engine.row(failing.aggregate(**sums)).items()} if sums else {}


def _verdicts(engine: Engine, table: Table, row_tests: list[Test], counts: dict[str, int]) -> list[Verdict]:
    failed = {test.index: counts[f"_failed_{test.index}"] for test in row_tests}
    parts = partitions(engine, table, row_tests, {t.index: t.fails for t in row_tests if failed[t.index]})
    return [of_rows(t.check, failed[t.index], parts.get(t.index, [])) for t in row_tests]


def _unchanged(engine: Engine, raw: Table, columns: Mapping[str, Column]) -> bool:
    """Whether all cells are values of their types as they came."""
    if any(typed(raw[name], column.type).type() != raw[name].type() for name, column in columns.items()):
        return False
    texts = [raw[name] for name in columns if raw[name].type().is_string()]
    blank = raw.filter(ibis.or_(ibis.literal(False), *(text.notnull() & missing(text) for text in texts))).limit(1)
    return not texts or engine.count(blank) == 0


def violation(verdict: Verdict, dataset: str, *, handled: bool = False) -> Violation:
    """A check that failed, as the gate is told of it."""
    failing = [part for part in verdict.partitions if not part.passed]
    return Violation(
        check=verdict.check,
        dataset=dataset,
        dimension=verdict.dimension,
        severity=verdict.severity,
        rows=verdict.failed,
        observed=verdict.observed,
        partitions={part.label: part.observed if part.failed is None else part.failed for part in failing},
        handled=handled,
    )


def _settle_copies(
    engine: Engine,
    result: Validated,
    faulty: dict[Dimension, Table],
    check: Unique,
    dataset: str,
    columns: list[str],
    repair: bool,
) -> None:
    """Take copies out of the fit rows: merged into the first with `repair`, into quarantine without it.

    `faulty` has the rows that count as such already, by dimension.
    """
    result.faults.setdefault(check.dimension, 0)
    found = copies(engine, result.fit, check.columns, columns)
    if found is None:
        return
    key = ", ".join(check.columns)
    surplus = found.of.filter(~found.of["_conflict"] & (found.of[ROW] != found.of["_into"]))
    conflict = found.of.filter(found.of["_conflict"])
    sharing = (conflict if repair else ibis.union(conflict, surplus)).select(ROW)
    result.faults[check.dimension] += engine.count(sharing.anti_join(faulty[check.dimension], ROW))
    if n := engine.count(sharing):
        marked = result.fit.semi_join(sharing, ROW)
        parts = parts_of(engine, marked, check.per, {0: marked[ROW].notnull()})[0] if check.per else []
        result.violations.append(violation(of_rows(check, n, parts), dataset, handled=repair))
    if check.severity == Severity.MINOR:
        # Rows that stay with their fault must not count as faulty once more.
        faulty[check.dimension] = engine.hold(ibis.union(faulty[check.dimension], sharing, distinct=True))
        return
    result.left.append(
        departures(conflict, Fate.QUARANTINED, check.name, f"other rows with the same {key} say something else")
    )
    fate = Fate.MERGED if repair else Fate.QUARANTINED
    result.left.append(
        departures(surplus, fate, check.name, f"a copy: an earlier row has the same {key}", surplus["_into"])
    )
    staying = result.fit.anti_join(ibis.union(conflict, surplus), ROW)
    if repair:
        staying, filled = _with_merged(staying, found.merged, columns)
        result.changes = folded(engine, result.changes, filled)
    result.fit = engine.hold(staying) if repair else staying


def _with_merged(staying: Table, merged: Table, columns: list[str]) -> tuple[Table, list[Table]]:
    """The first of each group of copies gets the cells that it lacks from the others."""
    right = merged.rename({f"_merged_{name}": name for name in columns} | {"_merged_row": ROW})
    both = staying.left_join(right, staying[ROW] == right["_merged_row"])
    filled = []
    for name in columns:
        gained = both.filter(both[name].isnull() & both[f"_merged_{name}"].notnull())
        value = gained[f"_merged_{name}"]
        filled.append(
            changes(gained, name, ibis.null("string"), value, ibis.literal("merge copies"), ibis.literal(1.0))
        )
    rows = both.mutate(**{name: both[name].coalesce(both[f"_merged_{name}"]) for name in columns})
    return rows.select(staying.columns), filled
