"""What a crew is told about its task: the places that its YAML names, filled in."""

import json
from collections import Counter
from typing import Any

from core.spec import PipelineSpec
from core.task import Stage, Task
from crews.data_team.waiting import FILE, Waiting

# Reasons, texts of a column, and characters that are told at most: a model reads all of it each time.
_REASONS = 20
_TEXTS = 30
_CHARACTERS = 6_000


def inputs_for(task: Task, spec: PipelineSpec, waiting: Waiting) -> dict[str, Any]:
    """The inputs of a kickoff. What comes from the data is JSON text, so that it cannot pass for the rest."""
    texts = {column: _counted(waiting.texts(column), _TEXTS) for column in waiting.columns}
    return {
        "dataset": task.dataset,
        "stage": str(task.stage),
        "rows": waiting.rows.num_rows,
        "file": FILE,
        "reasons": _json(_counted(waiting.reasons, _REASONS)),
        "demands": _json(demands(task, spec)),
        "texts": _json(texts),
    }


def demands(task: Task, spec: PipelineSpec) -> dict[str, Any]:
    """What the stage demands of the dataset: the types and checks of its columns, or its rules."""
    content = spec.content()
    if task.stage == Stage.VALIDATION:
        types = {name: column.type for name, column in spec.sources[task.dataset].columns.items()}
        return {"types": types, "checks": content["validation"].get(task.dataset, [])}
    return {"rules": content[str(task.stage)][task.dataset]}


def _counted(of: Counter[str], most: int) -> dict[str, int]:
    shown = dict(of.most_common(most))
    more = len(of) - len(shown)
    return {**shown, f"({more} others)": sum(of.values()) - sum(shown.values())} if more else shown


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=1)
    return text if len(text) <= _CHARACTERS else f"{text[:_CHARACTERS]} (and more)"
