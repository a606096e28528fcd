"""Sources: every record becomes a row with an id of its own, every line that is none comes back, nothing gets lost."""

import csv
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import fsspec
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import Interrupted, SourceError
from core.spec import CsvSource, JsonLinesSource, ParquetSource, PostgresSource, Source
from core.stop import Stop
from tools.engine.engine import Engine
from tools.engine.files import find
from tools.engine.limits import Limits
from tools.engine.rowid import ROW, first_row
from tools.sources import (
    Inspection,
    Part,
    Reading,
    SourceChanged,
    SourceUnavailable,
    Surroundings,
    WrittenOtherwise,
    delimited,
    json_lines,
    reader,
)
from tools.sources.reader import unchanged
from tools.sources.recount import recount


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


class Read:
    """A source read whole: the inspection, the rows of all its parts, the lines that are no records."""

    def __init__(self, engine: Engine, source: Source, folder: Path, database_url: str = "") -> None:
        self.source = source
        found = reader("data", source, Surroundings(base_dir=str(folder), database_url=database_url))
        self.inspection: Inspection = found.inspect()
        self.readings: list[Reading] = []
        self.rows: list[dict[str, Any]] = []
        for part in self.inspection.parts:
            path = folder / f"read-{part.index}.out"
            self.readings.append(found.read(engine, part, path))
            self.rows += pq.read_table(path).to_pylist()

    @property
    def records(self) -> list[tuple[Any, ...]]:
        return [tuple(value for name, value in row.items() if name != ROW) for row in self.rows]

    @property
    def unreadable(self) -> list[tuple[int, str]]:
        return [(line.line, line.text) for reading in self.readings for line in reading.unreadable]

    @property
    def reasons(self) -> list[str]:
        return [line.reason for reading in self.readings for line in reading.unreadable]

    @property
    def recounted(self) -> int | None:
        counts = [
            recount(self.source, part, {line.line: line.text for line in reading.unreadable})
            for part, reading in zip(self.inspection.parts, self.readings, strict=True)
        ]
        return None if None in counts else sum(count for count in counts if count is not None)


ReadCsv = Callable[..., Read]


@pytest.fixture
def read_csv(engine: Engine, tmp_path: Path) -> ReadCsv:
    """Write bytes to a file and read it as columns a and b; options go to the source."""

    def read(content: bytes, columns: tuple[str, ...] = ("a", "b"), **options: Any) -> Read:
        (tmp_path / "data.csv").write_bytes(content)
        return Read(engine, csv_source("data.csv", columns, **options), tmp_path)

    return read


def csv_source(path: str, columns: tuple[str, ...] = ("a", "b"), **options: Any) -> CsvSource:
    return CsvSource(kind="csv", path=path, columns=dict.fromkeys(columns, "string"), **options)


# --- CSV: what is read as a record -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "records"),
    [
        pytest.param(b"a,b\n1,2\n3,4\n", [("1", "2"), ("3", "4")], id="plain"),
        pytest.param(b"a,b\n1,2\n3,4", [("1", "2"), ("3", "4")], id="no line end at the end"),
        pytest.param(b"\xef\xbb\xbfa,b\n1,2\n", [("1", "2")], id="byte order mark"),
        pytest.param(b'\xef\xbb\xbf"a",b\n1,2\n', [("1", "2")], id="byte order mark before a quote"),
        pytest.param(b"a,b\r\n1,2\r\n3,4\r\n", [("1", "2"), ("3", "4")], id="CRLF"),
        pytest.param(b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")], id="CR"),
        pytest.param(b"a,b\r\n1,2\n3,4\r\n", [("1", "2"), ("3", "4")], id="CRLF, then LF"),
        pytest.param(b"a,b\n1,2\r\n3,4\n5,6\r7,8\n", [(n, str(int(n) + 1)) for n in "1357"], id="all line ends"),
        pytest.param(b'a,b\n1,"x\ny"\n3,4\n', [("1", "x\ny"), ("3", "4")], id="quoted LF"),
        pytest.param(b'a,b\r\n1,"x\r\ny"\r\n', [("1", "x\r\ny")], id="quoted CRLF"),
        pytest.param(b'a,b\n1,"say ""x"", y"\n', [("1", 'say "x", y')], id="quoted quotes and delimiter"),
        pytest.param(b"a,b\n\n1,2\n\n\n3,4\n\n", [("1", "2"), ("3", "4")], id="blank lines"),
        pytest.param(b"b,a\n1,2\n", [("2", "1")], id="columns in another order"),
        pytest.param(b'"a","b"\n1,2\n', [("1", "2")], id="quoted header"),
        pytest.param(b'a,b\n,""\n', [(None, None)], id="empty cells are missing"),
        pytest.param(b"a,b\n 1 ,\t\n", [(" 1 ", "\t")], id="padding is kept"),
        pytest.param(b"a,b\nNULL,n/a\n", [("NULL", "n/a")], id="words for nothing are kept"),
        pytest.param(b'a,b\n1,C:\\x\n2,"\\"\n', [("1", "C:\\x"), ("2", "\\")], id="backslashes are letters"),
        pytest.param(b"a,b\n1,2,\n3,4,,,\n", [("1", "2"), ("3", "4")], id="delimiters at the end of a line"),
        pytest.param(b"a,b\n", [], id="header only"),
        pytest.param(b"a,b", [], id="header only, no line end"),
        pytest.param("a,b\nй,漢字🙂\n".encode(), [("й", "漢字🙂")], id="beyond ASCII"),
    ],
)
def test_a_csv_file_is_read_as_it_is_written(
    read_csv: ReadCsv, content: bytes, records: list[tuple[str | None, str | None]]
) -> None:
    found = read_csv(content)
    assert found.records == records
    assert found.unreadable == []
    assert found.recounted == len(records)


@pytest.mark.parametrize(
    ("content", "options"),
    [
        pytest.param("a,b\n1,é\n3,4\n".encode("utf-16"), {"encoding": "utf-16"}, id="UTF-16 with its mark"),
        pytest.param(
            b"\xfe\xff" + "a,b\n1,é\n3,4\n".encode("utf-16-be"), {"encoding": "utf-16"}, id="UTF-16, big end first"
        ),
        pytest.param("a,b\n1,é\n3,4\n".encode("utf-16-le"), {"encoding": "utf-16"}, id="UTF-16 without a mark"),
        pytest.param(
            "a,b\n1,é\n3,4\n".encode("utf-16-be"), {"encoding": "utf-16"}, id="UTF-16 without a mark, big end first"
        ),
        pytest.param("a,b\n1,é\n3,4\n".encode("latin-1"), {"encoding": "latin-1"}, id="Latin-1"),
        pytest.param("a,b\n1,é\n3,4\n".encode("windows-1252"), {"encoding": "windows-1252"}, id="Windows-1252"),
        pytest.param("a;b\n1;é\n3;4\n".encode(), {"delimiter": ";"}, id="semicolons"),
        pytest.param("a\tb\n1\té\n3\t4\n".encode(), {"delimiter": "\t"}, id="tabs"),
        pytest.param("a|b\n1|'é'\n3|4\n".encode(), {"delimiter": "|", "quote": "'"}, id="pipes and apostrophes"),
    ],
)
def test_declared_encodings_delimiters_and_quotes_are_followed(
    read_csv: ReadCsv, content: bytes, options: dict[str, Any]
) -> None:
    found = read_csv(content, **options)
    assert found.records == [("1", "é"), ("3", "4")]
    assert found.recounted == 2


def test_a_latin_1_file_may_hold_every_byte(read_csv: ReadCsv) -> None:
    """The engine takes the control characters from 0x80 on for an error."""
    every = bytes(byte for byte in range(0x20, 0x100) if byte not in b',"')
    found = read_csv(b"a,b\n1," + every + b"\n", encoding="latin-1")
    assert found.records == [("1", every.decode("latin-1"))]


def test_a_torn_utf_16_file_keeps_what_is_whole(read_csv: ReadCsv) -> None:
    found = read_csv("a,b\n1,2\n3,4\n".encode("utf-16")[:-3], encoding="utf-16")
    assert found.records == [("1", "2")]
    assert found.unreadable == [(3, "3,\\x34")]
    assert found.recounted == 1


def test_a_blank_line_in_a_file_of_one_column_is_a_record_without_a_value(read_csv: ReadCsv) -> None:
    """As nothing tells it from a record whose only cell is empty, it counts as one; and so does the recount."""
    found = read_csv(b"a\n1\n\n2\n", columns=("a",))
    assert found.records == [("1",), (None,), ("2",)]
    assert found.recounted == 3


# --- CSV: what is not --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "records", "unreadable"),
    [
        pytest.param(
            b"a,b\n1,2\n3\n5,6,7\n8,9\n", [("1", "2"), ("8", "9")], [(3, "3"), (4, "5,6,7")], id="ragged rows"
        ),
        pytest.param(b"a,b\n1,2\n   \n3,4\n", [("1", "2"), ("3", "4")], [(3, "   ")], id="a line of spaces"),
        pytest.param(
            b'a,b\n1,2\n3,"4\n5,6\n7,8\n',
            [("1", "2"), ("5", "6"), ("7", "8")],
            [(3, '3,"4')],
            id="a quote that is never closed takes its own line only",
        ),
        pytest.param(
            b'a,b\n1,"2\n3,4\n5,"x, y"\n7,8\n',
            [("3", "4"), ("5", "x, y"), ("7", "8")],
            [(2, '1,"2')],
            id="a stray quote that the next quoted cell seems to close",
        ),
        pytest.param(b'a,b\n1,"2"x\n3,4\n', [("3", "4")], [(2, '1,"2"x')], id="text after a closing quote"),
        pytest.param(
            b'a,b\n1,"x\ny",2\n3,4\n', [("3", "4")], [(2, '1,"x\ny",2')], id="a ragged record of two lines is one"
        ),
        pytest.param(
            b'a,b\n1,"x\ny\nz"\n2\n3,4\n', [("1", "x\ny\nz"), ("3", "4")], [(5, "2")], id="lines in quotes are counted"
        ),
        pytest.param(
            b"a,b\n1,caf\xe9\n3,4\n", [("3", "4")], [(2, "1,caf\\xe9")], id="bytes that are not of the encoding"
        ),
        pytest.param(
            b'a,b\n1,"x\ncaf\xe9"\n3,4\n', [("3", "4")], [(2, '1,"x\ncaf\\xe9"')], id="such bytes on a second line"
        ),
        pytest.param(b"a,b\n1,2\n3,4\n5", [("1", "2"), ("3", "4")], [(4, "5")], id="truncated in a record"),
        pytest.param(b'a,b\n1,2\n5,"6', [("1", "2")], [(3, '5,"6')], id="truncated in quotes"),
        pytest.param(b"a,b\n1,2\n5,\xc3", [("1", "2")], [(3, "5,\\xc3")], id="truncated in a letter"),
        pytest.param(b"a,b\r\n1\r\n3,4\r\n", [("3", "4")], [(2, "1")], id="CRLF"),
        pytest.param(b"a,b\n\n\n1\r\n3,4\n5\r", [("3", "4")], [(4, "1"), (6, "5")], id="blank lines, all line ends"),
        pytest.param(b"\xef\xbb\xbfa,b\n1\n", [], [(2, "1")], id="byte order mark"),
    ],
)
def test_lines_that_are_no_records_come_back_with_number_and_text(
    read_csv: ReadCsv,
    content: bytes,
    records: list[tuple[str, str]],
    unreadable: list[tuple[int, str]],
) -> None:
    found = read_csv(content)
    assert (found.records, found.unreadable) == (records, unreadable)
    assert found.recounted == len(records)
    assert all(found.reasons)


def test_an_unreadable_line_says_why_it_is_one(read_csv: ReadCsv) -> None:
    found = read_csv(b'a,b\n1\n2,"x"y\n3,\xff\n')
    assert [reason.split(":")[0].split(".")[0] for reason in found.reasons] == [
        "1 values where the header has 2 columns",
        "Quotes do not fit",
        "Not utf-8",
    ]


def test_the_text_of_an_unreadable_line_is_kept_whole(read_csv: ReadCsv) -> None:
    """However long it is: evidence that is cut off could not be replayed."""
    line = "1," + "x" * 100_000 + ",2"
    assert read_csv(f"a,b\n{line}\n3,4\n".encode()).unreadable == [(2, line)]


def test_a_value_may_be_longer_than_the_engine_and_the_parser_take_by_default(read_csv: ReadCsv) -> None:
    """2 MB is DuckDB's limit for a line, 128 KB that of Python's parser for a cell."""
    value = "x" * 3_000_000
    found = read_csv(f'a,b\n1,2\n3,"{value}"\n5,6\n'.encode())
    assert found.records == [("1", "2"), ("3", value), ("5", "6")]
    assert found.recounted == 3


def test_a_file_larger_than_a_batch_is_read_in_order(read_csv: ReadCsv, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read line by line, as one line is torn; unreadable lines fall on both sides of the batches' borders."""
    monkeypatch.setattr(delimited, "_BATCH", 7)
    lines = [f"{n},{n * n}" if n % 10 else f"{n}" for n in range(1, 101)]
    found = read_csv("\n".join(["a,b", *lines, ""]).encode())
    assert found.records == [(str(n), str(n * n)) for n in range(1, 101) if n % 10]
    assert [row[ROW] for row in found.rows] == list(range(1, 91))
    assert found.unreadable == [(n + 1, f"{n}") for n in range(10, 101, 10)]


def test_rows_are_numbered_in_the_order_of_the_file_whatever_the_threads(tmp_path: Path) -> None:
    """Past one chunk of the engine's reader, so that several threads have something to do."""
    with (tmp_path / "data.csv").open("w") as file:
        file.write("a,b\n")
        file.writelines(f"{n},{'x' * 100}\n" for n in range(1, 200_001))
    source = csv_source("data.csv", columns=("a",))
    with Engine(Limits(threads=4), tmp_path) as engine:
        part = reader("data", source, Surroundings(base_dir=str(tmp_path), database_url="")).inspect().parts[0]
        found = reader("data", source, Surroundings(base_dir=str(tmp_path), database_url=""))
        found.read(engine, part, tmp_path / "out")
    read = pq.read_table(tmp_path / "out")
    assert read[ROW].to_pylist() == [int(value) for value in read["a"].to_pylist()] == list(range(1, 200_001))


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_reading_line_by_line_ends_with_the_batch_when_a_stop_is_requested(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    stop, taken = Stop(), 0

    def counted(record: Any) -> Any:
        nonlocal taken
        taken += 1
        if taken == 15:
            stop.request("enough")
        return record

    found, parsed = delimited.records, json_lines.parse
    monkeypatch.setattr(delimited, "_BATCH", 10)
    monkeypatch.setattr(json_lines, "_BATCH", 10)
    monkeypatch.setattr(delimited, "records", lambda *options: map(counted, found(*options)))
    monkeypatch.setattr(json_lines, "parse", lambda line: counted(parsed(line)))
    path = tmp_path / f"data.{kind}"
    path.write_text("a,b\n1\n" + "1,2\n" * 100 if kind == "csv" else '{"a": 1, "b": 2}\n' * 100)
    source = csv_source(str(path)) if kind == "csv" else json_source(str(path))
    found_reader = reader("data", source, Surroundings(base_dir="/", database_url=""))
    (part,) = find(str(path), "/")
    with Engine(Limits(), tmp_path, stop) as engine, pytest.raises(Interrupted, match="enough"):
        found_reader.read(engine, part, tmp_path / "out")
    assert taken == 20


CELLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
FAULTS = st.sampled_from(["short", "long", "quote", "bytes"])


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, ...]], list[int], int]:
    """A file made of good records and faulty lines: its bytes, the records, the faulty lines' numbers, all lines."""
    end = draw(st.sampled_from(["\n", "\r\n"]))
    # A blank record of one cell would be no line; one of two always has its delimiter.
    width = draw(st.integers(2, 4))
    content = ",".join("abcd"[:width]).encode() + end.encode()
    line, records, faulty = 2, [], []
    for _ in range(draw(st.integers(0, 8))):
        fault = draw(st.none() | FAULTS)
        if fault is None:
            cells = tuple(draw(st.lists(CELLS, min_size=width, max_size=width)))
            records.append(cells)
            text = ",".join('"' + cell.replace('"', '""') + '"' for cell in cells)
            written = (text + end).encode()
            line += len(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
        else:
            made = {"short": "x", "long": ",".join("x" * (width + 2)), "quote": '"x"x', "bytes": ",".join("x" * width)}
            written = made[fault].encode() + (b"\xff" if fault == "bytes" else b"") + end.encode()
            faulty.append(line)
            line += 1
        content += written
    return content, records, faulty, line - 1


@settings(max_examples=120, derandomize=True)
@given(made=csv_files())
def test_no_line_of_a_csv_file_gets_lost(
    engine: Engine,
    tmp_path_factory: pytest.TempPathFactory,
    made: tuple[bytes, list[tuple[str, ...]], list[int], int],
) -> None:
    """Records come back as they were written, and every faulty line by its number, whatever stands between them.

    Readable records and unreadable lines together are all lines; ids are unique, and the same when read again.
    """
    content, records, faulty, lines = made
    folder = tmp_path_factory.mktemp("csv")
    (folder / "data.csv").write_bytes(content)
    width = content.split(b"\n")[0].count(b",") + 1
    source = csv_source("data.csv", tuple("abcd"[:width]))
    found, again = Read(engine, source, folder), Read(engine, source, folder)
    assert found.records == [tuple(cell or None for cell in record) for record in records]
    assert [number for number, _ in found.unreadable] == faulty
    assert [row[ROW] for row in found.rows] == list(range(1, len(records) + 1))
    assert (again.rows, again.unreadable) == (found.rows, found.unreadable)
    assert found.recounted == len(records)
    quoted = sum(_line_ends(cell) for record in records for cell in record)
    assert 1 + len(records) + quoted + len(faulty) == lines


def _line_ends(cell: str) -> int:
    return cell.replace("\r\n", "\n").replace("\r", "\n").count("\n")


@settings(max_examples=150, derandomize=True)
@given(body=st.text(st.sampled_from('xy,",\n\n\r\xff'), min_size=1, max_size=24))
def test_whatever_a_csv_file_holds_it_is_accounted_for(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, body: str
) -> None:
    """No damage makes reading fail, and what is left without the unreadable lines counts as many records as rows.

    The recount is of another make than the reading of a clean file, and knows of faults only what came back.
    """
    folder = tmp_path_factory.mktemp("csv")
    (folder / "data.csv").write_bytes(b"a,b\n" + body.encode("latin-1"))
    found = Read(engine, csv_source("data.csv"), folder)
    assert found.recounted == len(found.rows)
    numbers = [number for number, _ in found.unreadable]
    assert numbers == sorted(set(numbers))


# --- CSV: files that cannot be what the spec says ----------------------------------------------------------------


def test_other_columns_than_declared_are_noted(read_csv: ReadCsv) -> None:
    found = read_csv(b"a,new,b,\n1,2,3,4\n")
    assert found.records == [("1", "3")]
    assert len(found.inspection.notes) == 1
    assert "new, one without a name" in found.inspection.notes[0]


def test_names_that_differ_in_case_only_are_different_columns(read_csv: ReadCsv) -> None:
    assert read_csv(b"A,a,B,b\n1,2,3,4\n").records == [("2", "4")]


@pytest.mark.parametrize(
    ("content", "options", "words", "remedy"),
    [
        pytest.param(b"a,c\n1,2\n", {}, "data.csv has no column b; it has a, c.", "sources.data.columns", id="missing"),
        pytest.param(b"\n\na,b\n1,2\n", {}, "has no column a, b; it has none.", "columns", id="a blank first line"),
        pytest.param(b"a,b,a\n1,2,3\n", {}, "has the column a more than once", "Rename", id="twice"),
        pytest.param(b"", {}, "data.csv is empty", "Bring the file again", id="empty"),
        pytest.param(
            "a,c\n1,2\n".encode("utf-16"),
            {},
            "is UTF-16",
            "data.encoding` to `utf-16`",
            id="UTF-16 undeclared",
        ),
        pytest.param(b"\xff\xfb,b\n1,2\n", {}, "the header of", "Set `sources.data.encoding`", id="no text"),
        pytest.param(b"a;c\n1;2\n", {}, "has no column a, b; it has a;c", "columns", id="another delimiter"),
    ],
)
def test_a_csv_file_that_is_not_as_declared_is_refused(
    read_csv: ReadCsv, content: bytes, options: dict[str, Any], words: str, remedy: str
) -> None:
    """The error names the file and what it has, and the way out."""
    with pytest.raises(SourceError) as error:
        read_csv(content, **options)
    assert words in str(error.value)
    assert remedy in error.value.remedy
    assert str(error.value).startswith("Source 'data':")


def test_no_file_at_all_is_an_error_that_names_the_pattern(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no file matches nothing-\*\.csv"):
        Read(engine, csv_source("nothing-*.csv"), tmp_path)


def test_each_file_of_a_source_may_have_its_own_order_of_columns(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n3,4\n")
    (tmp_path / "2.csv").write_text("b,a\n6,5\n")
    found = Read(engine, csv_source("*.csv"), tmp_path)
    assert found.rows == [
        {ROW: 1, "a": "1", "b": "2"},
        {ROW: 2, "a": "3", "b": "4"},
        {ROW: first_row(1) + 1, "a": "5", "b": "6"},
    ]
    assert found.inspection.rows == 3


def test_one_file_without_a_column_is_named(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_text("a,c\n1,2\n")
    with pytest.raises(SourceError, match=r"2\.csv has no column b; it has a, c\."):
        Read(engine, csv_source("*.csv"), tmp_path)


@pytest.mark.parametrize("change", ["gone", "longer", "touched"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_that_is_no_longer_the_planned_one_is_refused(
    engine: Engine, tmp_path: Path, kind: str, change: str
) -> None:
    """A run reads what it was planned with, or nothing: else its parts would be of different times."""
    path = tmp_path / f"data.{kind}"
    source = small_source(path, kind)
    found = reader("data", source, Surroundings(base_dir=str(tmp_path), database_url=""))
    part = found.inspect().parts[0]
    if change == "gone":
        path.unlink()
    elif change == "longer":
        path.write_bytes(path.read_bytes() + b"\n")
    else:
        os.utime(path, (1, 1))
    with pytest.raises(SourceError, match=r"is gone" if change == "gone" else r"has changed since the run") as error:
        found.read(engine, part, tmp_path / "out")
    assert error.value.remedy


def test_a_file_that_changes_while_it_is_read_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    small_source(path, "csv")
    (part,) = find(str(path), "/")
    with pytest.raises(SourceChanged, match="has changed"), unchanged("data", part):
        path.write_text(path.read_text() + "3,4\n")


@pytest.mark.parametrize(
    ("lines", "encoding"),
    [
        (["1,Malmö", "2,Köln", "3,Zürich"], "latin-1"),
        (["1,Malmö", "2,Köln", "3,12 €"], "windows-1252"),
        (["1,Malmö", "2,Köln"], None),
        (["1,Malmö", "2,Köln", "3,Zürich", "4,a\x81"], None),
        (["1,Malmö", "2,Köln", "3,Zürich", "4,MalmÃ¶"], None),
        (["1,ö", "2,ö", "3,ö"], None),
    ],
    ids=("Latin-1", "Windows-1252", "too few", "a sign of neither", "a line in UTF-8", "no words"),
)
def test_a_file_that_is_of_another_encoding_beyond_doubt_is_not_read_as_utf_8(
    engine: Engine, tmp_path: Path, lines: list[str], encoding: str | None
) -> None:
    """Else its lines would be lost to quarantine. What is not beyond doubt goes there."""
    text = "\n".join(["a,b", *lines, ""])
    (tmp_path / "data.csv").write_bytes(text.encode("latin-1" if "\x81" in text else "windows-1252"))
    if encoding:
        with pytest.raises(WrittenOtherwise, match=f"is {encoding}, not UTF-8: 3 of its lines are") as error:
            Read(engine, csv_source("data.csv"), tmp_path)
        assert error.value.remedy == f"Set `sources.data.encoding` to `{encoding}`."
    else:
        assert len(Read(engine, csv_source("data.csv"), tmp_path).unreadable) >= 2


def small_source(path: Path, kind: str) -> Source:
    """A file of two rows, and the source that describes it."""
    if kind == "csv":
        path.write_text("a,b\n1,2\n3,4\n")
        return csv_source(str(path))
    if kind == "jsonl":
        path.write_text('{"a": 1, "b": 2}\n{"a": 3, "b": 4}\n')
        return json_source(str(path))
    pq.write_table(pa.table({"a": [1, 3], "b": [2, 4]}), path)
    return ParquetSource(kind="parquet", path=str(path), columns=dict.fromkeys("ab", "integer"))


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["with space", "it's", 'say "hi"', "a[1]b", "wild*", "what?", "ünï", "50%", "a=b;c"])
def test_any_folder_name_works_for_reading_and_for_writing(
    engine: Engine, tmp_path: Path, name: str, kind: str
) -> None:
    """Where a name looks like a pattern, it still means the one folder; beside it stands one that the pattern fits."""
    folder, other = tmp_path / name, tmp_path / name.replace("*", "er").replace("?", "x").replace("[1]", "1")
    for place in {folder, other}:
        place.mkdir()
        small_source(place / f"data.{kind}", kind)
    source = small_source(folder / f"data.{kind}", kind).model_copy(update={"path": f"data.{kind}"})
    found = Read(engine, source, folder)
    assert [part.path for part in found.inspection.parts] == [str(folder / f"data.{kind}")]
    assert len(found.rows) == 2
    # What was written there can be read by its reference, as later stages do.
    assert len(engine.rows(engine.read([found.readings[0].output]))) == 2


def test_a_file_whose_name_looks_like_a_pattern_is_found_by_it(tmp_path: Path) -> None:
    for name in ("a[1].csv", "a1.csv"):
        (tmp_path / name).write_text("a,b\n")
    assert [Path(part.path).name for part in find("a[1].csv", str(tmp_path))] == ["a[1].csv"]
    assert [Path(part.path).name for part in find("a*.csv", str(tmp_path))] == ["a1.csv", "a[1].csv"]


def test_a_glob_finds_what_stands_now_and_not_what_programs_keep_beside_it(tmp_path: Path) -> None:
    """Replaced versions of a target, its evidence, and a lake's log would count rows twice; links may go in circles."""
    for name in (".out.versions/1/x", ".out.versions/2/x", ".out.evidence/left", "_log/c", "_p=1/x", "in/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / f"{name}.parquet").write_text("x")
    (tmp_path / "out").symlink_to(".out.versions/2")
    (tmp_path / "in" / "circle").symlink_to(tmp_path)

    def found(pattern: str) -> list[str]:
        return [os.path.relpath(part.path, tmp_path) for part in find(pattern, str(tmp_path))]

    assert found("**/*.parquet") == ["_p=1/x.parquet", "in/x.parquet", "out/x.parquet"]
    assert found("**") == found("**/*.parquet")
    assert found("*/x.parquet") == found("**/*.parquet")
    assert found(".out.versions/*/x.parquet") == [".out.versions/1/x.parquet", ".out.versions/2/x.parquet"]


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_files_behind_an_fsspec_protocol_are_read(engine: Engine, tmp_path: Path, kind: str) -> None:
    local = tmp_path / f"data.{kind}"
    source = small_source(local, kind)
    with fsspec.open(f"memory://shop/{kind}/data.{kind}", "wb") as file:
        file.write(local.read_bytes())
    found = Read(engine, source.model_copy(update={"path": f"memory://shop/{kind}/*"}), tmp_path)
    assert [[int(cell) for cell in record] for record in found.records] == [[1, 2], [3, 4]]
    assert found.recounted == 2


# --- JSON lines --------------------------------------------------------------------------------------------------


def json_source(path: str, columns: tuple[str, ...] = ("a", "b")) -> JsonLinesSource:
    return JsonLinesSource(kind="jsonl", path=path, columns=dict.fromkeys(columns, "string"))


def read_json(engine: Engine, folder: Path, *lines: bytes) -> Read:
    (folder / "data.jsonl").write_bytes(b"\n".join(lines))
    return Read(engine, json_source("data.jsonl"), folder)


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"a": 1, "b": "x"}', ("1", "x")),
        (b'{"a": 1.10, "b": 1e3}', ("1.10", "1e3")),
        (b'{"a": 12345678901234567890.12345678901234567890}', ("12345678901234567890.12345678901234567890", None)),
        (b'{"a": NaN, "b": -Infinity}', ("NaN", "-Infinity")),
        (b'{"a": true, "b": false}', ("true", "false")),
        (b'{"a": null}', (None, None)),
        (b"{}", (None, None)),
        (b'{"z": 1, "b": ""}', (None, "")),
        (b'{"a": " padded ", "b": "caf\\u00e9"}', (" padded ", "café")),
        ('{"a": "🙂", "b": "\\ud83d\\ude42"}'.encode(), ("🙂", "🙂")),
        (b'{"a": [1, 2.50, null], "b": {"x": [true, "y"]}}', ("[1, 2.50, null]", '{"x": [true, "y"]}')),
        (b'\xef\xbb\xbf{"a": 1}\r', ("1", None)),
        (b'{"a": "line\\nbreak"}', ("line\nbreak", None)),
    ],
)
def test_json_values_are_read_as_the_text_they_have(
    engine: Engine, tmp_path: Path, line: bytes, record: tuple[str | None, str | None]
) -> None:
    """Numbers keep their notation, also within nested values: what 1.10 is worth is for validation to say."""
    found = read_json(engine, tmp_path, b'{"a": 0, "b": 0}', line)
    assert found.records == [("0", "0"), record]
    assert found.unreadable == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"a": 1', "Not JSON"),
        (b'{"a": 1}{"a": 2}', "Not JSON"),
        (b"a,b", "Not JSON"),
        (b'{"a": "\xff"}', "Not JSON"),
        (b"[1, 2]", "not a JSON object, but a list"),
        (b"17", "not a JSON object, but a number"),
        (b"true", "not a JSON object, but a truth value"),
        (b"null", "not a JSON object, but null"),
        (b'"x"', "not a JSON object, but a string"),
        (b'{"a": "\\ud800"}', "surrogates not allowed"),
        (b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}", "recursion"),
    ],
)
def test_lines_that_are_no_json_objects_come_back(engine: Engine, tmp_path: Path, line: bytes, reason: str) -> None:
    found = read_json(engine, tmp_path, b'{"a": 1, "b": 2}', b"", line, b"  ", b'{"a": 3}')
    assert found.records == [("1", "2"), ("3", None)]
    assert found.unreadable == [(3, line.decode("utf-8", "backslashreplace"))]
    assert reason.lower() in found.reasons[0].lower()
    assert found.recounted == 2


def test_a_json_file_larger_than_a_batch_is_read_in_order(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "_BATCH", 10)
    lines = [json.dumps({"a": n, "b": n * n}).encode() if n % 7 else b"{" for n in range(1, 101)]
    found = read_json(engine, tmp_path, *lines)
    good = [n for n in range(1, 101) if n % 7]
    assert found.records == [(str(n), str(n * n)) for n in good]
    assert [row[ROW] for row in found.rows] == list(range(1, len(good) + 1))
    assert [line for line, _ in found.unreadable] == list(range(7, 101, 7))
    assert found.recounted == len(good)


def test_a_json_file_that_fills_its_last_batch_ends_there(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_lines, "_BATCH", 5)
    assert len(read_json(engine, tmp_path, *[b'{"a": 1, "b": 2}'] * 10).rows) == 10


def test_keys_that_no_object_has_are_missing_columns(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"data\.jsonl has no column b; it has a, c\."):
        read_json(engine, tmp_path, b'{"a": 1}', b'{"c": 2}')


def test_keys_that_the_spec_does_not_declare_are_noted(engine: Engine, tmp_path: Path) -> None:
    assert "left out: c" in read_json(engine, tmp_path, b'{"a": 1, "b": 2, "c": 3}').inspection.notes[0]


@settings(max_examples=60, derandomize=True)
@given(lines=st.lists(st.one_of(st.builds(dict, a=CELLS, b=CELLS), st.just(None)), min_size=1, max_size=12))
def test_no_line_of_a_json_file_gets_lost(
    engine: Engine, tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, str] | None]
) -> None:
    """Objects and torn lines in any order: each comes back once, as a row or by its number."""
    written = [json.dumps(line).encode() if line else b'{"a": ' for line in lines]
    found = read_json(engine, tmp_path_factory.mktemp("json"), *written)
    assert found.records == [(line["a"], line["b"]) for line in lines if line]
    assert [number for number, _ in found.unreadable] == [n for n, line in enumerate(lines, 1) if not line]
    assert len(found.rows) + len(found.unreadable) == len(lines)
    assert found.recounted == len(found.rows)


# --- Parquet -----------------------------------------------------------------------------------------------------


def parquet_source(path: str, columns: tuple[str, ...]) -> ParquetSource:
    return ParquetSource(kind="parquet", path=path, columns=dict.fromkeys(columns, "string"))


def test_parquet_columns_keep_their_types_and_values(engine: Engine, tmp_path: Path) -> None:
    when = datetime(2025, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    data = pa.table(
        {
            "whole": pa.array([2**62, None], pa.int64()),
            "money": pa.array([Decimal("1.10"), None], pa.decimal128(20, 2)),
            "day": pa.array([date(2025, 1, 2), None]),
            "zoned": pa.array([when, None], pa.timestamp("us", "UTC")),
            "name": pa.array(["é", None]),
            "flags": pa.array([[True], None]),
            "nothing": pa.nulls(2),
        }
    )
    pq.write_table(data, tmp_path / "data.parquet")
    found = Read(engine, parquet_source("data.parquet", tuple(data.column_names)), tmp_path)
    assert found.records == [tuple(row.values()) for row in data.to_pylist()]
    assert found.inspection.rows == found.recounted == 2
    kinds = {name: kind.removeprefix("!") for name, kind in found.readings[0].output.columns.items()}
    assert kinds["money"] == "decimal(20, 2)"
    assert kinds["whole"] == "int64"


def test_parquet_columns_are_found_by_name(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"b": [1], "c": [2], "a": [3]}), tmp_path / "data.parquet")
    found = Read(engine, parquet_source("data.parquet", ("a", "b")), tmp_path)
    assert found.records == [(3, 1)]
    assert "left out: c" in found.inspection.notes[0]
    with pytest.raises(SourceError, match="has no column d; it has b, c, a"):
        Read(engine, parquet_source("data.parquet", ("a", "d")), tmp_path)


def test_a_torn_parquet_file_is_refused_whole(engine: Engine, tmp_path: Path) -> None:
    """Whether its end is missing, which holds the footer, or a part between: no row of it is read."""
    path = tmp_path / "data.parquet"
    pq.write_table(pa.table({"a": list(range(5000))}), path, compression="none", use_dictionary=False)
    whole = path.read_bytes()
    hollow = whole[:4] + b"\xff" * 2000 + whole[2004:]
    for torn in (whole[: len(whole) // 2], whole[:-5], b"PAR1", hollow):
        path.write_bytes(torn)
        with pytest.raises(SourceError, match="is no whole Parquet file") as error:
            Read(engine, parquet_source("data.parquet", ("a",)), tmp_path)
        assert error.value.remedy == "Bring the file again."


def test_files_of_different_types_are_read_together_without_loss(engine: Engine, tmp_path: Path) -> None:
    """Pandas makes floats of integers where one is missing: the other file's 1.5 must not become 2."""
    pq.write_table(pa.table({"a": pa.array([1, 2], pa.int32())}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"a": [1.5, None]}), tmp_path / "2.parquet")
    pq.write_table(pa.table({"a": pa.array([2**40], pa.int64())}), tmp_path / "3.parquet")
    found = Read(engine, parquet_source("*.parquet", ("a",)), tmp_path)
    together = engine.read([reading.output for reading in found.readings])
    assert [row["a"] for row in engine.rows(together.order_by(ROW))] == [1, 2, 1.5, None, 2**40]


def test_parquet_rows_are_numbered_in_the_order_of_the_file_whatever_the_threads(tmp_path: Path) -> None:
    numbers = list(range(1, 300_001))
    pq.write_table(pa.table({"a": numbers}), tmp_path / "data.parquet", row_group_size=20_000)
    source = parquet_source("data.parquet", ("a",))
    with Engine(Limits(threads=4), tmp_path) as engine:
        Read(engine, source, tmp_path)
    read = pq.read_table(tmp_path / "read-0.out")
    assert read[ROW].to_pylist() == read["a"].to_pylist() == numbers


# --- Postgres ----------------------------------------------------------------------------------------------------


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        yield connection


def postgres_source(table: str, *columns: str, url_env: str | None = None) -> PostgresSource:
    return PostgresSource(kind="postgres", table=table, columns=dict.fromkeys(columns, "string"), url_env=url_env)


def test_a_table_is_read_in_the_order_of_its_key(
    engine: Engine, tmp_path: Path, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """Whatever the order in which its rows happen to lie, a row has the same id each time."""
    connection.execute("CREATE SCHEMA shop")
    connection.execute("CREATE TABLE shop.item (label text, id int PRIMARY KEY)")
    connection.execute("INSERT INTO shop.item SELECT 'n' || n, n FROM generate_series(100, 1, -1) n")
    source = postgres_source("shop.item", "id", "label")
    first = Read(engine, source, tmp_path, database_url)
    connection.execute("UPDATE shop.item SET label = label WHERE id % 3 = 0")
    second = Read(engine, source, tmp_path, database_url)
    assert first.rows == second.rows == [{ROW: n, "id": n, "label": f"n{n}"} for n in range(1, 101)]
    assert (first.inspection.rows, first.inspection.notes, first.recounted) == (100, [], None)


def test_a_table_without_a_key_is_read_in_the_order_of_its_columns(
    engine: Engine, tmp_path: Path, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """Also by a column of a type that has no order of its own, such as json."""
    connection.execute("CREATE TABLE event (kind text, body json)")
    connection.execute("""INSERT INTO event VALUES ('b', '{}'), ('a', '{"n": 2}'), ('a', '{"n": 1}')""")
    found = Read(engine, postgres_source("event", "kind", "body"), tmp_path, database_url)
    assert found.records == [("a", '{"n": 1}'), ("a", '{"n": 2}'), ("b", "{}")]


def test_postgres_types_come_as_values_or_as_text(
    engine: Engine, tmp_path: Path, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    """A type that files do not have, or a number without bounds, comes as the text that Postgres gives it."""
    cells = {
        "i": ("integer", "7", 7),
        "big": ("bigint", "9223372036854775807", 2**63 - 1),
        "money": ("numeric(12,2)", "1.10", Decimal("1.10")),
        "long": ("numeric", "'1.23456789012345678901234567890'", "1.23456789012345678901234567890"),
        "odd": ("numeric", "'NaN'", "NaN"),
        "f": ("double precision", "1.5", 1.5),
        "b": ("boolean", "true", True),
        "t": ("text", "'é'", "é"),
        "d": ("date", "'2025-01-02'", date(2025, 1, 2)),
        "ts": ("timestamp", "'2025-01-02 03:04:05.123456'", datetime(2025, 1, 2, 3, 4, 5, 123456)),
        "tz": ("timestamptz", "'2025-01-02 03:04:05+02'", datetime(2025, 1, 2, 1, 4, 5)),
        "u": ("uuid", "'00000000-0000-0000-0000-00000000000a'", "00000000-0000-0000-0000-00000000000a"),
        "j": ("jsonb", "'{\"a\": 1}'", '{"a": 1}'),
        "arr": ("int[]", "'{1,2}'", "{1,2}"),
        "ip": ("inet", "'10.0.0.1/24'", "10.0.0.1/24"),
    }
    connection.execute("SET timezone TO 'Asia/Tokyo'")
    connection.execute(f"CREATE TABLE t ({', '.join(f'{name} {kind}' for name, (kind, _, _) in cells.items())})")
    connection.execute(f"INSERT INTO t VALUES ({', '.join(value for _, value, _ in cells.values())})")
    connection.execute("INSERT INTO t DEFAULT VALUES")
    found = Read(engine, postgres_source("t", *cells), tmp_path, database_url)
    assert found.records == [tuple(value for _, _, value in cells.values()), (None,) * len(cells)]


def test_tables_and_columns_are_named_as_they_are(
    engine: Engine, tmp_path: Path, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute('CREATE TABLE "Mixed" ("Id" int, "na""me" text, "per%cent" text, "it\'s" text)')
    connection.execute("""INSERT INTO "Mixed" VALUES (1, 'a', 'b', 'c')""")
    columns = ("Id", 'na"me', "per%cent", "it's")
    assert Read(engine, postgres_source("Mixed", *columns), tmp_path, database_url).records == [(1, "a", "b", "c")]
    with pytest.raises(SourceError, match="there is no table mixed in the database"):
        Read(engine, postgres_source("mixed", "Id"), tmp_path, database_url)


def test_a_view_and_an_empty_table_are_read(
    engine: Engine, tmp_path: Path, database_url: str, connection: psycopg.Connection[Any]
) -> None:
    connection.execute("CREATE TABLE t (a int)")
    connection.execute("CREATE VIEW v AS SELECT a + 1 AS a FROM t")
    assert Read(engine, postgres_source("v", "a"), tmp_path, database_url).records == []
    connection.execute("INSERT INTO t VALUES (1)")
    assert Read(engine, postgres_source("v", "a"), tmp_path, database_url).records == [(2,)]


@pytest.mark.parametrize(
    ("table", "columns", "words"),
    [
        ("nothing", ("a",), "there is no table nothing in the database"),
        ("no_schema.t", ("a",), "there is no table no_schema.t in the database"),
        ("t", ("a", "z"), "table t has no column z; it has a, later"),
        ("t", ("later",), "table t cannot be read: date too large (after year 10K): 'infinity'"),
    ],
)
def test_a_table_that_is_not_as_declared_is_refused(
    engine: Engine,
    tmp_path: Path,
    database_url: str,
    connection: psycopg.Connection[Any],
    table: str,
    columns: tuple[str, ...],
    words: str,
) -> None:
    connection.execute("CREATE TABLE t (a int, later date)")
    connection.execute("INSERT INTO t VALUES (1, 'infinity')")
    with pytest.raises(SourceError) as error:
        Read(engine, postgres_source(table, *columns), tmp_path, database_url)
    assert words in str(error.value)
    assert error.value.remedy


def test_the_url_of_another_database_comes_from_the_environment(
    engine: Engine,
    tmp_path: Path,
    database_url: str,
    connection: psycopg.Connection[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.execute("CREATE TABLE t (a int)")
    source = postgres_source("t", "a", url_env="SHOP_URL")
    monkeypatch.delenv("SHOP_URL", raising=False)
    with pytest.raises(SourceError, match="the environment variable SHOP_URL is not set"):
        Read(engine, source, tmp_path, "postgresql://nowhere")
    monkeypatch.setenv("SHOP_URL", database_url)
    assert Read(engine, source, tmp_path, "postgresql://nowhere").records == []


def test_a_server_that_is_away_may_be_worth_another_try(engine: Engine, tmp_path: Path) -> None:
    """The error is of a kind of its own, so that a task that met it is tried again."""
    with pytest.raises(SourceUnavailable, match=r"its database cannot be reached: .*refused") as error:
        Read(engine, postgres_source("t", "a"), tmp_path, "host=127.0.0.1 port=1 dbname=shop")
    assert error.value.remedy


# --- all of them -------------------------------------------------------------------------------------------------


def test_a_part_is_read_the_same_after_a_round_through_json(engine: Engine, tmp_path: Path) -> None:
    """The plan of a run is recorded as JSON; a resumed run reads by what it says there."""
    path = tmp_path / "data.csv"
    source = small_source(path, "csv")
    found = reader("data", source, Surroundings(base_dir=str(tmp_path), database_url=""))
    part = Part.model_validate_json(found.inspect().parts[0].model_dump_json())
    assert found.read(engine, part, tmp_path / "out").output.rows == 2


def test_a_source_that_python_wrote_is_read_as_python_reads_it(read_csv: ReadCsv) -> None:
    """Two writers and readers of CSV agree about every character that quoting is for."""
    records = [('"', ","), ("\n", "\r\n"), ("a\rb", '","'), (" x ", "\t")]
    lines: list[str] = []
    writer = csv.writer(type("Lines", (), {"write": lambda _, text: lines.append(text)})())
    writer.writerows([("a", "b"), *records])
    assert read_csv("".join(lines).encode()).records == records
