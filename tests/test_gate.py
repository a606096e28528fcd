"""The quality gate: what it measures, where it sends a run, and that it can be neither passed twice nor around."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.report import Quality
from core.spec import Gate
from core.task import Dimension, Outcome, RowCount, Severity, Stage, Task, Violation
from flows.gate import Route, Spent, Verdict, decide, judge, missed_thresholds, score, settle

GATE = Gate()


@pytest.mark.parametrize(
    ("quality", "critical", "succeeded", "failed", "route"),
    [
        (1.0, 0, 0, 0, Route.FAIL),
        (1.0, 0, 0, 5, Route.FAIL),
        (0.95, 0, 1, 0, Route.PUBLISH),
        (0.9499, 0, 1, 0, Route.ENHANCE),
        (1.0, 1, 1, 0, Route.ENHANCE),
        (1.0, 2, 1, 0, Route.ENHANCE),
        (1.0, 3, 1, 0, Route.RETRY),
        (0.85, 2, 1, 0, Route.ENHANCE),
        (0.8499, 0, 1, 0, Route.RETRY),
        (None, 0, 1, 0, Route.PUBLISH),
        (1.0, 0, 8, 1, Route.RETRY),
    ],
)
def test_the_gate_decides_by_mean_quality_and_critical_violations(
    quality: float | None, critical: int, succeeded: int, failed: int, route: Route
) -> None:
    """The table of systems F4, at its boundary values; and work undone is never published."""
    assert decide(GATE, quality=quality, critical=critical, succeeded=succeeded, failed=failed)[0] == route


@given(
    quality=st.none() | st.floats(0, 1),
    critical=st.integers(0, 5),
    succeeded=st.integers(0, 5),
    failed=st.integers(0, 3),
    spent=st.builds(Spent, enhancements=st.integers(0, 3), retries=st.integers(0, 3)),
    kinds=st.sets(st.sampled_from(["permanent", "transient", "resource"])),
    repairable=st.booleans(),
    spec=st.sampled_from(["fail", "approval"]),
    always=st.booleans(),
)
def test_the_open_route_never_goes_around_the_gate(
    quality: float | None,
    critical: int,
    succeeded: int,
    failed: int,
    spent: Spent,
    kinds: set[str],
    repairable: bool,
    spec: str,
    always: bool,
) -> None:
    """Only a verdict to publish publishes; enhance and retry stay in their quotas, and change something."""
    gate = Gate(spent=spec, approval=always)  # type: ignore[arg-type]
    route, reason = decide(gate, quality=quality, critical=critical, succeeded=succeeded, failed=failed)
    verdict = Verdict(
        route=route,
        reason=reason,
        quality=Quality(),
        datasets={},
        violations=[],
        succeeded=succeeded,
        failed=failed,
    )
    opened, why = settle(gate, verdict, spent, failures=kinds, repairable=repairable, approvable=False)
    assert why
    assert (opened == Route.PUBLISH) == (route == Route.PUBLISH and not always)
    if opened == Route.ENHANCE:
        assert spent.enhancements < gate.enhancements
        assert repairable
    if opened == Route.RETRY:
        assert spent.retries < gate.retries
        assert (kinds and "permanent" not in kinds) if failed else repairable
    if opened == Route.WAIT:
        assert gate.spent == "approval" or (always and route == Route.PUBLISH)
        assert not failed
    approved, _ = settle(gate, verdict, spent, failures=kinds, repairable=repairable, approvable=True)
    if failed or not succeeded:
        assert approved not in (Route.PUBLISH, Route.WAIT)


def _outcome(task: Task, rows: int, **faults: int) -> Outcome:
    return Outcome(
        task=task.key,
        status="done",
        rows=RowCount(rows_in=rows, rows_out=rows),
        faults={Dimension(name): n for name, n in faults.items()},
    )


def test_quality_is_the_share_of_source_rows_without_a_fault() -> None:
    """Faults of all stages add up over the rows that came in; datasets count by rows; unmeasured is unmeasured."""
    big = [Task(stage=stage, dataset="big") for stage in (Stage.INGESTION, Stage.VALIDATION)]
    small = [Task(stage=stage, dataset="small") for stage in (Stage.INGESTION, Stage.VALIDATION)]
    outcomes = {
        big[0].key: _outcome(big[0], 900, consistency=9),
        big[1].key: _outcome(big[1], 891, consistency=18, completeness=90),
        small[0].key: _outcome(small[0], 100, consistency=0),
        small[1].key: _outcome(small[1], 100, consistency=3, completeness=0),
    }
    verdict = judge(GATE, [*big, *small], outcomes)
    assert verdict.quality.consistency == pytest.approx(0.97)
    assert verdict.quality.completeness == pytest.approx(0.91)
    assert verdict.quality.accuracy is None
    assert verdict.quality.overall == pytest.approx(0.94)
    assert verdict.datasets["small"].consistency == pytest.approx(0.97)
    assert verdict.datasets["big"].completeness == pytest.approx(0.9)


def test_a_missed_threshold_is_major_and_far_below_it_critical() -> None:
    """The margin is the gate's, 0.10 by default."""
    near = missed_thresholds(GATE, "d", {Dimension.COMPLETENESS: (1000, 149)})
    far = missed_thresholds(GATE, "d", {Dimension.COMPLETENESS: (1000, 151)})
    assert [v.severity for v in near] == [Severity.MAJOR]
    assert [v.severity for v in far] == [Severity.CRITICAL]
    assert missed_thresholds(GATE, "d", {Dimension.COMPLETENESS: (1000, 50)}) == []


def test_what_fails_after_repair_no_longer_speaks_against_publishing() -> None:
    """It is in quarantine for good. Before repair, the same critical violations keep the gate shut."""
    tasks = [Task(stage=stage, dataset="d") for stage in (Stage.INGESTION, Stage.VALIDATION)]
    for handled, route in ((False, Route.RETRY), (True, Route.PUBLISH)):
        violations = [
            Violation(
                check=name,
                dataset="d",
                dimension=Dimension.ACCURACY,
                severity=Severity.CRITICAL,
                rows=1,
                handled=handled,
            )
            for name in ("a", "b", "c")
        ]
        outcomes = {
            tasks[0].key: _outcome(tasks[0], 1000, consistency=0),
            tasks[1].key: _outcome(tasks[1], 1000, accuracy=3).model_copy(update={"violations": violations}),
        }
        assert judge(GATE, tasks, outcomes).route == route


def test_scores_of_nothing_are_unmeasured() -> None:
    """No number is made up."""
    assert score([]) == Quality()
