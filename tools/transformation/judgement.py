"""Judging a result before it is committed: rows that fail a check leave, and what there is is counted.

Rules and checks build one expression, so that the rows are passed once to find those that leave or have a fault, and
once to write the others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import or_

from ibis.expr.types import Table
from pydantic import BaseModel

from core.errors import InputError
from core.spec.check import Check, Unique
from core.spec.column import Column
from core.task import Dimension, Fate, Severity, Violation
from tools.context import Thresholds
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import declared_type
from tools.quality.checks import Test, testable, tests
from tools.quality.copies import copies
from tools.transformation.request import TargetColumn
from tools.transformation.rules import Passage

_GRAVITY = {Severity.CRITICAL: 0, Severity.MAJOR: 1, Severity.MINOR: 2}
_MINOR = "_minor_"
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
                *(_violation(dataset, rule, Dimension.CONSISTENCY, Severity.MAJOR, n) for rule, n in by_rules.items()),
                *self.violations,
            ],
            missed=[f"{d} {scores[d]:.4f} < {wanted[d]:g}" for d in scores if scores[d] < wanted[d]],
        )


def judge(
    passage: Passage, dataset: str, checks: tuple[Check, ...], target: Mapping[str, TargetColumn] | None
) -> Judged:
    """Send rows that fail a critical or major check to quarantine; count these and all other faults.

    Raises InputError for checks that do not fit the columns.
    """
    by_rules = list(passage.marks)
    row_tests = _tests(passage, tuple(check for check in checks if not isinstance(check, Unique)))
    marks = _marked(passage, row_tests)
    nulls = _null_flags(passage, target or {})
    judged = Judged(faults={test.dimension: 0 for test in row_tests})
    if by_rules or marks or nulls:
        sifted = passage.sift(*(name for name in [*marks.values(), *nulls] if name not in passage.marks))
        _count(passage.engine, judged, sifted, dataset, row_tests, marks, by_rules, nulls)
    for check in checks:
        if isinstance(check, Unique):
            _settle_copies(passage, judged, dataset, check)
    return judged


def _tests(passage: Passage, checks: tuple[Check, ...]) -> list[Test]:
    """The tests of rows, the gravest first. The passage gets, beside its columns, those that tests are made on."""
    if not checks:
        return []
    kinds = {name: declared_type(passage.marked[name].type()) for name in passage.columns}
    columns = {name: Column(type=kind) for name, kind in kinds.items() if kind is not None}
    for check in checks:
        if absent := [name for name in _names(check) if name not in columns]:
            there = ", ".join(columns)
            raise InputError(f"{check.name}: the result has no column {', '.join(absent)}; it has {there}.")
    came = testable(passage.marked, columns)
    extra = {name: passage.marked[name.removeprefix("_came_")] for name in came.columns if name.startswith("_came_")}
    passage.change(**extra)
    found = [test for test in tests(passage.marked, columns, checks) if not test.name.startswith("type(")]
    return sorted(found, key=lambda test: _GRAVITY[test.severity])


def _names(check: Check) -> list[str]:
    column = getattr(check, "column", None)
    return [*getattr(check, "columns", ()), *([column] if column else [])]


def _marked(passage: Passage, row_tests: list[Test]) -> dict[int, str]:
    """For each test, the column of the passage that is true of the rows which fail it."""
    marks: dict[int, str] = {}
    for index, test in enumerate(row_tests):
        if test.severity == Severity.MINOR:
            marks[index] = f"{_MINOR}{index}"
            passage.change(**{marks[index]: test.fails})
        else:
            marks[index] = passage.quarantine(~test.fails, test.name, test.reason)
    return marks


def _null_flags(passage: Passage, target: Mapping[str, TargetColumn]) -> dict[str, str]:
    needed = [name for name, column in target.items() if not column.nullable and name in passage.columns]
    flags = {f"{_NULL}{index}": name for index, name in enumerate(needed)}
    passage.change(**{flag: passage.marked[name].isnull() for flag, name in flags.items()})
    return flags


def _count(
    engine: Engine,
    judged: Judged,
    sifted: Table,
    dataset: str,
    row_tests: list[Test],
    marks: dict[int, str],
    by_rules: list[str],
    nulls: dict[str, str],
) -> None:
    # Who left by a rule never came to the checks; who is caught by one is not there to lack a value.
    here = sifted.filter([~sifted[name] for name in by_rules]) if by_rules else sifted
    caught = [here[marks[i]] for i, test in enumerate(row_tests) if test.severity != Severity.MINOR]
    of = {d: [here[marks[i]] for i, test in enumerate(row_tests) if test.dimension == d] for d in judged.faults}
    counts = engine.row(
        here.aggregate(
            **{marks[i]: here[marks[i]].sum().fill_null(0) for i in range(len(row_tests))},
            **{f"_fault_{d}": reduce(or_, flags).sum().fill_null(0) for d, flags in of.items()},
            **{flag: here[flag].sum(where=~reduce(or_, caught) if caught else None).fill_null(0) for flag in nulls},
            _rows=here.count(),
        )
    )
    judged.faults = {d: int(counts[f"_fault_{d}"]) for d in of}
    judged.nulls = {name: int(counts[flag]) for flag, name in nulls.items() if counts[flag]}
    judged.violations = [
        _violation(dataset, test.name, test.dimension, test.severity, int(counts[marks[i]]))
        for i, test in enumerate(row_tests)
        if counts[marks[i]]
    ]


def _settle_copies(passage: Passage, judged: Judged, dataset: str, check: Unique) -> None:
    """Rows that share a key, and are not all copies of the first one, leave; so do all copies but the first."""
    judged.faults.setdefault(check.dimension, 0)
    passage.settle()
    found = copies(passage.engine, passage.rows, check.columns, passage.columns)
    if found is None:
        return
    faulty = found.of.filter(found.of["_conflict"] | (found.of[ROW] != found.of["_into"]))
    held = passage.engine.hold(faulty.select(_faulty=faulty[ROW]))
    n = int(passage.engine.row(held.aggregate(n=held.count()))["n"])
    judged.faults[check.dimension] += n
    judged.violations.append(_violation(dataset, check.name, check.dimension, check.severity, n))
    if check.severity == Severity.MINOR:
        return
    passage.ordered = False
    passage.marked = passage.marked.left_join(held, passage.marked[ROW] == held["_faulty"])
    key = ", ".join(check.columns)
    passage.quarantine(passage.marked["_faulty"].isnull(), check.name, f"other rows have the same {key}")


def _violation(dataset: str, name: str, dimension: Dimension, severity: Severity, rows: int) -> Violation:
    return Violation(check=name, dataset=dataset, dimension=dimension, severity=severity, rows=rows)
