"""Checking a dataset by itself: what it is worth, check by check. Nothing is changed."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from pydantic import BaseModel, ConfigDict

from core.errors import SpecError
from core.spec.check import Check, ForeignKey
from core.spec.checklist import Checklist, misfits
from core.stop import Stop
from core.task import Dimension, Severity
from tools.engine.limits import Limits
from tools.engine.session import session
from tools.quality.checks import check_patterns, testable, with_types
from tools.quality.input import Input, opened
from tools.quality.measurement import Measured, measure
from tools.quality.verdict import Verdict

SAMPLE = 5


class QualityReport(BaseModel):
    """What a dataset is worth.

    `passed`: no critical or major check failed. `quality` is, for each dimension that some check of rows measures, the
    share of rows without a fault in it. `verdicts` are those of the declared types, then those of the checks, in order.
    `notes` say what was taken for granted when the file was read.
    """

    model_config = ConfigDict(frozen=True)

    dataset: str
    rows: int
    passed: bool
    quality: dict[Dimension, float]
    verdicts: list[Verdict]
    notes: list[str] = []

    @property
    def failed(self) -> list[Verdict]:
        """The verdicts that did not pass."""
        return [verdict for verdict in self.verdicts if not verdict.passed]


def check_dataset(
    data: str | Path | pa.Table,
    checks: Checklist | Sequence[Check],
    *,
    references: Mapping[str, str | Path | pa.Table] | None = None,
    at: datetime | None = None,
    sample: int = SAMPLE,
    limits: Limits | None = None,
    stop: Stop | None = None,
    allowed: Callable[[str], str] = str,
) -> QualityReport:
    """Check a file or a table in memory.

    `data` is the path of a CSV, JSON lines or Parquet file (a glob, a folder of Parquet files, or behind any fsspec
    protocol), or an Arrow table. `references` has the datasets that foreign keys refer to, besides those that a
    Checklist names. Ages are taken at `at`, by default now. Each failing check shows up to `sample` rows. For
    `allowed`, see tools.sources.opening.

    Raises SourceError for a file that cannot be read, SpecError for checks that do not fit the columns, ExpressionError
    for an expression that is none, CheckError for a check that the data defeats.
    """
    wanted = checks if isinstance(checks, Checklist) else Checklist(checks=tuple(checks))
    with session(limits, stop) as (engine, scratch):
        given = opened(engine, data, scratch, wanted.declared(), allowed)
        named = {**wanted.references, **(references or {})}
        referred = _referred(wanted.checks) & named.keys()
        others = {name: opened(engine, named[name], scratch, {}, allowed) for name in referred}
        _check_fit(given, wanted.checks, others)
        check_patterns(engine, given.name, wanted.checks)
        made = with_types(given.declared, wanted.checks)
        measured = measure(
            engine,
            given.table,
            given.columns,
            made,
            dataset=given.name,
            others={name: testable(other.table, other.columns) for name, other in others.items()},
            at=at or datetime.now(UTC),
            partition_by=wanted.partition_by,
        )
        for index, failing in measured.failing.items() if sample else ():
            measured.verdicts[index].sample = engine.rows(failing.limit(sample))
        return _report(given, measured)


def _referred(checks: Iterable[Check]) -> set[str]:
    return {check.dataset for check in checks if isinstance(check, ForeignKey)}


def _check_fit(given: Input, checks: Iterable[Check], others: dict[str, Input]) -> None:
    """Raise SpecError with a line for each check that cannot be made on these columns."""
    problems = []
    for index, check in enumerate(checks):
        columns = None
        if isinstance(check, ForeignKey) and check.dataset != given.name:
            if check.dataset not in others:
                problems.append(f"checks.{index}: there is no file for '{check.dataset}'; put its path into references")
                continue
            columns = others[check.dataset].columns
        problems += [f"checks.{index}: {problem}" for problem in misfits(check, given.columns, columns)]
    if problems:
        raise SpecError(given.name, problems)


def _report(given: Input, measured: Measured) -> QualityReport:
    verdicts = [verdict for _, verdict in sorted(measured.verdicts.items())]
    rows, faults = measured.rows + given.unreadable, dict(measured.faults)
    if given.unreadable:
        faults[Dimension.CONSISTENCY] = faults.get(Dimension.CONSISTENCY, 0) + given.unreadable
        verdicts.insert(0, _of_lines(given.unreadable))
    return QualityReport(
        dataset=given.name,
        rows=rows,
        passed=all(verdict.passed or verdict.severity == Severity.MINOR for verdict in verdicts),
        quality={dimension: 1 - n / rows for dimension, n in faults.items()} if rows else {},
        verdicts=verdicts,
        notes=given.notes,
    )


def _of_lines(unreadable: int) -> Verdict:
    return Verdict(
        check="readable",
        dimension=Dimension.CONSISTENCY,
        severity=Severity.MAJOR,
        passed=False,
        failed=unreadable,
    )
