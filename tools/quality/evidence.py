"""The evidence of a run: every row that left, and every cell that was repaired, in two files.

`left.parquet`, one row for each row that left, in the order of dataset and row:
`dataset`, `file`, `record` (its number in the file, from 1; null for lines that are no records), `line` (for those),
`stage`, `fate`, `rule`, `reason`, `into_file` and `into_record` (for merged rows: the row merged into), `content` (the
row as it was read, whole, as JSON, or the line's text; null for filtered rows, which may be most of a dataset: they are
where `file` and `record` say, and `contents` reads them), and `_row`.

`repairs.parquet`, one row for each repaired cell, in the order of dataset, row and column:
`dataset`, `file`, `record`, `column`, `before`, `after`, `rule`, `confidence`, and `_row`.
"""

from dataclasses import dataclass, field
from pathlib import Path

import ibis
import pyarrow as pa
from ibis.expr.types import Table, Value

from core.dataset import DatasetRef
from core.task import Fate, Stage
from tools.engine.engine import Engine
from tools.engine.rowid import ROW, file_of, record_of, unreadable_line_of
from tools.quality.departure import departures
from tools.sources import Part

UNREFERENCED = "unreferenced"


@dataclass
class History:
    """What is on file about one dataset: the parts that were read of its source, its rows as read, who left at which
    stage, repairs.

    For a dataset that is not the result, `available` are its rows at the end, and `used` those that rows of the result
    found there; the others reached no result. For the result, and where none is published, both are None.
    """

    parts: list[Part]
    ingested: list[DatasetRef]
    left: list[tuple[Stage, DatasetRef]] = field(default_factory=list)
    repairs: list[DatasetRef] = field(default_factory=list)
    available: list[DatasetRef] | None = None
    used: list[DatasetRef] | None = None


@dataclass(frozen=True)
class Evidence:
    """References to the two files (None where there is nothing to tell), and the count of unreferenced rows."""

    left: DatasetRef | None
    repairs: DatasetRef | None
    unreferenced: dict[str, int]


def unreferenced(engine: Engine, history: History) -> Table | None:
    """The rows of a looked-up dataset that no row of a result found, as departures."""
    if history.available is None:
        return None
    rows = engine.read(history.available)
    if not history.used:
        return departures(rows, Fate.FILTERED, UNREFERENCED, "its dataset is there for its keys, and reaches no result")
    rows = rows.anti_join(engine.read(history.used), ROW)
    return departures(rows, Fate.FILTERED, UNREFERENCED, "no row that reached the result refers to it")


def write_evidence(engine: Engine, histories: dict[str, History], path: Path) -> Evidence:
    """Write the two files into the folder `path`."""
    left: list[Table] = []
    repairs: list[Table] = []
    counts: dict[str, int] = {}
    for dataset, history in sorted(histories.items()):
        if not history.ingested:
            continue
        files = engine.table(
            pa.table(
                {
                    "_file": [part.index for part in history.parts],
                    "file": [part.path for part in history.parts],
                }
            )
        )
        gone = [(str(stage), engine.read([ref])) for stage, ref in history.left]
        idle = unreferenced(engine, history)
        if idle is not None:
            idle = engine.hold(idle)
            counts[dataset] = engine.count(idle)
            gone.append((str(Stage.ENRICHMENT), idle))
        if gone:
            left.append(_told(engine, dataset, gone, files, history.ingested))
        repairs += [_located(engine.read([ref]), dataset, files) for ref in history.repairs]
    return Evidence(
        left=_write(engine, left, ["dataset", ROW], path / "left.parquet"),
        repairs=_write(engine, repairs, ["dataset", ROW, "column"], path / "repairs.parquet"),
        unreferenced=counts,
    )


def contents(engine: Engine, ingested: list[DatasetRef], rows: list[int]) -> dict[int, dict[str, str | None]]:
    """Some rows of a dataset, by `_row`, as they were read: the text of each cell by its column."""
    read = engine.read(ingested)
    found = read.filter(read[ROW].isin(rows))
    texts = {name: found[name].cast("string") for name in read.columns if name != ROW}
    return {row.pop(ROW): row for row in engine.rows(found.select(found[ROW], **texts))}


def _write(engine: Engine, tables: list[Table], order: list[str], path: Path) -> DatasetRef | None:
    if not tables:
        return None
    table = ibis.union(*tables) if len(tables) > 1 else tables[0]
    return engine.write(table.order_by(order), path)


def _told(
    engine: Engine, dataset: str, gone: list[tuple[str, Table]], files: Table, ingested: list[DatasetRef]
) -> Table:
    """The departures of all stages with the place that each row came from, and its content."""
    staged = [table.mutate(stage=ibis.literal(stage)) for stage, table in gone]
    left = ibis.union(*staged) if len(staged) > 1 else staged[0]
    left = left.mutate(_kept=ibis.ifelse(left["fate"] == str(Fate.FILTERED), ibis.null("int64"), left[ROW]))
    read = engine.read(ingested)
    cells = {f"_cell_{index}": column for index, column in enumerate(name for name in read.columns if name != ROW)}
    contents = read.rename(cells, _read=ROW)
    place = left.left_join(contents, left["_kept"] == contents["_read"])
    place = place.mutate(_file=file_of(place[ROW]))
    place = place.left_join(files, "_file").drop("_file_right")
    into = files.rename(into_file="file", _into_file="_file")
    place = place.left_join(into, file_of(place["into"]) == into["_into_file"])
    return place.select(
        dataset=ibis.literal(dataset),
        file=place["file"],
        record=record_of(place[ROW]),
        line=unreadable_line_of(place[ROW]),
        stage=place["stage"],
        fate=place["fate"],
        rule=place["rule"],
        reason=place["reason"],
        into_file=place["into_file"],
        into_record=record_of(place["into"]),
        content=ibis.coalesce(
            place["record"], ibis.ifelse(place["_kept"].notnull(), _json(place, cells), ibis.null("string"))
        ),
        **{ROW: place[ROW]},
    )


def _located(repairs: Table, dataset: str, files: Table) -> Table:
    placed = repairs.mutate(_file=file_of(repairs[ROW])).left_join(files, "_file")
    return placed.select(
        dataset=ibis.literal(dataset),
        file=placed["file"],
        record=record_of(placed[ROW]),
        column=placed["column"],
        before=placed["before"],
        after=placed["after"],
        rule=placed["rule"],
        confidence=placed["confidence"],
        **{ROW: placed[ROW]},
    )


def _json(table: Table, cells: dict[str, str]) -> Value:
    """The cells as JSON text, each under its column's name."""
    values = {column: table[cell].cast("string") for cell, column in cells.items()}
    return ibis.struct(values).cast("json").cast("string")
