"""From the spec and the sources' true size to a plan: tasks, shards, budget (systems F2)."""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from core.schema import Schema
from core.spec import PipelineSpec
from core.task import Stage, Task
from tools.engine.limits import LEAST_MEMORY_MB, Limits
from tools.orchestration.amendment import Amendment
from tools.sources import Inspection, Part

# Shares of the machine, by stage (systems F2).
SHARES = {
    Stage.INGESTION: 0.25,
    Stage.VALIDATION: 0.15,
    Stage.TRANSFORMATION: 0.25,
    Stage.ENRICHMENT: 0.20,
    Stage.AGGREGATION: 0.15,
}

# The first tasks of a plan have high priority (systems F2).
HIGH_PRIORITY = 3

# From here on `auto` calls a pipeline standard, and complex, if it has so many rows, sources or rules.
STANDARD = {"rows": 1_000, "sources": 2, "rules": 10}
COMPLEX = {"rows": 5_000_000, "sources": 6, "rules": 60}

# Where nobody asked for a number of tasks, a dataset's rows are cut for those that can run at a time, into shards of so
# many at least: with fewer, beginning and ending a task costs more than it saves. Only what is more than an engine does
# well in one pass is cut further. Files are shards by themselves.
LEAST_ROWS = 250_000
PASS_ROWS = 3_000_000

Level = Literal["simple", "standard", "complex"]


class Profile(BaseModel):
    """What a level of complexity plans for: tasks, expected seconds, score, records per hour (systems F2)."""

    model_config = ConfigDict(frozen=True)

    tasks: int
    expected_s: int
    score: float
    records_per_hour: int


PROFILES: dict[Level, Profile] = {
    "simple": Profile(tasks=4, expected_s=1_800, score=0.3, records_per_hour=10_000),
    "standard": Profile(tasks=8, expected_s=3_600, score=0.6, records_per_hour=50_000),
    "complex": Profile(tasks=15, expected_s=7_200, score=0.9, records_per_hour=100_000),
}


class Plan(BaseModel):
    """What a run is going to do. Fixed once made, but for `amendments`: a resumed run goes on with the same plan.

    `schemas` has the columns that were found in sources whose changes are judged, by the names that the spec declares;
    `names` what was decided about those that are gone, see Surroundings. `lessons` are what the run goes by of what
    earlier ones taught, as crews.experience has it.
    """

    model_config = ConfigDict(frozen=True)

    level: Level
    tasks: list[Task]
    parts: dict[str, list[Part]]
    rows: dict[str, int]
    notes: list[str]
    schemas: dict[str, Schema] = {}
    names: dict[str, dict[str, tuple[str | None, ...]]] = {}
    lessons: list[dict[str, Any]] = []
    amendments: list[Amendment] = []

    def amended(self, amendments: Iterable[Amendment]) -> "Plan":
        """The plan with what is read otherwise from now on; what has been read stays as it is."""
        parts, names = dict(self.parts), dict(self.names)
        made = list(amendments)
        for one in made:
            parts[one.source] = [one.part if part == one.instead_of else part for part in parts[one.source]]
            before = names.get(one.source, {})
            added = {column: (*before.get(column, ()), *others) for column, others in one.names.items()}
            names[one.source] = {**before, **added}
        return self.model_copy(update={"parts": parts, "names": names, "amendments": [*self.amendments, *made]})

    @property
    def profile(self) -> Profile:
        return PROFILES[self.level]

    def parts_of(self, task: Task) -> list[Part]:
        """The parts that a task of ingestion reads."""
        parts = self.parts[task.dataset]
        return parts[task.shard * len(parts) // task.shards : (task.shard + 1) * len(parts) // task.shards]


def make_plan(spec: PipelineSpec, inspections: dict[str, Inspection], *, threads: int = 1) -> Plan:
    """Tasks for a spec over sources as they were found, on a machine with so many threads.

    The profile's number of tasks is a budget: each stage of each dataset that has work gets one task, and what is left
    is spread round-robin over the stages, as further shards of their largest dataset. A stage that must see a dataset
    whole (validation, rows to be merged, groups) is never sharded. A level that the spec asks for is spent whole; one
    that was picked here only on shards that are worth it.
    """
    rows = {name: found.rows for name, found in inspections.items()}
    level = _level(spec, rows)
    units = list(units_of(spec))
    shards = dict.fromkeys(units, 1)
    bound = {unit: _most_shards(spec, *unit, inspections) for unit in units}
    if spec.complexity == "auto":
        cut = {unit: most for unit, most in bound.items() if unit[0] != Stage.INGESTION}
        bound |= {unit: min(most, _worth(rows[unit[1]], branches(threads))) for unit, most in cut.items()}
    spare = PROFILES[level].tasks - len(units)
    while spare > 0:
        given = 0
        for stage in Stage:
            free = [unit for unit in units if unit[0] == stage and shards[unit] < bound[unit]]
            if free and given < spare:
                shards[max(free, key=lambda unit: (rows[unit[1]], unit[1]))] += 1
                given += 1
        if not given:
            break
        spare -= given
    tasks = _tasks(spec, shards)
    return Plan(
        level=level,
        tasks=[t.model_copy(update={"priority": "high"}) if i < HIGH_PRIORITY else t for i, t in enumerate(tasks)],
        parts={name: found.parts for name, found in inspections.items()},
        rows=rows,
        notes=[note for found in inspections.values() for note in found.notes],
    )


def repaired(tasks: Iterable[Task], datasets: set[str], round_: int) -> list[Task]:
    """The tasks of the next round: validation of `datasets` with repair, and all that builds on it, made anew.

    All others keep their keys, and so their outcomes.
    """
    renewed: dict[str, str] = {}
    result: list[Task] = []
    for task in tasks:
        again = task.stage == Stage.VALIDATION and task.dataset in datasets
        if again or task.needs & renewed.keys():
            new = task.model_copy(
                update={
                    "round": round_,
                    "repair": task.repair or again,
                    "inputs": tuple(renewed.get(key, key) for key in task.inputs),
                    "context": {d: tuple(renewed.get(k, k) for k in keys) for d, keys in task.context.items()},
                }
            )
            renewed[task.key] = new.key
            task = new
        result.append(task)
    return result


def tasks_of(plan: Plan, repairs: list[list[str]]) -> list[Task]:
    """The plan's tasks after some rounds of repair, given the datasets repaired in each."""
    tasks = plan.tasks
    for round_, datasets in enumerate(repairs, start=1):
        tasks = repaired(tasks, set(datasets), round_)
    return tasks


def limits(stage: Stage, shards: int, threads: int, memory_mb: int) -> Limits:
    """The limits of one of so many shards: its stage's share of the machine's threads and memory.

    Reading and checking, on which all else waits, also get the threads of shards that could run with theirs and are
    not there. Later stages do not: what several threads add up in any order, as floats, is not the same in every run.
    """
    share = SHARES[stage]
    own = max(1, round(threads * share))
    if stage in (Stage.INGESTION, Stage.VALIDATION):
        own *= max(1, branches(threads) // shards)
    return Limits(threads=own, memory_mb=max(LEAST_MEMORY_MB, round(memory_mb * share)))


def branches(threads: int) -> int:
    """How many tasks run at a time, so that their threads together are about the machine's."""
    return max(1, threads // max(1, round(threads * max(SHARES.values()))))


def _level(spec: PipelineSpec, rows: dict[str, int]) -> Level:
    if spec.complexity != "auto":
        return spec.complexity
    sizes = {
        "rows": sum(rows.values()),
        "sources": len(spec.sources),
        "rules": sum(
            len(rules) for part in (spec.validation, spec.transformation, spec.enrichment) for rules in part.values()
        ),
    }
    if any(sizes[what] >= bound for what, bound in COMPLEX.items()):
        return "complex"
    return "standard" if any(sizes[what] >= bound for what, bound in STANDARD.items()) else "simple"


Unit = tuple[Stage, str]


def units_of(spec: PipelineSpec) -> Iterable[Unit]:
    """The stages of each dataset that have work, in the order in which they can be done."""
    yield from ((Stage.INGESTION, dataset) for dataset in spec.sources)
    yield from ((Stage.VALIDATION, dataset) for dataset in _referred_first(spec))
    yield from ((Stage.TRANSFORMATION, dataset) for dataset, rules in spec.transformation.items() if rules)
    # A dataset is enriched before those that look it up.
    waiting = [dataset for dataset, rules in spec.enrichment.items() if rules]
    while waiting:
        looked_up = {d: {join.dataset for owner, _, join in spec.joins() if owner == d} for d in waiting}
        ready = [dataset for dataset in waiting if not looked_up[dataset] & set(waiting)]
        yield from ((Stage.ENRICHMENT, dataset) for dataset in ready)
        waiting = [dataset for dataset in waiting if dataset not in ready]
    if spec.aggregation:
        yield Stage.AGGREGATION, spec.aggregation.dataset


def _referred_first(spec: PipelineSpec) -> Iterable[str]:
    """The datasets in an order in which those that foreign keys refer to come first.

    Where datasets refer to each other in a circle, one goes first: its keys are looked up among the rows as they came,
    for those of the others are not validated yet.
    """
    refers = {d: {key.dataset for owner, _, key in spec.foreign_keys() if owner == d} - {d} for d in spec.sources}
    waiting = list(spec.sources)
    while waiting:
        ready = [d for d in waiting if not refers[d] & set(waiting)]
        ready = ready or [next(d for d in waiting if d in _reached(refers, d))]
        yield from ready
        waiting = [d for d in waiting if d not in ready]


def _reached(refers: dict[str, set[str]], dataset: str) -> set[str]:
    """The datasets that one refers to, by way of others too; itself, if it stands in a circle."""
    found: set[str] = set()
    frontier = set(refers[dataset])
    while frontier:
        found |= frontier
        frontier = {other for d in frontier for other in refers[d]} - found
    return found


def _most_shards(spec: PipelineSpec, stage: Stage, dataset: str, inspections: dict[str, Inspection]) -> int:
    found = inspections[dataset]
    if stage == Stage.INGESTION:
        return max(1, len(found.parts))
    if stage in (Stage.VALIDATION, Stage.AGGREGATION):
        # What a cell means may be told by the other cells of its column; and a group is made of all its rows.
        return 1
    rules = spec.transformation if stage == Stage.TRANSFORMATION else spec.enrichment
    return 1 if any(rule.whole for rule in rules[dataset]) else max(1, found.rows)


def _worth(rows: int, at_once: int) -> int:
    """How many shards of a dataset are worth a task each, of which so many run at a time."""
    return max(1, min(at_once, rows // LEAST_ROWS), rows // PASS_ROWS)


def _tasks(spec: PipelineSpec, shards: dict[Unit, int]) -> list[Task]:
    latest: dict[str, tuple[str, ...]] = {}
    tasks: list[Task] = []
    for (stage, dataset), n in shards.items():
        looked_up: dict[str, tuple[str, ...]] = {}
        if stage == Stage.VALIDATION:
            referred = {key.dataset for owner, _, key in spec.foreign_keys() if owner == dataset} - {dataset}
            looked_up = {other: latest[other] for other in sorted(referred)}
        if stage == Stage.ENRICHMENT:
            looked_up = {join.dataset: latest[join.dataset] for owner, _, join in spec.joins() if owner == dataset}
        before = latest.get(dataset, ())
        # As many shards as the stage before had are the same ones: nobody waits for others, or looks where to cut.
        aligned = stage == Stage.ENRICHMENT and n == len(before) > 1
        made = [
            Task(
                stage=stage,
                dataset=dataset,
                shard=shard,
                shards=n,
                aligned=aligned,
                inputs=before[shard : shard + 1] if aligned else before,
                context=looked_up,
            )
            for shard in range(n)
        ]
        latest[dataset] = tuple(task.key for task in made)
        tasks += made
    return tasks
