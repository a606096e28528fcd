"""From spec and sources to tasks: levels, budget, shards, order, rounds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.spec import PipelineSpec, loads
from core.spec.document import parse
from core.task import Stage
from tests import shop
from tools.orchestration.amendment import Amendment
from tools.orchestration.requirements import PROFILES, SHARES, branches, limits, make_plan, repaired, tasks_of
from tools.sources import Inspection, Part

CHAIN = """
name: chain
complexity: {complexity}
sources:
  orders: {{kind: csv, path: o, columns: {{id: string, p: string}}}}
  products: {{kind: csv, path: p, columns: {{id: string, s: string}}}}
  suppliers: {{kind: csv, path: s, columns: {{id: string, country: string}}}}
enrichment:
  orders: [{{rule: join, dataset: products, on: {{p: id}}, columns: [s, country]}}]
  products: [{{rule: join, dataset: suppliers, on: {{s: id}}, columns: [country]}}]
target: {{path: out}}
"""


def _found(rows: int, parts: int = 1) -> Inspection:
    return Inspection(parts=[Part(index=i, path=f"f{i}", size=1, modified="") for i in range(parts)], rows=rows)


def _chain(complexity: str) -> PipelineSpec:
    return loads(CHAIN.format(complexity=complexity))


@pytest.mark.parametrize(
    ("level", "tasks", "expected_s", "score", "records_per_hour"),
    [("simple", 4, 1_800, 0.3, 10_000), ("standard", 8, 3_600, 0.6, 50_000), ("complex", 15, 7_200, 0.9, 100_000)],
)
def test_levels_have_the_numbers_of_the_design(
    level: str, tasks: int, expected_s: int, score: float, records_per_hour: int
) -> None:
    """Systems F2; and the shares of the stages make a whole."""
    profile = PROFILES[level]  # type: ignore[index]
    assert (profile.tasks, profile.expected_s, profile.score, profile.records_per_hour) == (
        tasks,
        expected_s,
        score,
        records_per_hour,
    )
    assert sum(SHARES.values()) == pytest.approx(1.0)


@given(
    rows=st.integers(0, 10_000), parts=st.integers(1, 30), complexity=st.sampled_from(["simple", "standard", "complex"])
)
def test_every_plan_can_be_carried_out_in_its_order(rows: int, parts: int, complexity: str) -> None:
    """Needs come before those who need them, each place stands once, the budget is kept if there is enough to shard."""
    spec = _chain(complexity)
    plan = make_plan(
        spec, {"orders": _found(rows, parts), "products": _found(rows // 10), "suppliers": _found(rows // 100)}
    )
    seen: set[str] = set()
    for task in plan.tasks:
        assert task.needs <= seen
        assert task.key not in seen
        seen.add(task.key)
    assert {(t.stage, t.dataset) for t in plan.tasks} == {
        *((Stage.INGESTION, d) for d in spec.sources),
        *((Stage.VALIDATION, d) for d in spec.sources),
        (Stage.ENRICHMENT, "orders"),
        (Stage.ENRICHMENT, "products"),
    }
    assert len(plan.tasks) <= max(8, plan.profile.tasks)
    if rows > 20 and parts > 20:
        assert len(plan.tasks) == max(8, plan.profile.tasks)
    assert [t.priority for t in plan.tasks[:3]] == ["high"] * 3
    assert {t.priority for t in plan.tasks[3:]} == {"medium"}
    for task in plan.tasks:
        mates = [t for t in plan.tasks if (t.stage, t.dataset) == (task.stage, task.dataset)]
        assert sorted(t.shard for t in mates) == list(range(task.shards))


def test_a_stage_that_must_see_its_dataset_whole_is_not_sharded(tmp_path: Path) -> None:
    """The shop's orders have a key to be unique, and are grouped in the end."""
    spec = loads(shop.SPEC.replace("name: shop", "name: shop\ncomplexity: complex"))
    plan = make_plan(spec, {"orders": _found(1_000, 5), "products": _found(10)})
    shards = {(t.stage, t.dataset): t.shards for t in plan.tasks}
    assert shards[Stage.VALIDATION, "orders"] == shards[Stage.AGGREGATION, "orders"] == 1
    assert shards[Stage.INGESTION, "orders"] > 1
    assert shards[Stage.TRANSFORMATION, "orders"] > 1
    assert len(plan.tasks) == 15


@pytest.mark.parametrize(
    ("rows", "threads", "complexity", "shards"),
    [
        (4_000, 8, "auto", (1, 1)),
        (400_000, 8, "auto", (1, 1)),
        (1_000_000, 2, "auto", (2, 2)),
        (6_000_000, 2, "auto", (2, 2)),
        (6_000_000, 8, "auto", (4, 4)),
        (12_000_000, 2, "auto", (4, 4)),
        (60_000_000, 2, "auto", (7, 6)),
        (4_000, 8, "complex", (7, 6)),
    ],
)
def test_a_level_that_was_picked_is_spent_on_shards_that_are_worth_a_task(
    rows: int, threads: int, complexity: str, shards: tuple[int, int]
) -> None:
    """As many as run at a time, if each has rows enough, and more where each has more than a pass; one that is asked
    for is spent whole. Shards of enrichment go on with those of the transformation, where there are as many."""
    rules = [{"rule": "trim", "columns": ["x"]}]
    spec = parse(
        {
            "name": "one",
            "complexity": complexity,
            "sources": {"a": {"kind": "csv", "path": "a", "columns": {"x": "string"}}},
            "transformation": {"a": rules},
            "enrichment": {"a": rules},
            "target": {"path": "out"},
        }
    )
    plan = make_plan(spec, {"a": _found(rows)}, threads=threads)
    before, after = (
        [task for task in plan.tasks if task.stage == stage] for stage in (Stage.TRANSFORMATION, Stage.ENRICHMENT)
    )
    assert (len(before), len(after)) == shards
    keys = tuple(task.key for task in before)
    aligned = len(before) == len(after) > 1
    assert [task.aligned for task in after] == [aligned] * len(after)
    assert [task.inputs for task in after] == ([(key,) for key in keys] if aligned else [keys] * len(after))


@pytest.mark.parametrize(("rows", "level"), [(10, "standard"), (4_999_000, "standard"), (5_000_000, "complex")])
def test_auto_picks_the_level_by_size(rows: int, level: str) -> None:
    """Three sources are no longer simple."""
    plan = make_plan(_chain("auto"), {"orders": _found(rows), "products": _found(0), "suppliers": _found(0)})
    assert plan.level == level


def test_a_small_single_source_is_simple() -> None:
    """One file, few rows, few rules."""
    spec = parse(
        {
            "name": "one",
            "sources": {"a": {"kind": "csv", "path": "a", "columns": {"x": "string"}}},
            "target": {"path": "out"},
        }
    )
    assert make_plan(spec, {"a": _found(10)}).level == "simple"


def test_repair_renews_a_dataset_and_all_that_builds_on_it() -> None:
    """What does not is left as it is, and so are its outcomes."""
    plan = make_plan(_chain("standard"), {d: _found(10) for d in ("orders", "products", "suppliers")})
    tasks = repaired(plan.tasks, {"products"}, 1)
    assert {t.key for t in tasks if t.round == 1} == {
        "validation/products/0@1",
        "enrichment/products/0@1",
        "enrichment/orders/0@1",
    }
    assert [t.key for t in tasks if t.repair] == ["validation/products/0@1"]
    seen: set[str] = set()
    for task in tasks:
        assert task.needs <= seen
        seen.add(task.key)
    again = tasks_of(plan, [["products"], ["orders"]])
    assert {t.key for t in again if t.round == 2} == {"validation/orders/0@2", "enrichment/orders/0@2"}
    assert "validation/products/0@1" in {t.key for t in again}


@given(threads=st.integers(1, 128), memory=st.integers(256, 1 << 20), shards=st.integers(1, 40))
def test_shards_that_run_together_do_not_ask_for_more_than_the_machine_has(
    threads: int, memory: int, shards: int
) -> None:
    """As far as a task cannot do with less than one thread, and 128 MB."""
    for stage in Stage:
        limit = limits(stage, shards, threads, memory)
        together = min(shards, branches(threads))
        assert limit.threads * together <= max(threads * 1.5, together)
        assert limit.memory_mb <= max(128, round(memory * SHARES[stage]))


@pytest.mark.parametrize(
    ("stage", "shards", "threads"),
    [
        (Stage.INGESTION, 1, 2),
        (Stage.INGESTION, 2, 1),
        (Stage.VALIDATION, 1, 2),
        (Stage.TRANSFORMATION, 1, 1),
        (Stage.AGGREGATION, 1, 1),
    ],
)
def test_what_all_else_waits_for_gets_the_threads_that_are_idle(stage: Stage, shards: int, threads: int) -> None:
    """On a machine with two; sums of floats are left to one thread, as their order tells."""
    assert limits(stage, shards, 2, 4096).threads == threads


@given(st.lists(st.tuples(st.integers(0, 3), st.text("ab", min_size=1, max_size=2)), max_size=8), st.integers(0, 8))
def test_a_plan_is_what_was_made_with_all_amendments_since(made: list[tuple[int, str]], cut: int) -> None:
    """However they are told: at once, or as they came. Each file keeps its place, which its rows' ids tell."""
    found = {"orders": _found(10, parts=4), "products": _found(0), "suppliers": _found(0)}
    plan = make_plan(_chain("simple"), found)
    current, amendments = dict(enumerate(found["orders"].parts)), []
    for place, path in made:
        other = current[place].model_copy(update={"path": path})
        amendments.append(
            Amendment(source="orders", part=other, instead_of=current[place], names={"id": (f"{path}_id",)})
        )
        current[place] = other
    at_once = plan.amended(amendments)
    assert at_once == plan.amended(amendments[:cut]).amended(amendments[cut:])
    assert at_once.parts["orders"] == [current[place] for place in range(4)]
    assert at_once.names.get("orders", {}).get("id", ()) == tuple(f"{path}_id" for _, path in made)
    assert at_once.tasks == plan.tasks
