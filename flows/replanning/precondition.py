"""What a round needs, looked at before it begins: its sources as they were planned, and what earlier rounds wrote."""

import os
from collections.abc import Iterable, Mapping

from core.dataset import DatasetRef
from core.errors import SourceError
from core.task import Outcome, Stage, Task
from tools.engine.files import refresh
from tools.orchestration.requirements import Plan


def unmet(plan: Plan, tasks: Iterable[Task], outcomes: Mapping[str, Outcome]) -> list[str]:
    """What does not hold of what the tasks that are not done need, a line for each."""
    found: list[str] = []
    done = {key for key, outcome in outcomes.items() if outcome.status == "done"}
    for task in tasks:
        if task.key in done:
            continue
        if task.stage == Stage.INGESTION:
            found += _sources(plan, task)
        found += [
            f"{task.place} needs {path}, which {key} wrote, and which is gone"
            for key in sorted(task.needs & done)
            for path in _files(outcomes[key].output)
            if not os.path.exists(path)
        ]
    return list(dict.fromkeys(found))


def _sources(plan: Plan, task: Task) -> Iterable[str]:
    parts = plan.parts[task.dataset]
    own = parts[task.shard * len(parts) // task.shards : (task.shard + 1) * len(parts) // task.shards]
    for part in own:
        # What is no file, such as a table, has no path to look at.
        if "://" in part.path or not os.path.isabs(part.path):
            continue
        try:
            now = refresh(part)
        except (OSError, SourceError) as error:
            yield f"{task.place} needs {part.path}, which cannot be looked at: {error}"
            continue
        if now is None:
            yield f"{task.place} needs {part.path}, which is gone"
        elif now != part:
            yield f"{task.place} needs {part.path} as it was planned, and it has changed"


def _files(output: DatasetRef | None) -> tuple[str, ...]:
    return (*output.paths, *output.without, *output.ids) if output else ()
