"""Advice on how much is done at a time, and with how much memory."""

from collections.abc import Iterator

from tools.orchestration.advice.case import WORTH, Advice, FailedAttempt
from tools.orchestration.profile import Profile
from tools.orchestration.requirements import Level, branches, make_plan
from tools.sources import Inspection

# The branches that an estimate tries.
_MOST_BRANCHES = 32


def for_complexity(profile: Profile) -> Iterator[Advice]:
    """More shards for those that take long."""
    plan, width = profile.histories[0].plan, profile.branches
    if plan is None or width is None or width == 1:
        return
    found = {name: Inspection(parts=plan.parts[name], rows=plan.rows[name]) for name in plan.parts}
    now = profile.span_s(plan.tasks, width)
    estimates: dict[Level, float] = {}
    for level in ("standard", "complex"):
        other = make_plan(profile.spec.model_copy(update={"complexity": level}), found)
        if len(other.tasks) > len(plan.tasks):
            estimates[level] = profile.span_s(other.tasks, width)
    best = min(estimates, key=lambda level: estimates[level], default=None)
    if best is None or now - estimates[best] < WORTH * profile.run_s:
        return
    yield Advice(
        kind="complexity",
        change=f"complexity: {best}",
        evidence={"level": plan.level, "tasks": len(plan.tasks), "branches": width, "first_round_s": round(now, 3)},
        gain_s=round(now - estimates[best], 3),
        formula="list schedule of the first round over the branches, now less then; a task takes the shortest task on"
        " record, and its shard's part of the rest of its stage's seconds",
        caveat="Assumes that shards are even, and that the machine bears what runs beside each other.",
    )


def for_branches(profile: Profile) -> Iterator[Advice]:
    """More tasks at a time, where tasks that could have begun had to wait."""
    width, threads = profile.branches, profile.histories[0].threads
    waited = sum(unit.wait_s or 0.0 for unit in profile.units.values())
    if width is None or threads is None or not waited:
        return
    spans = {n: profile.span_s(profile.tasks, n) for n in range(width, _MOST_BRANCHES + 1)}
    enough = min(n for n, span in spans.items() if span <= min(spans.values()) * 1.01)
    gain = spans[width] - spans[enough]
    more = next((n for n in range(threads, 8 * _MOST_BRANCHES) if branches(n) >= enough), None)
    if gain < WORTH * profile.run_s or more is None:
        return
    yield Advice(
        kind="branches",
        change=f"CREWLINE_THREADS={more}, for {enough} branches",
        evidence={"threads": threads, "branches": width, "waited_s": round(waited, 3)},
        gain_s=round(gain, 3),
        formula="list schedule of the first round over the branches, now less then, with the tasks' measured seconds",
        caveat="Only on a machine that has so many cores idle, and the memory for so many tasks.",
    )


def for_memory(failed: list[FailedAttempt]) -> Iterator[Advice]:
    """Tasks that failed for want of memory."""
    short = [attempt for attempt in failed if attempt.kind == "resource"]
    if short:
        yield Advice(
            kind="memory",
            change="more memory by CREWLINE_MEMORY_MB, or smaller shards by a higher complexity",
            evidence={
                "failed": len(short),
                "tasks": sorted({attempt.step for attempt in short}),
                "runs": sorted({attempt.run_id for attempt in short}),
            },
            caveat="Validation and aggregation see a dataset whole, and are never sharded.",
        )
