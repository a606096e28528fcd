"""What a round needs, looked at before it begins: sources as planned, what earlier rounds wrote, means, quality."""

import math
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence

import psutil

from core.dataset import DatasetRef
from core.errors import SourceError
from core.task import Outcome, Stage, Task
from flows.replanning.changes import Analysis, Want
from flows.session import Session
from flows.terms import limits_of
from graphs.planning.replanning import Kind
from tools.engine.files import refresh
from tools.orchestration.requirements import Plan
from tools.sources import Part

# What a task holds in memory is about so many times as large as the files that it reads, which are compressed.
_GROWTH = 4

_KINDS: dict[Want, Kind] = {"quality": "data", "room": "resource", "files": "data"}


def unmet(
    session: Session,
    plan: Plan,
    tasks: Sequence[Task],
    outcomes: Mapping[str, Outcome],
    short: Mapping[str, Sequence[str]],
    *,
    alone: bool,
    width: int,
) -> list[Analysis]:
    """What does not hold of what the tasks that are not done need, of which `width` run at a time, or one `alone`.

    `short` has the datasets that fell short of what the gate asks when it was last passed, and in what.
    """
    done = {key for key, outcome in outcomes.items() if outcome.status == "done"}
    left = [task for task in tasks if task.key not in done]
    found = [*_sources(plan, left), *_files(left, outcomes, done)]
    ready = [task for task in left if task.needs <= done]
    found += [*_resources(session, plan, ready, outcomes, alone=alone, width=width), *_quality(left, short)]
    return list(dict.fromkeys(found))


def _lacks(task: Task, want: Want, reason: str) -> Analysis:
    kind: Kind = _KINDS.get(want) or want  # type: ignore[assignment]  # all other wants are kinds
    return Analysis(
        task=task.key, place=task.place, kind=kind, want=want, error="", reason=f"{task.place} needs {reason}"
    )


def _sources(plan: Plan, tasks: Iterable[Task]) -> Iterator[Analysis]:
    for task in tasks:
        parts = plan.parts_of(task) if task.stage == Stage.INGESTION else []
        if found := [f"{part.path}{trouble}" for part in parts if (trouble := _trouble(part))]:
            yield _lacks(task, "data", "; ".join(found))


def _trouble(part: Part) -> str:
    """Why a part is not there as it was planned; nothing, if it is."""
    # What is no file, such as a table, has no path to look at.
    if "://" in part.path or not os.path.isabs(part.path):
        return ""
    try:
        now = refresh(part)
    except (OSError, SourceError) as error:
        return f", which cannot be looked at: {error}"
    if now is None:
        return ", which is gone"
    return "" if now == part else " as it was planned, and it has changed"


def _files(tasks: Iterable[Task], outcomes: Mapping[str, Outcome], done: set[str]) -> Iterator[Analysis]:
    for task in tasks:
        for key in sorted(task.needs & done):
            for path in _paths(outcomes[key].output):
                if not os.path.exists(path):
                    # Who wrote it is done, and nothing is done twice.
                    yield _lacks(task, "files", f"{path}, which {key} wrote, and which is gone")


def _resources(
    session: Session, plan: Plan, ready: Sequence[Task], outcomes: Mapping[str, Outcome], *, alone: bool, width: int
) -> Iterator[Analysis]:
    """Memory for the largest tasks that may run at once, and room on the disk for what all of them write."""
    sizes = {task.key: _bytes(plan, task, outcomes) for task in ready}
    largest = sorted(ready, key=lambda task: -sizes[task.key])
    if not largest:
        return
    memory = sum(
        min(_GROWTH * sizes[task.key] / 2**20, limits_of(session, task, alone=alone).memory_mb)
        for task in largest[: 1 if alone else width]
    )
    free = psutil.virtual_memory().available / 2**20
    if memory > free:
        yield _lacks(
            largest[0],
            "resource",
            f"{math.ceil(memory):,} MB of memory with what runs beside it; {int(free):,} are free",
        )
    room, left = sum(sizes.values()) / 2**20, shutil.disk_usage(session.ledger.root.parent).free / 2**20
    if room > left:
        yield _lacks(
            largest[0], "room", f"{math.ceil(room):,} MB of disk with what runs beside it; {int(left):,} are free"
        )


def _quality(tasks: Iterable[Task], short: Mapping[str, Sequence[str]]) -> Iterator[Analysis]:
    """Data as good as the gate asks: else what is made of it would be made again."""
    later = [task for task in tasks if task.stage not in (Stage.INGESTION, Stage.VALIDATION)]
    for dataset, asked in short.items():
        if first := next((task for task in later if task.dataset == dataset), None):
            told = f"{dataset} with {', '.join(asked)}, as the gate asks, and it falls short of that"
            yield _lacks(first, "quality", told)


def _bytes(plan: Plan, task: Task, outcomes: Mapping[str, Outcome]) -> int:
    """The size of the files that a task reads, whose share of them is its shard's."""
    if task.stage == Stage.INGESTION:
        return sum(part.size for part in plan.parts_of(task))
    paths = [path for key in task.inputs for path in _paths(outcomes[key].output)]
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) // task.shards


def _paths(output: DatasetRef | None) -> tuple[str, ...]:
    return (*output.paths, *output.without, *output.ids) if output else ()
