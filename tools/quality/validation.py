"""Validation: what a dataset is worth, what of it goes on, and what does not."""

from collections.abc import Collection, Mapping
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
from tools.quality.checks import Test, attributed, testable, tests, with_orphans, with_types
from tools.quality.copies import copies
from tools.quality.departure import departures
from tools.quality.enhancement import Enhanced, enhanced, folded
from tools.quality.measurement import by_dimension, of_rows, of_wholes, partitions, parts_of
from tools.quality.repair import changes
from tools.quality.verdict import Verdict

# A row is caught by its gravest fault, the first declared among equals.
_GRAVITY = {Severity.CRITICAL: 0, Severity.MAJOR: 1, Severity.MINOR: 2}


@dataclass
class Validated:
    """What validation found.

    `fit` are the rows that go on: `_row` and all columns, as values of their types. `left` are departures, `changes`
    the repaired cells, each once. `faults` counts the rows with a fault, for each dimension that a check measures.
    """

    fit: Table
    rows_in: int
    left: list[Table]
    changes: list[Table]
    faults: dict[Dimension, int]
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
    table = with_orphans(testable(raw, columns), checks, others or {})
    row_tests = tests(table, checks)
    try:
        held = engine.hold(_marked(table, list(columns), row_tests))
    except DataError as error:
        raise attributed(engine, table, row_tests, dataset, error) from error
    result = _measured(engine, held, row_tests, dataset, repair)
    result.changes, result.notes = done.changes, done.notes
    for check in checks:
        if isinstance(check, Unique):
            _settle_copies(engine, result, check, dataset, list(columns), repair)
    wholes = of_wholes(engine, held, checks, at or datetime.now(UTC))
    result.violations += [violation(verdict, dataset) for verdict in wholes.values() if not verdict.passed]
    return result


def _marked(table: Table, columns: list[str], row_tests: list[Test]) -> Table:
    """The values, with a flag for each test and dimension, and for rows that are caught: by which test, and why."""
    grave = sorted(
        (t for t in row_tests if t.check.severity != Severity.MINOR), key=lambda t: _GRAVITY[t.check.severity]
    )
    nobody = ibis.null("string")
    return table.select(
        ROW,
        *columns,
        **{f"_failed_{test.index}": test.fails.fill_null(False) for test in row_tests},
        **{f"_fault_{d}": _any([t for t in row_tests if t.check.dimension == d]) for d in Dimension},
        _rule=ibis.cases(*((t.fails, t.check.name) for t in grave), else_=nobody) if grave else nobody,
        _reason=ibis.cases(*((t.fails, t.reason) for t in grave), else_=nobody) if grave else nobody,
    )


def _any(of: list[Test]) -> ibis.expr.types.BooleanValue:
    return ibis.or_(ibis.literal(False), *(test.fails.fill_null(False) for test in of))


def _measured(engine: Engine, held: Table, row_tests: list[Test], dataset: str, repair: bool) -> Validated:
    counts = engine.row(
        held.aggregate(
            rows=held.count(),
            **{f"_failed_{test.index}": held[f"_failed_{test.index}"].sum().fill_null(0) for test in row_tests},
            **{f"_fault_{d}": held[f"_fault_{d}"].sum().fill_null(0) for d in Dimension},
        )
    )
    failing = {t.index: held[f"_failed_{t.index}"] for t in row_tests if counts[f"_failed_{t.index}"]}
    parts = partitions(engine, held, row_tests, failing)
    verdicts = [of_rows(t.check, int(counts[f"_failed_{t.index}"]), parts.get(t.index, [])) for t in row_tests]
    caught = held.filter(held["_rule"].notnull())
    return Validated(
        fit=held.filter(held["_rule"].isnull()),
        rows_in=counts["rows"],
        left=[departures(caught, Fate.QUARANTINED, caught["_rule"], caught["_reason"])],
        changes=[],
        faults={d: int(counts[f"_fault_{d}"]) for d in by_dimension(row_tests)},
        violations=[violation(verdict, dataset, handled=repair) for verdict in verdicts if not verdict.passed],
    )


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
    engine: Engine, result: Validated, check: Unique, dataset: str, columns: list[str], repair: bool
) -> None:
    """Take copies out of the fit rows: merged into the first with `repair`, into quarantine without it."""
    result.faults.setdefault(check.dimension, 0)
    found = copies(engine, result.fit, check.columns, columns)
    if found is None:
        return
    key = ", ".join(check.columns)
    surplus = found.of.filter(~found.of["_conflict"] & (found.of[ROW] != found.of["_into"]))
    conflict = found.of.filter(found.of["_conflict"])
    faulty = conflict if repair else ibis.union(conflict, surplus)
    marked = result.fit.semi_join(faulty, ROW)
    counts = engine.row(
        marked.aggregate(rows=marked.count(), new=(~marked[f"_fault_{check.dimension}"]).sum().fill_null(0))
    )
    result.faults[check.dimension] += int(counts["new"])
    if counts["rows"]:
        parts = parts_of(engine, marked, check.per, {0: marked[ROW].notnull()})[0] if check.per else []
        result.violations.append(violation(of_rows(check, int(counts["rows"]), parts), dataset, handled=repair))
    if check.severity == Severity.MINOR:
        _mark(result, faulty, check.dimension)
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
    result.fit = engine.hold(staying)


def _mark(result: Validated, faulty: Table, dimension: Dimension) -> None:
    """Rows that stay with their fault must not count as faulty once more."""
    flag, fit = f"_fault_{dimension}", result.fit
    marks = faulty.select(faulty[ROW].name("_marked")).distinct()
    both = fit.left_join(marks, fit[ROW] == marks["_marked"])
    result.fit = both.mutate(**{flag: both[flag] | both["_marked"].notnull()}).drop("_marked")


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
