"""A task whose rows are worked on in pieces, one after the other, for want of memory: its outcome is that of all."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.dataset import DatasetRef
from core.task import Outcome, RowCount, Task, Violation
from crews import Agent, Work


def in_pieces(agent: Agent, task: Task, work: Work, pieces: int) -> Outcome:
    """The agent's outcome of the task, of whose rows it sees only a part at a time. Raises as the agent does."""
    done = []
    for number in range(pieces):
        path = work.path / f"piece-{number}"
        path.mkdir(parents=True, exist_ok=True)
        piece = task.model_copy(update={"shard": task.shard * pieces + number, "shards": task.shards * pieces})
        done.append(agent.perform(piece, replace(work, path=path)))
    first = done[0]
    others = {name for outcome in done for name in outcome.used}
    return first.model_copy(
        update={
            "task": task.key,
            "rows": RowCount(**{name: sum(getattr(one.rows, name) for one in done) for name in RowCount.model_fields}),
            "output": _together(one.output for one in done),
            "left": _together(one.left for one in done),
            "repairs": _together(one.repairs for one in done),
            "used": {name: ref for name in sorted(others) if (ref := _together(o.used.get(name) for o in done))},
            "faults": dict(sum((Counter(one.faults) for one in done), Counter())),
            "leaving": dict(sum((Counter(one.leaving) for one in done), Counter())),
            "violations": _counted([violation for one in done for violation in one.violations]),
            "notes": list(dict.fromkeys(note for one in done for note in one.notes)),
        }
    )


def _together(refs: Iterable[DatasetRef | None]) -> DatasetRef | None:
    """The files of all as one set of rows."""
    there = [ref for ref in refs if ref is not None]
    if not there:
        return None
    return there[0].model_copy(
        update={
            "rows": sum(ref.rows for ref in there),
            **{name: tuple(p for ref in there for p in getattr(ref, name)) for name in ("paths", "without", "ids")},
        }
    )


def _counted(violations: Sequence[Violation]) -> list[Violation]:
    """One of each check, with the rows of all pieces."""
    found: dict[tuple[object, ...], Violation] = {}
    for one in violations:
        key = (one.check, one.dataset, one.dimension, one.severity, one.handled)
        rows = (found[key].rows or 0) + (one.rows or 0) if key in found else one.rows
        found[key] = one.model_copy(update={"rows": rows})
    return list(found.values())
