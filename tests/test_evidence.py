"""The evidence of a run: who left is told with place, reason and content; who was repaired with before and after."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.expr.types import Table

from core.dataset import DatasetRef
from core.task import Fate, Stage
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW, file_of, first_row, record_of, unreadable_line_of, unreadable_row
from tools.quality.departure import departures, record, unreadable
from tools.quality.evidence import UNREFERENCED, History, write_evidence
from tools.quality.repair import changes
from tools.sources import Part

PARTS = [Part(index=i, path=f"/data/{name}", size=1, modified="") for i, name in enumerate(["1.csv", "it's 2.csv"])]
SECOND = first_row(1)
COLUMNS = {"id": "string", "amount": "money"}
LEFT = "dataset file record line stage fate rule reason into_file into_record content _row"
REPAIRS = "dataset file record column before after rule confidence _row"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


@pytest.fixture
def orders(engine: Engine, tmp_path: Path) -> History:
    """Five records of two files, of which nobody has left."""
    cells = [(1, ("a", None)), (2, ('say "b"\n', 2)), (3, (None, 3)), (SECOND + 1, ("d", 4)), (SECOND + 2, ("é", 5))]
    ingested = engine.write(tables.numbered(engine, COLUMNS, cells), tmp_path / "ingested.parquet")
    return History(parts=PARTS, ingested=[ingested])


def left(engine: Engine, table: Table, path: Path) -> DatasetRef:
    ref, _ = record(engine, [table], path)
    assert ref is not None
    return ref


def gone(engine: Engine, rows: list[int], fate: Fate, rule: str, reason: str, into: int | None = None) -> Table:
    table = tables.numbered(engine, {}, [(row, ()) for row in rows])
    return departures(table, fate, rule, reason, None if into is None else ibis.literal(into).cast("int64"))


def told(ref: DatasetRef | None) -> list[dict[str, Any]]:
    assert ref is not None
    return pq.ParquetFile(ref.paths[0]).read().to_pylist()


def test_every_departed_row_is_told_with_its_place_its_reason_and_its_content(
    engine: Engine, tmp_path: Path, orders: History
) -> None:
    lines = [(unreadable_row(1, 3), "line 3: 1 value where there should be 2", 'torn "line\\')]
    orders.left = [
        (Stage.INGESTION, left(engine, unreadable(engine, lines), tmp_path / "a")),
        (Stage.VALIDATION, left(engine, gone(engine, [2], Fate.QUARANTINED, "r", "bad"), tmp_path / "b")),
        (Stage.VALIDATION, left(engine, gone(engine, [SECOND + 1], Fate.MERGED, "u", "a copy", 1), tmp_path / "c")),
        (Stage.TRANSFORMATION, left(engine, gone(engine, [1], Fate.FILTERED, "f", "not true"), tmp_path / "d")),
    ]
    found = write_evidence(engine, {"orders": orders}, tmp_path)
    assert found.repairs is None
    assert found.unreferenced == {}
    rows = told(found.left)
    assert list(rows[0]) == LEFT.split()
    assert [tuple(row.values())[1:-2] for row in rows] == [
        ("/data/1.csv", 1, None, "transformation", "filtered", "f", "not true", None, None),
        ("/data/1.csv", 2, None, "validation", "quarantined", "r", "bad", None, None),
        ("/data/it's 2.csv", 1, None, "validation", "merged", "u", "a copy", "/data/1.csv", 1),
        ("/data/it's 2.csv", None, 3, "ingestion", "quarantined", "readable", lines[0][1], None, None),
    ]
    assert {row["dataset"] for row in rows} == {"orders"}
    assert [row[ROW] for row in rows] == [1, 2, SECOND + 1, unreadable_row(1, 3)]
    # The row as it was read, whole; of a line that is no record, its text; of one that was filtered, nothing.
    assert rows[0]["content"] is None
    assert [json.loads(row["content"]) for row in rows[1:3]] == [
        {"id": 'say "b"\n', "amount": "2.00"},
        {"id": "d", "amount": "4.00"},
    ]
    assert rows[3]["content"] == 'torn "line\\'


def test_every_repaired_cell_is_told_with_its_place(engine: Engine, tmp_path: Path, orders: History) -> None:
    cells = tables.numbered(engine, {"old": "string", "new": "string"}, [(SECOND + 2, (" e", "é")), (1, ("n/a", None))])
    listed = changes(cells, "id", cells["old"], cells["new"], ibis.literal("trim"), ibis.literal(0.5))
    amount = changes(
        cells.filter(cells[ROW] == 1), "amount", cells["old"], cells["new"], ibis.literal("nothing"), ibis.literal(1)
    )
    orders.repairs = [engine.write(listed, tmp_path / "a"), engine.write(amount, tmp_path / "b")]
    found = write_evidence(engine, {"orders": orders}, tmp_path)
    assert found.left is None
    assert told(found.repairs) == [
        dict(zip(REPAIRS.split(), row, strict=True))
        for row in [
            ("orders", "/data/1.csv", 1, "amount", "n/a", None, "nothing", 1.0, 1),
            ("orders", "/data/1.csv", 1, "id", "n/a", None, "trim", 0.5, 1),
            ("orders", "/data/it's 2.csv", 2, "id", " e", "é", "trim", 0.5, SECOND + 2),
        ]
    ]


def test_where_nobody_left_there_is_no_file(engine: Engine, tmp_path: Path, orders: History) -> None:
    found = write_evidence(engine, {"orders": orders, "never read": History(parts=[], ingested=[])}, tmp_path)
    assert (found.left, found.repairs, found.unreferenced) == (None, None, {})
    assert not (tmp_path / "left.parquet").exists()


def looked_up(engine: Engine, folder: Path, available: list[int], used: list[list[int]]) -> History:
    """A dataset of four records, of which these came to its end, and these were found by rows of others."""
    cells = [(n, (f"p{n}", n)) for n in range(1, 5)]
    ingested = engine.write(tables.numbered(engine, COLUMNS, cells), folder / "read")

    def ids(rows: list[int], path: Path) -> DatasetRef:
        return engine.write(tables.numbered(engine, {}, [(row, ()) for row in rows]), path)

    return History(
        parts=PARTS[:1],
        ingested=[ingested],
        left=[(Stage.VALIDATION, left(engine, gone(engine, [4], Fate.QUARANTINED, "r", "bad"), folder / "left"))],
        available=[ids(available, folder / "available")],
        used=[ids(rows, folder / f"used-{i}") for i, rows in enumerate(used)],
    )


@pytest.mark.parametrize(
    ("used", "idle"),
    [([[1, 2, 3]], []), ([[2], [2]], [1, 3]), ([[1], [3]], [2]), ([[]], [1, 2, 3]), ([], [1, 2, 3])],
)
def test_rows_that_were_looked_up_by_nobody_are_told_as_unreferenced(
    engine: Engine, tmp_path: Path, used: list[list[int]], idle: list[int]
) -> None:
    """Several tasks may have found the same row. A row that left before is told once, for the reason it left for."""
    found = write_evidence(engine, {"products": looked_up(engine, tmp_path, [1, 2, 3], used)}, tmp_path)
    assert found.unreferenced == {"products": len(idle)}
    rows = told(found.left)
    assert [(row[ROW], row["rule"]) for row in rows] == [*((n, UNREFERENCED) for n in idle), (4, "r")]
    for row in rows[:-1]:
        assert (row["stage"], row["fate"]) == ("enrichment", "filtered")
        assert (row["file"], row["record"], row["content"]) == ("/data/1.csv", row[ROW], None)


def test_the_evidence_of_several_datasets_is_one_file_in_their_order(
    engine: Engine, tmp_path: Path, orders: History
) -> None:
    """Also where they have other columns: the content is JSON. And their ids, which are alike, do not mix."""
    orders.left = [(Stage.VALIDATION, left(engine, gone(engine, [1], Fate.QUARANTINED, "f", "x"), tmp_path / "o"))]
    ingested = engine.write(tables.numbered(engine, {"code": "integer"}, [(1, (7,))]), tmp_path / "n")
    customers = History(parts=PARTS[1:], ingested=[ingested])
    customers.parts[0] = customers.parts[0].model_copy(update={"index": 0})
    customers.left = [(Stage.VALIDATION, left(engine, gone(engine, [1], Fate.MERGED, "f", "y"), tmp_path / "c"))]
    found = write_evidence(engine, {"orders": orders, "customers": customers}, tmp_path)
    assert [(row["dataset"], row["file"], row["content"]) for row in told(found.left)] == [
        ("customers", "/data/it's 2.csv", '{"code":"7"}'),
        ("orders", "/data/1.csv", '{"id":"a","amount":null}'),
    ]


def test_departures_are_counted_by_fate_and_rule(engine: Engine, tmp_path: Path) -> None:
    both = [gone(engine, [3, 1], Fate.FILTERED, "f", "x"), gone(engine, [2], Fate.MERGED, "f", "y", 1)]
    ref, counts = record(engine, both, tmp_path / "left")
    assert counts == {"filtered:f": 2, "merged:f": 1}
    assert [(row[ROW], row["into"]) for row in told(ref)] == [(1, None), (2, 1), (3, None)]
    assert record(engine, [], tmp_path / "none") == (None, {})
    assert record(engine, [gone(engine, [], Fate.FILTERED, "f", "x")], tmp_path / "none") == (None, {})
    assert not (tmp_path / "none").exists()


TEXT = st.none() | st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)


@settings(max_examples=40, derandomize=True)
@given(cells=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=8), data=st.data())
def test_the_content_of_every_departed_row_is_the_row_as_it_was_read(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[tuple[str | None, str | None]],
    data: st.DataObject,
) -> None:
    """Whatever letters it holds, so that it can be replayed; and each row is told once."""
    folder = tmp_path_factory.mktemp("evidence")
    leaving = data.draw(st.sets(st.sampled_from(range(1, len(cells) + 1)), min_size=1))
    columns = {"a": "string", "odd \"name'": "string"}
    history = History(
        parts=PARTS,
        ingested=[engine.write(tables.table(engine, columns, cells), folder / "read")],
        left=[
            (Stage.VALIDATION, left(engine, gone(engine, sorted(leaving), Fate.QUARANTINED, "r", "x"), folder / "gone"))
        ],
    )
    rows = told(write_evidence(engine, {"d": history}, folder).left)
    assert [row["record"] for row in rows] == sorted(leaving)
    assert [tuple(json.loads(row["content"]).values()) for row in rows] == [cells[n - 1] for n in sorted(leaving)]
    assert [list(json.loads(row["content"])) for row in rows] == [list(columns)] * len(rows)


@pytest.mark.parametrize(
    ("row", "file", "number", "line"),
    [
        (1, 0, 1, None),
        (first_row(0) + 2**31 - 1, 0, 2**31 - 1, None),
        (first_row(7) + 12, 7, 12, None),
        (first_row(2**30) + 1, 2**30, 1, None),
        (unreadable_row(0, 1), 0, None, 1),
        (unreadable_row(3, 2**31 - 1), 3, None, 2**31 - 1),
    ],
)
def test_a_row_id_says_the_file_and_the_record_or_line(
    engine: Engine, row: int, file: int, number: int | None, line: int | None
) -> None:
    table = engine.table(pa.table({ROW: [row]}))
    found = engine.row(
        table.select(file=file_of(table[ROW]), record=record_of(table[ROW]), line=unreadable_line_of(table[ROW]))
    )
    assert found == {"file": file, "record": number, "line": line}
    assert row < 2**63
