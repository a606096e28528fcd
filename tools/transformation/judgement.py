"""Judging a result before it is committed: rows that fail a check leave, and what there is is counted.

Rules and checks build one expression, so that the rows are passed once to find those that leave or have a fault, and
once to write the others.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import ibis
from ibis.expr.types import BooleanValue, StringValue, Table
from pydantic import BaseModel

from core.errors import InputError, SpecError
from core.spec.check import Check, ForeignKey, Type, Unique
from core.spec.checklist import misfits
from core.spec.column import Column
from core.task import Dimension, Fate, Severity, Violation
from tools.context import Thresholds
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import declared_type
from tools.quality.checks import CAME, ORPHAN, Test, check_patterns, row_test, tests, with_orphans
from tools.quality.copies import copies
from tools.quality.measurement import of_rows, of_wholes
from tools.quality.validation import violation
from tools.transformation.columns import read_by_check
from tools.transformation.request import TargetColumn
from tools.transformation.rules import Passage
from tools.transformation.rules.passage import Exit

_FAILS = "_fails_"
_NULL = "_null_"


class Assessment(BaseModel):
    """The quality of a result: of the rows that are in it, and of those that went to quarantine on the way.

    `scores` has for each dimension that a check measured the share of rows without a fault in it, `overall` their
    mean. `missed` names the thresholds that were not reached.
    """

    rows: int
    scores: dict[Dimension, float]
    overall: float | None
    violations: list[Violation]
    missed: list[str]


@dataclass
class Judged:
    """What was found: the rows that fail each check, the rows with a fault by dimension, and by column how many rows
    lack a value that they must have.
    """

    violations: list[Violation] = field(default_factory=list)
    faults: dict[Dimension, int] = field(default_factory=dict)
    nulls: dict[str, int] = field(default_factory=dict)

    def assessment(self, dataset: str, rows_out: int, leaving: dict[str, int], thresholds: Thresholds) -> Assessment:
        """The quality of the `rows_out` rows that went on, and of those in quarantine, by `leaving`.

        What a rule cannot convert or find is of the wrong form, or refers to nothing: that speaks against consistency.
        """
        told = {violation.check for violation in self.violations}
        quarantined = {key.partition(":")[2]: n for key, n in leaving.items() if key.startswith(Fate.QUARANTINED)}
        by_rules = {rule: n for rule, n in quarantined.items() if rule not in told}
        faults = dict(self.faults)
        if by_rules:
            faults[Dimension.CONSISTENCY] = faults.get(Dimension.CONSISTENCY, 0) + sum(by_rules.values())
        rows = rows_out + sum(quarantined.values())
        scores = {dimension: 1 - n / rows for dimension, n in faults.items()} if rows else {}
        wanted = {dimension: float(getattr(thresholds, dimension)) for dimension in scores}
        return Assessment(
            rows=rows,
            scores=scores,
            overall=sum(scores.values()) / len(scores) if scores else None,
            violations=[
                *(
                    Violation(
                        check=rule,
                        dataset=dataset,
                        dimension=Dimension.CONSISTENCY,
                        severity=Severity.MAJOR,
                        rows=n,
                    )
                    for rule, n in by_rules.items()
                ),
                *self.violations,
            ],
            missed=[f"{d} {scores[d]:.4f} < {wanted[d]:g}" for d in scores if scores[d] < wanted[d]],
        )


def judge(
    passage: Passage,
    dataset: str,
    checks: tuple[Check, ...],
    target: Mapping[str, TargetColumn] | None,
    at: datetime,
) -> Judged:
    """Send rows that fail a critical or major check to quarantine; count these and all other faults.

    Checks of the whole are made on the rows that go on; `at` is what ages are measured from. Raises InputError for
    checks that do not fit the columns, theirs or those of the dataset that they refer to; CheckError for a pattern that
    is none.
    """
    by_rules = list(passage.exits)
    row_tests = _tests(passage, dataset, checks)
    _mark(passage, row_tests)
    flags = [f"{_FAILS}{test.index}" for test in row_tests if test.check.severity == Severity.MINOR]
    flags += _null_flags(passage, target or {})
    judged = Judged(faults={test.check.dimension: 0 for test in row_tests})
    if passage.exits or flags:
        _count(passage.engine, judged, passage.sift(*flags), dataset, row_tests, by_rules)
    for check in checks:
        if isinstance(check, Unique):
            _settle_copies(passage, judged, dataset, check)
    of_whole = of_wholes(passage.engine, passage.rows, checks, at).values()
    judged.violations += [violation(verdict, dataset) for verdict in of_whole if not verdict.passed]
    return judged


def _tests(passage: Passage, dataset: str, checks: tuple[Check, ...]) -> list[Test]:
    """The tests of rows, the gravest first. The passage gets, beside its columns, those that tests are made on."""
    read: dict[str, None] = {}
    for check in checks:
        reads = [*read_by_check(check), *check.per]
        if absent := [name for name in reads if name not in passage.columns]:
            there = ", ".join(passage.columns)
            raise InputError(f"{check.name}: the result has no column {', '.join(absent)}; it has {there}.")
        read |= dict.fromkeys(reads)
    _check_fit(passage, checks)
    check_patterns(passage.engine, dataset, checks)
    # What came is what rules have made: here it is of its type already.
    passage.change(**{CAME + name: passage.marked[name] for name in read})
    passage.marked = with_orphans(passage.marked, checks, passage.others)
    return sorted(tests(passage.marked, checks), key=lambda test: test.check.severity.rank)


def _check_fit(passage: Passage, checks: tuple[Check, ...]) -> None:
    """Raise SpecError with a line for each check that cannot be made on columns of these types."""
    columns = _declared(passage.marked)
    problems = []
    for index, check in enumerate(checks):
        others = _declared(passage.others[check.dataset]) if isinstance(check, ForeignKey) else None
        # What came as another type has left before, so that its severity cannot matter.
        found = [] if isinstance(check, Type) else misfits(check, columns, others)
        problems += [f"checks.{index}: {problem}" for problem in found]
    if problems:
        raise SpecError("transformation", problems)


def _declared(table: Table) -> dict[str, Column]:
    """The columns as a spec would declare them; those of types that it does not have, by their names."""
    kinds = {name: kind for name, kind in table.schema().items() if not name.startswith("_")}
    return {name: Column.model_construct(type=declared_type(kind) or str(kind)) for name, kind in kinds.items()}


def _mark(passage: Passage, row_tests: list[Test]) -> None:
    """Mark the rows that fail a test, in a column for each; those that fail a grave one leave."""
    passage.change(**{f"{_FAILS}{test.index}": test.fails.fill_null(False) for test in row_tests})
    for test in row_tests:
        if test.check.severity != Severity.MINOR:
            cells = [place + name for name in sorted(test.reads) for place in ("", CAME)]
            cells += [f"{ORPHAN}{test.index}"] if isinstance(test.check, ForeignKey) else []
            gone = Exit(f"{_FAILS}{test.index}", True, Fate.QUARANTINED, test.check.name, _reason(test), tuple(cells))
            passage.exits.append(gone)


def _reason(test: Test) -> Callable[[Table], StringValue]:
    return lambda table: row_test(table, test.index, test.check).reason


def _null_flags(passage: Passage, target: Mapping[str, TargetColumn]) -> list[str]:
    needed = [name for name, column in target.items() if not column.nullable and name in passage.columns]
    flags = {f"{_NULL}{name}": passage.marked[name].isnull() for name in needed}
    passage.change(**flags)
    return list(flags)


def _count(
    engine: Engine, judged: Judged, sifted: Table, dataset: str, row_tests: list[Test], by_rules: list[Exit]
) -> None:
    # Who left by a rule never came to the checks; who is caught by one is not there to lack a value.
    here = sifted.filter([exit.spares(sifted) for exit in by_rules]) if by_rules else sifted
    fails = {test.index: here[f"{_FAILS}{test.index}"] for test in row_tests}
    caught = _any(fails[test.index] for test in row_tests if test.check.severity != Severity.MINOR)
    of = {d: _any(fails[t.index] for t in row_tests if t.check.dimension == d) for d in judged.faults}
    lacking = [name for name in sifted.columns if name.startswith(_NULL)]
    sums = {
        **{f"{_FAILS}{index}": flag.sum().fill_null(0) for index, flag in fails.items()},
        **{f"_faults_{d}": flag.sum().fill_null(0) for d, flag in of.items()},
        **{name: (here[name] & ~caught).sum().fill_null(0) for name in lacking},
    }
    counts = engine.row(here.aggregate(**sums)) if sums else {}
    judged.faults = {d: int(counts[f"_faults_{d}"]) for d in of}
    judged.nulls = {name.removeprefix(_NULL): int(counts[name]) for name in lacking if counts[name]}
    judged.violations = [
        _violation(dataset, test.check, int(counts[f"{_FAILS}{test.index}"]))
        for test in row_tests
        if counts[f"{_FAILS}{test.index}"]
    ]


def _any(flags: Iterable[BooleanValue]) -> BooleanValue:
    return ibis.or_(ibis.literal(False), *flags)


def _settle_copies(passage: Passage, judged: Judged, dataset: str, check: Unique) -> None:
    """Rows that share a key, and are not all copies of the first one, leave; so do all copies but the first."""
    judged.faults.setdefault(check.dimension, 0)
    passage.settle()
    found = copies(passage.engine, passage.rows, check.columns, passage.columns)
    if found is None:
        return
    faulty = found.of.filter(found.of["_conflict"] | (found.of[ROW] != found.of["_into"]))
    held = passage.engine.hold(faulty.select(_faulty=faulty[ROW]))
    n = passage.engine.count(held)
    judged.faults[check.dimension] += n
    judged.violations.append(_violation(dataset, check, n))
    if check.severity == Severity.MINOR:
        return
    passage.marked = passage.marked.left_join(held, passage.marked[ROW] == held["_faulty"])
    key = ", ".join(check.columns)
    why = [f"other rows have the same {key}"]
    passage.keep(passage.marked["_faulty"].isnull(), check.name, why, Fate.QUARANTINED)


def _violation(dataset: str, check: Check, rows: int) -> Violation:
    return violation(of_rows(check, rows, []), dataset)
