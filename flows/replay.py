"""Replay: what a run quarantined, as a source to be read again."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow.parquet as pq
from pydantic import BaseModel

from core import run as runs
from core.dataset import DatasetRef
from core.errors import InputError
from core.store.database import Database
from core.task import Fate
from flows.closing import closed


class Replay(BaseModel):
    """What was written. `lines` counts quarantined lines that are no records, and so were left out."""

    run_id: str
    dataset: str
    path: str
    rows: int
    lines: int


def write_quarantined(database: Database, run_id: str, out: Path, dataset: str | None = None) -> Replay:
    """Write the quarantined rows of a dataset to `out`, as they came from their source, in its order.

    Raises RunNotFound; InputError if the run has not come to its end, if there is no such row, or if it is not clear
    whose rows are meant.
    """
    if out.suffix not in _WRITERS:
        raise InputError(f"'{out}' is of no kind that can be written.", remedy=f"End it in {' or '.join(_WRITERS)}.")
    left = closed(database, runs.get(database, run_id)).left
    having = sorted({row["dataset"] for row in _quarantined(left)})
    if not having or dataset not in (None, *having):
        whose = f" of '{dataset}'" if dataset else ""
        raise InputError(
            f"Run {run_id} quarantined no row{whose}.", remedy=f"It did of {', '.join(having)}." if having else ""
        )
    if dataset is None and len(having) > 1:
        raise InputError(f"Run {run_id} quarantined rows of {', '.join(having)}.", remedy="Name one with --dataset.")
    chosen = dataset or having[0]
    rows = lines = 0
    with out.open("w", encoding="utf-8", newline="") as file:
        write = _WRITERS[out.suffix](file)
        for row in _quarantined(left):
            if row["dataset"] == chosen and row["line"] is None:
                write(row["content"])
                rows += 1
            elif row["dataset"] == chosen:
                lines += 1
    return Replay(run_id=run_id, dataset=chosen, path=str(out), rows=rows, lines=lines)


def _quarantined(left: DatasetRef | None) -> Iterator[dict[str, Any]]:
    for path in left.paths if left else ():
        for batch in pq.ParquetFile(path).iter_batches(columns=["dataset", "line", "fate", "content"]):
            yield from (row for row in batch.to_pylist() if row["fate"] == str(Fate.QUARANTINED))


def _json_lines(file: TextIO) -> Callable[[str], object]:
    return lambda content: file.write(content + "\n")


def _csv(file: TextIO) -> Callable[[str], None]:
    writer = csv.writer(file, lineterminator="\n")
    header: list[str] = []

    def write(content: str) -> None:
        record = json.loads(content)
        if not header:
            header.extend(record)
            writer.writerow(header)
        writer.writerow([record[name] for name in header])

    return write


# A row's content is an object of its columns, each as the text that it came as.
_WRITERS: dict[str, Callable[[TextIO], Callable[[str], object]]] = {".csv": _csv, ".jsonl": _json_lines}
