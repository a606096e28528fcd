"""The quality gate: what the data is worth, and what follows from it (systems F4)."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel

from core.report import Quality
from core.spec import Gate
from core.task import Dimension, Outcome, Severity, Stage, Task, Violation


class Route(StrEnum):
    """Where the gate sends a run."""

    PUBLISH = "publish"
    ENHANCE = "enhance"
    RETRY = "retry"
    FAIL = "fail"
    WAIT = "wait"


class Verdict(BaseModel):
    """What the gate saw and decided, once per pass. `datasets` are the scores of each dataset."""

    route: Route
    reason: str
    quality: Quality
    datasets: dict[str, Quality]
    violations: list[Violation]
    succeeded: int
    failed: int

    @property
    def critical(self) -> int:
        return count_critical(self.violations)


def measure(tasks: Iterable[Task], outcomes: dict[str, Outcome]) -> dict[str, dict[Dimension, tuple[int, int]]]:
    """For each dataset and measured dimension: source rows, and those of them in which some stage found a fault.

    A row leaves at the first stage that finds a grave fault in it, so faults of all stages add up.
    """
    faults: dict[str, dict[Dimension, int]] = {}
    rows: dict[str, int] = {}
    for task in tasks:
        outcome = outcomes.get(task.key)
        if outcome is None or outcome.status != "done":
            continue
        if task.stage == Stage.INGESTION:
            rows[task.dataset] = rows.get(task.dataset, 0) + outcome.rows.rows_in
        for dimension, n in outcome.faults.items():
            of = faults.setdefault(task.dataset, {})
            of[dimension] = of.get(dimension, 0) + n
    return {
        dataset: {dimension: (rows[dataset], n) for dimension, n in found.items()}
        for dataset, found in faults.items()
        if rows.get(dataset)
    }


def score(counts: Iterable[dict[Dimension, tuple[int, int]]]) -> Quality:
    """For each dimension the share of rows without a fault in it, over all given datasets together."""
    totals: dict[Dimension, tuple[int, int]] = {}
    for found in counts:
        for dimension, (rows, faults) in found.items():
            of_rows, of_faults = totals.get(dimension, (0, 0))
            totals[dimension] = (of_rows + rows, of_faults + min(faults, rows))
    scores = {str(dimension): 1 - faults / rows for dimension, (rows, faults) in totals.items()}
    return Quality(**scores, overall=sum(scores.values()) / len(scores) if scores else None)


def missed_thresholds(gate: Gate, dataset: str, counts: dict[Dimension, tuple[int, int]]) -> list[Violation]:
    """A violation for each dimension in which the dataset stays below its threshold."""
    found = []
    for dimension, (rows, faults) in counts.items():
        threshold, reached = gate.thresholds.get(dimension, 0.0), 1 - min(faults, rows) / rows
        if reached < threshold:
            critical = reached < threshold - gate.critical_margin
            found.append(
                Violation(
                    check=f"{dimension} >= {threshold:g}",
                    dataset=dataset,
                    dimension=dimension,
                    severity=Severity.CRITICAL if critical else Severity.MAJOR,
                    rows=faults,
                )
            )
    return found


def of_threshold(violation: Violation) -> bool:
    """Whether a violation is of one of these thresholds, and so sums up others."""
    return violation.check.startswith(f"{violation.dimension} >= ")


def count_critical(violations: Iterable[Violation]) -> int:
    """Critical violations that still speak against publishing."""
    return sum(v.severity == Severity.CRITICAL and not v.handled for v in violations)


def wholes_failed(violations: Iterable[Violation]) -> list[Violation]:
    """Critical and major violations of datasets as wholes: there is no row to keep out, so nothing can be published."""
    return [v for v in violations if v.of_whole and v.severity != Severity.MINOR]


def decide(
    gate: Gate, *, quality: float | None, critical: int, succeeded: int, failed: int, wholes: int = 0
) -> tuple[Route, str]:
    """The route, and why. `quality` is the mean quality of what succeeded; None, if nothing measured any.

    A failed task is work undone, which can be neither published nor enhanced: it is retried, whatever the quality.
    `wholes` counts datasets' critical and major violations as wholes; with one, nothing is published either.
    """
    if succeeded == 0:
        return Route.FAIL, "no task succeeded"
    if failed:
        return Route.RETRY, f"{failed} tasks failed"
    if quality is None and not wholes and not critical:
        return Route.PUBLISH, "no check measured any quality, and no task failed"
    measured = f"quality is {quality:.3f}" if quality is not None else "no check of rows measured any quality"
    told = f"{measured}, with {critical} critical violations"
    if wholes:
        told += f", and {wholes} checks of datasets as wholes failed"
    if quality is not None and quality >= gate.publish and critical == 0 and not wholes:
        return Route.PUBLISH, f"quality {quality:.3f} is at least {gate.publish:g}, with no critical violation"
    if (quality is None or quality >= gate.enhance) and critical <= gate.max_critical:
        return Route.ENHANCE, f"{told}: worth enhancing"
    return Route.RETRY, told


class Spent(BaseModel):
    """How often a run was enhanced and retried."""

    enhancements: int = 0
    retries: int = 0


def settle(
    gate: Gate,
    verdict: Verdict,
    spent: Spent,
    *,
    failures: set[str],
    repairable: bool,
    approvable: bool,
    change: bool | None = None,
) -> tuple[Route, str]:
    """The verdict's route if it is open, and why; otherwise fail, or wait for approval, as the spec says.

    Where the spec asks for approval of every publication, publishing waits too. With `approvable`, somebody is there
    who approves: what would fail because nothing is left to change waits for that.

    Enhance and retry must be within their quotas, and must change something: `failures` are the kinds of failure among
    the failed tasks, of which a permanent one would fail the same way again; `repairable` says whether there is a
    dataset that repair was not tried on. `change` says whether a replan changes something about what failed; None,
    that nobody has looked. Work undone cannot be approved.
    """
    if verdict.route == Route.PUBLISH:
        return (Route.WAIT if gate.approval else Route.PUBLISH), verdict.reason
    if verdict.route == Route.FAIL and not change:
        return verdict.route, verdict.reason
    if verdict.failed:
        if change is False and "permanent" not in failures:
            return Route.FAIL, f"{verdict.reason}, and nothing is left to change about that"
        if not change and ("permanent" in failures or not failures):
            return Route.FAIL, f"{verdict.reason}, and would fail the same way again"
        if spent.retries >= gate.retries:
            return Route.FAIL, f"{verdict.reason}, and the retries ({gate.retries}) are spent"
        return Route.RETRY, verdict.reason
    if verdict.route == Route.ENHANCE:
        left, quota = gate.enhancements - spent.enhancements, "enhancements"
    else:
        left, quota = gate.retries - spent.retries, "retries"
    if left > 0 and repairable:
        return verdict.route, verdict.reason
    why = f"{verdict.reason}, and {'nothing is left to change' if left > 0 else f'the {quota} are spent'}"
    return (Route.WAIT if gate.spent == "approval" or approvable else Route.FAIL), why


def judge(gate: Gate, tasks: list[Task], outcomes: dict[str, Outcome]) -> Verdict:
    """Measure what the tasks came to, and decide."""
    counts = measure(tasks, outcomes)
    current = [outcomes[task.key] for task in tasks if task.key in outcomes]
    violations = [v for outcome in current for v in outcome.violations]
    violations += [v for dataset, found in counts.items() for v in missed_thresholds(gate, dataset, found)]
    quality = score(counts.values())
    succeeded = sum(outcome.status == "done" for outcome in current)
    failed = len(tasks) - succeeded
    route, reason = decide(
        gate,
        quality=quality.overall,
        critical=count_critical(violations),
        succeeded=succeeded,
        failed=failed,
        wholes=len(wholes_failed(violations)),
    )
    return Verdict(
        route=route,
        reason=reason,
        quality=quality,
        datasets={dataset: score([found]) for dataset, found in counts.items()},
        violations=violations,
        succeeded=succeeded,
        failed=failed,
    )
