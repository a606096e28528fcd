"""The result of an assembled pipeline, published: at once, with evidence of who did not get there beside it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from core.dataset import DatasetRef
from core.stop import Stop
from core.task import Outcome
from graphs.assembly.order import Order
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.publication.target import check_target, exclusive, remove, stage, swap, versions_dir
from tools.transformation.commit import evidence_dir
from tools.transformation.transformation import target_place

# The version that is published, and the one before it: a reader may still be in the middle of that.
_KEPT = 2

_PREFIX = "assembled-"


def publish(
    order: Order, run_id: str, outcomes: Sequence[Outcome], path: Path, limits: Limits, stop: Stop
) -> list[str]:
    """Publish what the last stage came to, as one Parquet file in the order of the rows; return its files.

    Beside the target, under `.NAME.evidence`, stands for each stage who left there: `left-N.parquet`, whole, as the row
    came to the stage, with `_fate`, `_rule` and `_reason`. Harmless to do twice. Raises TargetError, Refused.
    """
    assert order.out is not None, "only what has a target is published"
    target = target_place(order.out, order.context)
    version = f"{_PREFIX}{run_id}"
    check_target(target)
    with exclusive(target), Engine(limits, path, stop) as engine:
        result = outcomes[-1].output
        assert result is not None, "a stage that is done has an output"
        evidence = evidence_dir(target) / version
        shutil.rmtree(evidence, ignore_errors=True)
        evidence.mkdir(parents=True)
        inputs: list[DatasetRef | None] = [None, *(outcome.output for outcome in outcomes)]
        for index, (outcome, given) in enumerate(zip(outcomes, inputs, strict=False), start=1):
            if outcome.left:
                _write_left(engine, outcome.left, given, evidence / f"left-{index}.parquet")
        rows = engine.read([result])
        visible = [name for name in rows.columns if not name.startswith("_")]
        rows = (rows.order_by(ROW) if ROW in rows.columns else rows).select(visible)
        folder = stage(engine, rows, target, version, ())
        swap(target, folder)
        _forget(target)
    return [str(file) for file in sorted(folder.rglob("*")) if file.is_file()]


def _write_left(engine: Engine, left: DatasetRef, came: DatasetRef | None, path: Path) -> None:
    """The rows that left, as they came; of files, which have no ids yet, what is told of them."""
    gone = engine.read([left])
    told = gone.select(
        **{ROW: gone[ROW], "_fate": gone["fate"], "_rule": gone["rule"], "_reason": gone["reason"]},
        _into=gone["into"],
        _record=gone["record"],
    )
    if came is not None:
        rows = engine.read([came])
        if ROW in rows.columns:
            told = told.left_join(rows, ROW).drop(f"{ROW}_right")
    engine.write(told.order_by(ROW), path)


def _forget(target: Path) -> None:
    """Remove what runs before the last ones have left; others' versions are not touched."""
    versions, evidence = (
        sorted(place.glob(f"{_PREFIX}*"), key=lambda folder: folder.stat().st_mtime)[:-_KEPT]
        for place in (versions_dir(target), evidence_dir(target))
    )
    remove(target, {folder.name for folder in versions})
    for folder in evidence:
        shutil.rmtree(folder)
