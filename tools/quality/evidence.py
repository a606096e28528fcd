"""The evidence of a run: every row that left, and every cell that was repaired, in two files.

`left.parquet`, one row for each row that left, in the order of dataset and row:
`dataset`, `file`, `record` (its number in the file, from 1; null for lines that are no records), `line` (for those),
`stage`, `fate`, `rule`, `reason`, `into_file` and `into_record` (for merged rows: the row merged into), `content` (the
row as it was read, whole, as JSON, or the line's text; null for filtered rows, which may be most of a dataset: they are
where `file` and `record` say, and `contents` reads them), and `_row`.

`repairs.parquet`, one row for each repaired cell, in the order of dataset, row and column:
`dataset`, `file`, `record`, `column`, `before`, `after`, `rule`, `confidence`, and `_row`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import ibis
from ibis.expr.types import IntegerValue, Table, Value

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
    datasets = sorted(name for name, history in histories.items() if history.ingested)
    files: list[str | None] = []
    for number, dataset in enumerate(datasets):
        history, first = histories[dataset], len(files)
        paths = {part.index: part.path for part in history.parts}
        files += [paths.get(index) for index in range(max(paths, default=-1) + 1)]
        gone = [(str(stage), engine.read([ref])) for stage, ref in history.left]
        idle = unreferenced(engine, history)
        if idle is not None:
            idle = engine.hold(idle)
            counts[dataset] = engine.count(idle)
            gone.append((str(Stage.ENRICHMENT), idle))
        if gone:
            left.append(_told(engine, number, first, gone, history.ingested))
        repairs += [_numbered(engine.read([ref]), number, first) for ref in history.repairs]
    return Evidence(
        left=_write(engine, left, [ROW], path / "left.parquet", lambda table: _left(table, datasets, files)),
        repairs=_write(
            engine, repairs, [ROW, "column"], path / "repairs.parquet", lambda table: _repaired(table, datasets, files)
        ),
        unreferenced=counts,
    )


def contents(engine: Engine, ingested: list[DatasetRef], rows: list[int]) -> dict[int, dict[str, str | None]]:
    """Some rows of a dataset, by `_row`, as they were read: the text of each cell by its column."""
    read = engine.read(ingested)
    found = read.filter(read[ROW].isin(rows))
    texts = {name: found[name].cast("string") for name in read.columns if name != ROW}
    return {row.pop(ROW): row for row in engine.rows(found.select(found[ROW], **texts))}


def _write(
    engine: Engine, tables: list[Table], order: list[str], path: Path, spelled: Callable[[Table], Table]
) -> DatasetRef | None:
    if not tables:
        return None
    table = ibis.union(*tables) if len(tables) > 1 else tables[0]
    # Sorted while it is told in numbers: names that stand in every row are much to be carried about. What has a name of
    # its own is not taken together with what comes after it.
    return engine.write(spelled(table.order_by("_dataset", *order).alias("ordered")), path)


def _told(engine: Engine, number: int, first: int, gone: list[tuple[str, Table]], ingested: list[DatasetRef]) -> Table:
    """The departures of all stages of the dataset of this number, with the content of each row.

    `first` is the number of its first file.
    """
    staged = [table.mutate(stage=ibis.literal(stage)) for stage, table in gone]
    left = ibis.union(*staged) if len(staged) > 1 else staged[0]
    left = left.mutate(_kept=ibis.ifelse(left["fate"] == str(Fate.FILTERED), ibis.null("int64"), left[ROW]))
    read = engine.read(ingested)
    cells = {f"_cell_{index}": column for index, column in enumerate(name for name in read.columns if name != ROW)}
    contents = read.rename(cells, _read=ROW)
    place = left.left_join(contents, left["_kept"] == contents["_read"])
    content = ibis.ifelse(place["_kept"].notnull(), _json(place, cells), ibis.null("string"))
    columns = {name: place[name] for name in ("stage", "fate", "rule", "reason", "into")}
    told = place.select(**columns, content=ibis.coalesce(place["record"], content), **{ROW: place[ROW]})
    return _numbered(told, number, first)


def _numbered(table: Table, number: int, first: int) -> Table:
    """With the numbers of the dataset and of its first file."""
    return table.mutate(_dataset=ibis.literal(number, "int64"), _first=ibis.literal(first, "int64"))


def _left(table: Table, datasets: list[str], files: list[str | None]) -> Table:
    return table.select(
        **_place(table, datasets, files),
        line=unreadable_line_of(table[ROW]),
        stage=table["stage"],
        fate=table["fate"],
        rule=table["rule"],
        reason=table["reason"],
        into_file=_named(files, table["_first"] + file_of(table["into"])),
        into_record=record_of(table["into"]),
        content=table["content"],
        **{ROW: table[ROW]},
    )


def _repaired(table: Table, datasets: list[str], files: list[str | None]) -> Table:
    told = {name: table[name] for name in ("column", "before", "after", "rule", "confidence")}
    return table.select(**_place(table, datasets, files), **told, **{ROW: table[ROW]})


def _place(table: Table, datasets: list[str], files: list[str | None]) -> dict[str, Value]:
    return {
        "dataset": _named(datasets, table["_dataset"]),
        "file": _named(files, table["_first"] + file_of(table[ROW])),
        "record": record_of(table[ROW]),
    }


def _named(names: Sequence[str | None], number: IntegerValue) -> Value:
    return ibis.literal(names, type="array<string>")[number.cast("int32")]


def _json(table: Table, cells: dict[str, str]) -> Value:
    """The cells as JSON text, each under its column's name."""
    values = {column: table[cell].cast("string") for cell, column in cells.items()}
    return ibis.struct(values).cast("json").cast("string")
