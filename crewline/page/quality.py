"""Quality before and after, by column; and what the gate found."""

from collections import Counter
from dataclasses import dataclass, field

from core.spec import PipelineSpec
from core.task import Stage, Violation
from tools.orchestration.history import History
from tools.quality.checks import with_types
from tools.transformation.columns import read_by_check

MOST_COLUMNS = 120
MOST_VIOLATIONS = 60


@dataclass
class ColumnQuality:
    """What a column was worth when it came, and at the end.

    A column is as good as its worst check: `before` and `after` are the least share of rows that pass one of them. None
    where it has no check, or was not measured. `faults` has the rows that failed each check, before and after.
    """

    dataset: str
    column: str
    checks: int
    before: float | None = None
    after: float | None = None
    faults: dict[str, tuple[int, int]] = field(default_factory=dict)
    repaired: int = 0


@dataclass
class QualityByColumn:
    """The columns, those with faults first; how many more there are; whether there was a second look."""

    columns: list[ColumnQuality]
    left_out: int
    enhanced: bool


def by_column(history: History, spec: PipelineSpec, repaired: dict[tuple[str, str], int]) -> QualityByColumn | None:
    """Quality as validation measured it, the first time and the last; None where it has not yet.

    `repaired` counts the repaired cells of columns.
    """
    first, last = history.first_verdict(), history.verdict()
    if first is None or last is None:
        return None
    before, after = _failing(first["violations"]), _failing(last["violations"])
    found: list[ColumnQuality] = []
    for dataset, source in spec.sources.items():
        looked_at = _rows(history, dataset)
        columns = {name: ColumnQuality(dataset, name, 0) for name in source.columns}
        for check in with_types(source.columns, spec.validation.get(dataset, ())):
            failed = before[dataset, check.name], after[dataset, check.name]
            for name in () if check.whole else set(read_by_check(check)) & columns.keys():
                _add(columns[name], check.name, failed, looked_at)
        for name, column in columns.items():
            column.repaired = repaired.get((dataset, name), 0)
        found += columns.values()
    found.sort(key=lambda column: (column.before is None, column.before if column.before is not None else 1))
    enhanced = any(task.round for task in history.tasks.values())
    return QualityByColumn(found[:MOST_COLUMNS], max(0, len(found) - MOST_COLUMNS), enhanced)


def violations(history: History) -> tuple[list[Violation], int]:
    """What the gate found at its last passage, the gravest first, and how many more there are."""
    verdict = history.verdict()
    found = [Violation.model_validate(violation) for violation in verdict["violations"]] if verdict else []
    found.sort(key=lambda violation: (violation.handled, violation.severity.rank, -(violation.rows or 0)))
    return found[:MOST_VIOLATIONS], max(0, len(found) - MOST_VIOLATIONS)


def _failing(told: list[dict[str, object]]) -> Counter[tuple[str, str]]:
    """The rows that failed each check of each dataset."""
    found: Counter[tuple[str, str]] = Counter()
    for violation in map(Violation.model_validate, told):
        found[violation.dataset, violation.check] += violation.rows or 0
    return found


def _rows(history: History, dataset: str) -> tuple[int, int]:
    """The rows of a dataset that validation looked at, the first time and the last."""
    keys = {"before": set[str](), "after": set[str]()}
    for key, task in history.all_tasks.items():
        if task.dataset == dataset and task.stage == Stage.VALIDATION:
            keys["before"] |= {key} if task.round == 0 else set()
            keys["after"] |= {key} if key in history.tasks else set()
    rows = {
        when: sum(outcome.rows.rows_in for key in of if (outcome := history.outcome(key))) for when, of in keys.items()
    }
    return rows["before"], rows["after"]


def _add(column: ColumnQuality, check: str, failed: tuple[int, int], rows: tuple[int, int]) -> None:
    column.checks += 1
    shares = [1 - failed[when] / rows[when] if rows[when] else None for when in (0, 1)]
    if shares[0] is not None:
        column.before = min(shares[0], 1.0 if column.before is None else column.before)
    if shares[1] is not None:
        column.after = min(shares[1], 1.0 if column.after is None else column.after)
    if any(failed):
        column.faults[check] = failed
