"""Measuring checks: in one scan of the columns that they read, wherever the engine allows.

What a check of single columns says of a text is the same for all rows that have it. So columns of few different texts
are grouped in the scan, and their checks are made once for each group, not once for each row; which columns these are,
the first rows tell. A mistake there costs time, and changes no count.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import ibis
from ibis.expr.types import BooleanValue, Table, Value
from ibis.expr.types.groupby import GroupedTable

from core.errors import DataError
from core.spec.check import Check, NotNull
from core.spec.column import Column
from core.task import Dimension
from tools.engine.engine import Engine
from tools.quality.checks import Test, attributed, came, row_test, testable, tests, with_orphans
from tools.quality.keys import with_doubles
from tools.quality.summary import figures, judge
from tools.quality.verdict import Partition, Verdict

# So many rows are looked at for columns of few texts; a table that has fewer is small enough as it is.
_SAMPLE = 20_000
_FEW_TEXTS = 256
_FEW_GROUPS = 10_000

# So many checks are made in one scan.
_AT_ONCE = 100

_PER = "_per_"


@dataclass
class Measured:
    """`verdicts` by the place of their check; `faults` counts, for each dimension of a check of rows, faulty rows.

    `failing` are the rows that fail a check of rows, as they came, not computed yet.
    """

    rows: int
    verdicts: dict[int, Verdict]
    faults: dict[Dimension, int]
    failing: dict[int, Table] = field(default_factory=dict)


def measure(
    engine: Engine,
    raw: Table,
    columns: Mapping[str, Column],
    checks: Sequence[Check],
    *,
    dataset: str,
    others: Mapping[str, Table],
    at: datetime,
    partition_by: tuple[str, ...] = (),
) -> Measured:
    """Measure rows as they came, and change nothing. `others` are the datasets that foreign keys refer to.

    Checks without a `per` of their own are told for each part by `partition_by` besides: it is the whole that passes.

    Raises CheckError for a check that cannot be made, ExpressionError for an expression that does not fit.
    """
    table = testable(raw, columns)
    apart = [check if check.per else check.model_copy(update={"per": partition_by}) for check in checks]
    wholes = of_wholes(engine, table, checks, at)
    if partition_by:
        for index, verdict in of_wholes(engine, table, apart, at).items():
            wholes[index].partitions = verdict.partitions
    checks = [check if check.whole else parted for check, parted in zip(checks, apart, strict=True)]
    rows = with_orphans(with_doubles(engine, raw, columns, checks), checks, others)
    row_tests = tests(rows, checks)
    try:
        failed = _failed(engine, raw, rows, columns, row_tests)
        failing = [test for test in row_tests if failed[test.index]]
        flags = {test.index: test.fails for test in failing}
        parts = partitions(engine, rows, row_tests, flags)
        faults = _faults(engine, rows, row_tests, failed)
    except DataError as error:
        raise attributed(engine, rows, row_tests, dataset, error) from error
    cells = {name: came(rows, name) for name in columns}
    return Measured(
        rows=engine.count(raw),
        verdicts={test.index: of_rows(test.check, failed[test.index], parts.get(test.index, [])) for test in row_tests}
        | wholes,
        faults=faults,
        failing={test.index: rows.filter(test.fails).select(**cells) for test in failing},
    )


def of_wholes(engine: Engine, table: Table, checks: Sequence[Check], at: datetime) -> dict[int, Verdict]:
    """Verdicts of the checks of the whole, by the place of the check, on a table of typed values."""
    wholes = [(index, check) for index, check in enumerate(checks) if check.whole]
    found: dict[int, Verdict] = {}
    for per in sorted({check.per for _, check in wholes}):
        own = [(index, check) for index, check in wholes if check.per == per]
        asked = {f"f{i}_{name}": value for i, check in own for name, value in figures(table, check).items()}
        rows = engine.rows(_by(table, per).aggregate(_rows=table.count(), **asked))
        rows.sort(key=lambda row: _order(row, per))
        for index, check in own:
            found[index] = _of_whole(index, check, rows, at)
    return found


def of_rows(check: Check, failed: int, parts: list[Partition]) -> Verdict:
    """The verdict of a check of rows of which so many fail it, in these parts."""
    return Verdict(
        check=check.name,
        dimension=check.dimension,
        severity=check.severity,
        passed=failed == 0,
        failed=failed,
        partitions=parts,
    )


def partitions(
    engine: Engine, rows: Table, row_tests: Sequence[Test], flags: Mapping[int, BooleanValue]
) -> dict[int, list[Partition]]:
    """The parts of the rows for each test whose check asks for them. `flags` say which rows fail, where some do."""
    found: dict[int, list[Partition]] = {}
    for per in sorted({test.check.per for test in row_tests if test.check.per}):
        own = {test.index: flags.get(test.index) for test in row_tests if test.check.per == per}
        found |= parts_of(engine, rows, per, own)
    return found


def parts_of(
    engine: Engine, rows: Table, per: tuple[str, ...], flags: Mapping[int, BooleanValue | None]
) -> dict[int, list[Partition]]:
    """The parts of the rows by the columns `per`, with the rows in each for which a flag is true; None: for no row."""
    sums = {f"_failed_{index}": flag.sum().fill_null(0) for index, flag in flags.items() if flag is not None}
    parts = engine.rows(_by(rows, per).aggregate(_rows=rows.count(), **sums))
    parts.sort(key=lambda part: _order(part, per))
    return {index: [_part(part, per, int(part.get(f"_failed_{index}", 0))) for part in parts] for index in flags}


def by_dimension(row_tests: Iterable[Test]) -> dict[Dimension, list[Test]]:
    """The tests of each dimension that one measures."""
    found: dict[Dimension, list[Test]] = {}
    for test in row_tests:
        found.setdefault(test.check.dimension, []).append(test)
    return found


def _failed(
    engine: Engine, raw: Table, rows: Table, columns: Mapping[str, Column], row_tests: list[Test]
) -> dict[int, int]:
    """How many rows fail each test, by the place of its check."""
    keys = _of_few_texts(engine, raw, row_tests)
    shallow = {test.index for test in row_tests if test.alone and test.reads and test.reads <= set(keys)}
    deep = [test for test in row_tests if test.index not in shallow]
    # Engines take long to plan thousands of sums, and the longer the more columns there are.
    alone = [test for test in deep if test.alone] if len(deep) > _AT_ONCE else []
    found: dict[str, Any] = {}
    for start in range(0, len(alone), _AT_ONCE):
        batch = alone[start : start + _AT_ONCE]
        reads = sorted({name for test in batch for name in test.reads})
        found |= _sums(engine, testable(raw, {name: columns[name] for name in reads}), batch, again=True)
    done = {test.index for test in alone}
    found |= _sums(engine, rows, [test for test in deep if test.index not in done])
    if shallow:
        groups = raw.group_by(keys).aggregate(_n=raw.count())
        texts = testable(groups, {key: columns[key] for key in keys})
        again = [row_test(texts, test.index, test.check) for test in row_tests if test.index in shallow]
        counts = {f"_{test.index}": ibis.ifelse(test.fails, texts["_n"], 0).sum() for test in again}
        found |= engine.row(texts.aggregate(**counts))
    return {test.index: int(found[f"_{test.index}"] or 0) for test in row_tests}


def _sums(engine: Engine, rows: Table, row_tests: list[Test], *, again: bool = False) -> dict[str, Any]:
    """How many rows fail each test, which is made `again` where it was made on another table."""
    made = [row_test(rows, test.index, test.check) for test in row_tests] if again else row_tests
    sums = {f"_{test.index}": _number(rows, test) for test in made}
    return engine.row(rows.aggregate(**sums)) if sums else {}


def _number(rows: Table, test: Test) -> Value:
    """How many rows fail, said so that the engine need not read what the statistics of a file tell."""
    if isinstance(test.check, NotNull) and not came(rows, test.check.column).type().is_string():
        return rows.count() - came(rows, test.check.column).count()
    return test.fails.sum()


def _faults(engine: Engine, rows: Table, row_tests: list[Test], failed: dict[int, int]) -> dict[Dimension, int]:
    """Rows with a fault, by dimension. Where several tests of one fail, the same row may fail them."""
    found = {}
    for dimension, of in by_dimension(row_tests).items():
        failing = [test for test in of if failed[test.index]]
        found[dimension] = sum(failed[test.index] for test in failing)
        if len(failing) > 1:
            union = ibis.or_(*(test.fails for test in failing))
            found[dimension] = int(engine.row(rows.aggregate(n=union.sum()))["n"])
    return found


def _of_few_texts(engine: Engine, raw: Table, row_tests: list[Test]) -> list[str]:
    """Columns of text that have few different ones, also together, as far as the first rows tell."""
    alone = {name for test in row_tests if test.alone and len(test.reads) == 1 for name in test.reads}
    texts = [name for name in raw.columns if name in alone and raw[name].type().is_string()]
    if not texts:
        return []
    first = raw.select(*texts).limit(_SAMPLE)
    found = engine.row(first.aggregate(_rows=first.count(), **{name: first[name].nunique() for name in texts}))
    if found["_rows"] < _SAMPLE:
        return []
    chosen: list[str] = []
    groups = 1
    for name in sorted(texts, key=lambda name: (found[name], name)):
        groups *= found[name] + 1
        if found[name] <= _FEW_TEXTS and groups <= _FEW_GROUPS:
            chosen.append(name)
    return chosen


def _by(table: Table, per: Sequence[str]) -> Table | GroupedTable:
    return table.group_by([table[name].cast("string").name(_PER + name) for name in per]) if per else table


def _of_whole(index: int, check: Check, rows: list[dict[str, Any]], at: datetime) -> Verdict:
    prefix = f"f{index}_"
    parts = []
    for row in rows:
        found = {name.removeprefix(prefix): value for name, value in row.items() if name.startswith(prefix)}
        passed, observed = judge(check, found, at)
        parts.append(Partition(values=_values(row, check.per), rows=row["_rows"], passed=passed, observed=observed))
    failing = sum(not part.passed for part in parts)
    return Verdict(
        check=check.name,
        dimension=check.dimension,
        severity=check.severity,
        passed=not failing,
        observed=f"{failing} of {len(parts)} parts fail" if check.per else parts[0].observed,
        partitions=parts if check.per else [],
    )


def _part(part: dict[str, Any], per: Sequence[str], failed: int) -> Partition:
    return Partition(values=_values(part, per), rows=part["_rows"], passed=failed == 0, failed=failed)


def _values(part: dict[str, Any], per: Sequence[str]) -> dict[str, str | None]:
    return {name: part[_PER + name] for name in per}


def _order(part: dict[str, Any], per: Sequence[str]) -> list[tuple[bool, str]]:
    return [(value is not None, value or "") for value in _values(part, per).values()]
