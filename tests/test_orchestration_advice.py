"""Optimizing: what is named as the bottleneck and advised follows from what was measured, and from nothing else."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Refused
from core.report import Quality
from core.run import Run
from core.spec import PipelineSpec, loads
from core.store import Database
from core.task import Failure, Outcome, RowCount, Stage, Task
from crews.experience import Memory
from flows import DataPipelineFlow
from tests import shop
from tools.context import ToolContext
from tools.orchestration.advice import Advice, FailedAttempt, for_failures, for_time
from tools.orchestration.history import Attempt, History, Round
from tools.orchestration.optimization import LEAST_RUNS, optimize
from tools.orchestration.profile import Profile
from tools.orchestration.requirements import Plan, make_plan, tasks_of
from tools.orchestration.schedule import makespan, spent
from tools.sources import Inspection, Part

SPEC = """
name: shop
complexity: simple
sources:
  orders: {kind: csv, path: o, columns: {id: string, p: string, state: string, amount: float, note: string}}
  products: {kind: csv, path: p, columns: {code: string, category: string}}
transformation:
  orders: [{rule: derive, columns: {net: amount * 0.8}}]
enrichment:
  orders:
    - {rule: join, dataset: products, on: {p: code}, columns: [category]}
    - {rule: filter, where: state <> 'void'}
aggregation: {dataset: orders, group_by: [category], aggregates: {orders: count(id), net: sum(net)}}
target: {path: out}
"""
START = datetime(2026, 3, 1, tzinfo=UTC)

# Seconds of each unit: the enrichment of orders takes most.
SECONDS = {
    "ingestion/orders": 4.0,
    "ingestion/products": 1.0,
    "validation/orders": 3.0,
    "validation/products": 1.0,
    "transformation/orders": 5.0,
    "enrichment/orders": 11.0,
    "aggregation/orders": 2.0,
}


def spec_of(text: str = SPEC) -> PipelineSpec:
    return loads(text)


def plan_of(spec: PipelineSpec, parts: int = 4) -> Plan:
    return make_plan(spec, found(parts))


def found(parts: int = 4) -> dict[str, Inspection]:
    files = [Part(index=i, path=f"f{i}", size=1, modified="") for i in range(parts)]
    return {"orders": Inspection(parts=files, rows=1000), "products": Inspection(parts=files[:1], rows=100)}


def recorded(
    spec: PipelineSpec,
    *,
    seconds: dict[str, float] = SECONDS,
    branches: int = 2,
    status: str = "published",
    rounds: int = 1,
    quality: tuple[float, ...] = (0.99,),
    leaving: dict[str, dict[str, int]] | None = None,
    violations: list[dict[str, Any]] | None = None,
) -> History:
    """A run on record, with one task after the other; each later round repeats what builds on orders."""
    plan = plan_of(spec)
    clock = START
    steps: list[Attempt] = []

    def step(key: str, took: float, outcome: dict[str, Any]) -> None:
        nonlocal clock
        end = clock + timedelta(seconds=took)
        steps.append(Attempt(key=key, status="done", attempt=1, started_at=clock, finished_at=end, outcome=outcome))
        clock = end

    step("plan", 1.0, plan.model_dump(mode="json"))
    begun: list[Round] = []
    done: set[str] = set()
    for number in range(rounds):
        tasks = tasks_of(plan, [["orders"]] * number)
        begun.append(Round(at=clock, tasks=tuple(task.key for task in tasks), branches=branches, threads=2))
        for task in tasks:
            unit = f"{task.stage}/{task.dataset}"
            if task.key in done:
                continue
            done.add(task.key)
            left = (leaving or {}).get(unit, {})
            rows = RowCount(rows_in=1000, rows_out=1000 - sum(left.values()), filtered=sum(left.values()))
            took = seconds[unit] / task.shards
            outcome = Outcome(task=task.key, status="done", seconds=took, rows=rows, leaving=left)
            step(task.key, took, outcome.model_dump(mode="json"))
        route = "enhance" if number < rounds - 1 else ("publish" if status == "published" else "fail")
        verdict = {
            "quality": Quality(overall=quality[min(number, len(quality) - 1)]).model_dump(),
            "violations": violations or [],
        }
        step(f"gate/{number}", 0.5, {"route": route, "verdict": verdict})
    step("publish" if status == "published" else "close/1", 1.0, {"records": {}})
    run = Run(
        run_id=f"shop-{id(steps)}",
        pipeline="shop",
        spec=spec.content(),
        fingerprint=spec.fingerprint,
        document=None,
        base_dir="/",
        status=status,  # type: ignore[arg-type]
        token=1,
        holder=None,
        heartbeat_at=None,
        created_at=START,
        finished_at=clock,
        report=None,
        error=None,
    )
    return History(run, steps, begun)


def advice(*histories: History, failed: list[FailedAttempt] | None = None) -> dict[str, Advice]:
    profile = Profile(spec_of_run(histories[0]), list(histories))
    timely = for_time(profile)
    gains = [case.gain_s or 0.0 for case in timely]
    assert gains == sorted(gains, reverse=True)
    return {case.kind: case for case in [*timely, *for_failures(profile.spec, failed or [])]}


def spec_of_run(history: History) -> PipelineSpec:
    return PipelineSpec.model_validate(history.run.spec)


def test_the_time_of_a_run_is_spent_on_the_steps_that_others_had_to_wait_for() -> None:
    """One after the other, that is all of them."""
    assert spent(recorded(spec_of())) == pytest.approx({**SECONDS, "plan": 1.0, "gate": 0.5, "publish": 1.0})


def test_what_runs_beside_a_longer_task_costs_no_time() -> None:
    history = recorded(spec_of())
    beside = history.steps["ingestion/products/0"]
    long = history.steps["ingestion/orders/0"]
    moved = beside.model_copy(
        update={"started_at": long.started_at, "finished_at": long.started_at + timedelta(seconds=1)}
    )
    second = timedelta(seconds=1)
    after = [
        step.model_copy(update={"started_at": step.started_at - second, "finished_at": step.finished_at - second})
        if step.finished_at and step.started_at >= beside.started_at
        else step
        for step in history.steps.values()
        if step.key != beside.key
    ]
    found = spent(History(history.run, [*after, moved], history.rounds))
    assert "ingestion/products" not in found
    assert sum(found.values()) == pytest.approx(sum(SECONDS.values()) - 1.0 + 2.5)


def test_the_profile_has_medians_over_the_runs() -> None:
    """One slow run does not change what is typical."""
    slow = {**SECONDS, "ingestion/orders": 100.0}
    spec = spec_of()
    profile = Profile(spec, [recorded(spec), recorded(spec, seconds=slow), recorded(spec)])
    assert profile.units["ingestion/orders"].seconds == pytest.approx(4.0)
    assert next(iter(profile.spent())) == "enrichment/orders"
    assert profile.run_s == pytest.approx(sum(SECONDS.values()) + 2.5)
    assert profile.units["enrichment/orders"].shards == 1


def test_waiting_is_what_lies_between_being_ready_and_beginning() -> None:
    """All tasks ran one after the other, so the ingestion of products waited for that of orders."""
    history = recorded(spec_of())
    assert history.wait("ingestion/orders/0") == pytest.approx(0.0)
    assert history.wait("ingestion/products/0") == pytest.approx(4.0)
    assert history.wait("transformation/orders/0") == pytest.approx(1.0)
    assert history.wait("nothing/0") is None


def test_more_shards_are_advised_with_what_a_schedule_of_the_measured_seconds_would_gain() -> None:
    """Now, two at a time, orders' ingestion 4, validation 3, transformation 5, enrichment 11 and aggregation 2 follow
    each other: 25 s. In more shards, each costs the 1 s that a task costs at least, and its part of the rest."""
    spec = spec_of()
    case = advice(*[recorded(spec)] * 3)["complexity"]
    assert case.change == "complexity: complex"
    assert case.evidence == {"level": "simple", "tasks": 7, "branches": 2, "first_round_s": 25.0}
    other = make_plan(spec.model_copy(update={"complexity": "complex"}), found())
    seconds = makespan(other.tasks, lambda t: 1 + (SECONDS[f"{t.stage}/{t.dataset}"] - 1) / t.shards, 2)
    assert case.gain_s == pytest.approx(25.0 - seconds, abs=0.001)
    assert seconds < 25.0


def test_more_branches_are_advised_only_where_tasks_waited_for_one() -> None:
    """One at a time takes 27 s; with a second branch the products are done beside the orders, and it takes 25."""
    spec = spec_of()
    case = advice(*[recorded(spec, branches=1)] * 3)["branches"]
    assert case.gain_s == pytest.approx(2.0)
    assert case.change.endswith("for 2 branches")
    assert case.evidence["branches"] == 1
    assert "branches" not in advice(*[recorded(spec, branches=2)] * 3)


def test_a_filter_on_columns_of_the_source_is_advised_to_come_first() -> None:
    """It removes 400 of 1,000 rows; before it come the derivation (4 s beyond the fixed one) and the join, which is one
    of two rules of its stage (10 s): 0.4 x (4 + 5) s."""
    label = "filtered:filter(state <> 'void')"
    case = advice(*[recorded(spec_of(), leaving={"enrichment/orders": {label: 400}})] * 3)["filter_earlier"]
    assert case.change == "put filter(state <> 'void') first in transformation.orders"
    assert case.evidence == {"rows": 1000, "filtered": 400, "rules_before": 2}
    assert case.gain_s == pytest.approx(0.4 * (4.0 + 5.0))
    assert "filter_earlier" not in advice(*[recorded(spec_of(), leaving={"enrichment/orders": {label: 10}})] * 3)


@pytest.mark.parametrize("where", ["category <> 'x'", "net > 1"])
def test_a_filter_on_what_rules_have_made_stays_where_it_is(where: str) -> None:
    spec = spec_of(SPEC.replace("state <> 'void'", where))
    label = f"filtered:filter({where})"
    assert "filter_earlier" not in advice(*[recorded(spec, leaving={"enrichment/orders": {label: 400}})] * 3)


def test_a_filter_stays_behind_a_rule_that_looks_at_several_rows() -> None:
    """Which of the copies is kept would change."""
    spec = spec_of(SPEC.replace("[{rule: derive", "[{rule: deduplicate, columns: [id]}, {rule: derive"))
    label = "filtered:filter(state <> 'void')"
    assert "filter_earlier" not in advice(*[recorded(spec, leaving={"enrichment/orders": {label: 400}})] * 3)


def test_columns_that_nothing_reads_are_advised_to_be_left_out() -> None:
    """One of five, of ingestion (3 s beyond the fixed one) and validation (2 s): 1 s. What a check reads is read."""
    case = advice(*[recorded(spec_of())] * 3)["unused_columns"]
    assert case.change == "leave note out of sources.orders.columns"
    assert case.gain_s == pytest.approx(1.0)
    checked = spec_of(SPEC + "validation: {orders: [{check: not_null, column: note}]}")
    assert "unused_columns" not in advice(*[recorded(checked)] * 3)


def test_a_first_round_that_is_always_in_vain_is_told_with_what_it_found() -> None:
    violations = [
        {"dataset": "orders", "check": "type(amount)", "rows": 7},
        {"dataset": "orders", "check": "consistency >= 0.98", "rows": 7},
    ]
    case = advice(*[recorded(spec_of(), rounds=2, violations=violations)] * 3)["first_pass"]
    once = ("ingestion/orders", "ingestion/products", "validation/products")
    assert case.gain_s == pytest.approx(sum(seconds for unit, seconds in SECONDS.items() if unit not in once))
    assert case.evidence == {"runs": 3, "faults": {"orders type(amount)": 7}}
    assert "first_pass" not in advice(recorded(spec_of(), rounds=2), recorded(spec_of()), recorded(spec_of(), rounds=2))


def test_enhancing_is_advised_against_only_where_it_never_led_to_publication() -> None:
    spec = spec_of()
    failed = [recorded(spec, status="failed", rounds=2, quality=(0.9, 0.9))] * 3
    case = advice(*failed)["enhancements"]
    assert (case.change, case.evidence["quality_rise"]) == ("gate: {enhancements: 0}", 0.0)
    assert "enhancements" not in advice(*failed, recorded(spec, rounds=2))


def test_a_key_is_advised_to_be_declared_where_a_join_failed_for_want_of_it() -> None:
    failure = Failure(
        error="RuleError", message="Dataset 'orders', rule 0 (join): 3 keys (code) stand more than once in 'products'"
    )
    attempt = FailedAttempt(run_id="shop-1", step="enrichment/orders/0", **failure.model_dump())
    case = advice(*[recorded(spec_of())] * 3, failed=[attempt])["key"]
    assert case.change == "add {check: unique, columns: [code]} to validation.products"
    assert (case.gain_s, case.evidence) == (None, {"failed": 1, "runs": ["shop-1"]})
    declared = spec_of(SPEC + "validation: {products: [{check: unique, columns: [code]}]}")
    assert "key" not in advice(*[recorded(declared)] * 3, failed=[attempt])


def test_memory_is_advised_where_tasks_failed_for_want_of_it() -> None:
    short = Failure(error="OutOfMemoryException", message="could not allocate", kind="resource")
    attempts = [FailedAttempt(run_id=f"shop-{n}", step="validation/orders/0", **short.model_dump()) for n in (1, 2)]
    case = advice(*[recorded(spec_of())] * 3, failed=attempts)["memory"]
    assert case.evidence == {"failed": 2, "tasks": ["validation/orders/0"], "runs": ["shop-1", "shop-2"]}
    assert case.gain_s is None


@given(
    needs=st.lists(st.sets(st.integers(0, 9), max_size=3), min_size=1, max_size=10),
    seconds=st.lists(st.floats(0.1, 50), min_size=10, max_size=10),
    branches=st.integers(1, 6),
)
def test_a_list_schedule_keeps_grahams_bounds(needs: list[set[int]], seconds: list[float], branches: int) -> None:
    """Never shorter than the longest path or an even spread of the work, never longer than both together."""
    tasks: list[Task] = []
    for number, wanted in enumerate(needs):
        before = tuple(tasks[n].key for n in sorted(wanted) if n < number)
        tasks.append(Task(stage=Stage.INGESTION, dataset="d", shard=number, inputs=before))
    took: Callable[[Task], float] = lambda task: seconds[task.shard]  # noqa: E731
    longest: dict[str, float] = {}
    for task in tasks:
        longest[task.key] = took(task) + max((longest[key] for key in task.needs), default=0.0)
    path, work = max(longest.values()), sum(took(task) for task in tasks)
    span = makespan(tasks, took, branches)
    assert span >= max(path, work / branches) - 1e-6
    assert span <= path * (1 - 1 / branches) + work / branches + 1e-6


def test_too_few_runs_are_no_history_and_enough_of_them_are(tmp_path: Path, database: Database) -> None:
    """Real runs: the bottleneck is a step of theirs, the seconds are theirs, and what is advised fits the document."""
    document = shop.build(tmp_path / "shop")
    for _ in range(LEAST_RUNS - 1):
        DataPipelineFlow(document, database=database).kickoff()
        # Else they would repair at once, as the first one taught them.
        for dataset in ("orders", "products"):
            Memory(database).undo(f"repair:shop/{dataset}")
    context = ToolContext(roots=(str(tmp_path),))
    early = optimize(database, context, "shop")
    assert (early.enough, early.bottleneck, early.advice, early.units) == (False, None, [], [])
    assert early.note.startswith("not enough history: of 2 runs of this version, 2 did")
    DataPipelineFlow(document, database=database).kickoff()
    found = optimize(database, context, "shop")
    assert found.enough
    assert len(found.runs) == LEAST_RUNS
    assert found.bottleneck is not None
    assert found.run_s is not None
    assert found.spent[found.bottleneck.step] == max(found.spent.values()) == found.bottleneck.seconds
    assert sum(found.spent.values()) <= found.run_s * 1.5
    assert {unit.unit for unit in found.units} >= {"validation/orders", "aggregation/orders"}
    kinds = {case.kind: case for case in found.advice}
    # The gate enhances the shop's orders every time.
    assert kinds["first_pass"].evidence["runs"] == LEAST_RUNS
    assert kinds["first_pass"].evidence["faults"]["orders type(day)"] > 0
    with pytest.raises(Refused):
        optimize(database, ToolContext(clearance="public"), "shop")  # type: ignore[arg-type]
