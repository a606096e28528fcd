"""Files that nobody has described: opened alike for all, with nothing lost, guessed in silence or read unasked."""

import codecs
import gzip
import io
import json
import os
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crewline
from core.errors import Refused, SourceError
from core.spec import NotNull, load_checklist
from tools.context import ToolContext
from tools.discovery.adapters.delimited import facts
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.sources.dialect import delimiter_of, encoding_of
from tools.sources.opening import Files, Opened, open_files
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import transform_dataset


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def opened(engine: Engine, folder: Path, path: str, **options: object) -> Opened:
    return open_files(engine, "data", Files.model_validate({"path": str(folder / path), **options}), folder)


TEXT = "id,name\n" + "1,Zoë\n" * 50


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (TEXT.encode("utf-16-le"), "UTF-16 without a mark"),
        (TEXT.encode("utf-16-be"), "UTF-16 without a mark"),
        (TEXT.encode("utf-32"), "UTF-32"),
        (codecs.BOM_UTF32_BE + TEXT.encode("utf-32-be"), "UTF-32"),
        (random.Random(1).randbytes(20_000), "binary, not text"),
        (gzip.compress(random.Random(1).randbytes(2_000)), "binary, not text"),
    ],
)
def test_what_is_no_text_is_refused_by_all_who_open_files(content: bytes, told: str, tmp_path: Path) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(content)
    checks = [NotNull(check="not_null", column="id")]
    for use in (
        lambda: crewline.profile(data),
        lambda: crewline.check(data, checks),
        lambda: crewline.clean(data, tmp_path / "out"),
        lambda: facts(io.BytesIO(content), str(data), size=len(content)),
    ):
        with pytest.raises(SourceError, match=told):
            use()


def test_a_text_with_a_torn_stretch_of_zeros_is_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"id,name\n" + b"1,a\n" * 200 + b"\0" * 20 + b"\n2,b\n")
    found = crewline.profile(tmp_path / "data.csv")
    assert (found.rows, found.unreadable) == (201, 1)


def test_whoever_opens_a_file_finds_the_same_in_it(tmp_path: Path) -> None:
    """Checks, profiles, cleaning and transformations agree about delimiter, encoding, names, records and lines."""
    data = tmp_path / "data.csv"
    data.write_bytes("größe;größe;\n1;é;x\n2;y\n3;ü;z\n".encode("latin-1"))
    (tmp_path / "checks.yaml").write_text("- {check: not_null, column: column_3}\n")
    notes = [
        "read as latin-1",
        "delimited by ';'",
        "column 2, 'größe' in the header, is called 'größe_2'",
        "column 3, '' in the header, is called 'column_3'",
    ]
    report = crewline.check(data, load_checklist(tmp_path / "checks.yaml"))
    assert (report.rows, report.verdicts[0].failed, report.notes) == (3, 1, notes)
    cleaned = crewline.clean(data, tmp_path / "cleaned")
    assert (cleaned.rows, cleaned.quarantined, cleaned.notes) == (3, 1, notes)
    request = TransformationRequest.model_validate({"source": "data.csv", "output": "out"})
    done = transform_dataset(request, ToolContext(roots=(str(tmp_path),)))
    assert (done.account[0].rows_in, done.records, done.notes) == (3, 2, notes)
    names = ["größe", "größe_2", "column_3"]
    assert pq.read_schema(cleaned.files["clean"]).names == names
    assert list(done.columns) == names
    profile = crewline.profile(data)
    assert ([column.name for column in profile.columns], profile.rows) == (names, 2)


def test_columns_that_cannot_be_told_apart_get_names_of_their_own(engine: Engine, tmp_path: Path) -> None:
    """Whatever the case, as the engine sees none; and `_row` is Crewline's."""
    (tmp_path / "data.csv").write_text("a,A,a,_row,a_2\n1,2,3,4,5\n")
    found = opened(engine, tmp_path, "data.csv")
    assert engine.row(found.cells(engine)) == {"a": "1", "A_2_2": "2", "a_3": "3", "_row_4": "4", "a_2": "5"}
    assert len(found.notes) == 3
    (tmp_path / "data.jsonl").write_text('{"a": 1, "A": 2, "": 3}\n')
    assert engine.row(opened(engine, tmp_path, "data.jsonl").cells(engine)) == {"a": "1", "A_2": "2", "column_3": "3"}


def test_every_key_of_json_lines_is_a_column_however_late_it_comes(engine: Engine, tmp_path: Path) -> None:
    lines = [json.dumps({"a": n}) for n in range(3000)] + ['{"late": true}', '{"torn": ']
    (tmp_path / "data.ndjson").write_text("\n".join(lines))
    found = opened(engine, tmp_path, "data.ndjson")
    assert found.cells(engine).columns == ("a", "late")
    assert (found.records, [line.line for _, line in found.unreadable]) == (3001, [3002])


def test_rows_are_numbered_and_each_unreadable_line_says_how_many_stand_before_it(
    engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "data.csv").write_text('x,a,b\n1\n1,2,3\n4\n4,5,"6\n7,8,9\n')
    found = opened(engine, tmp_path, "data.csv")
    assert [row[ROW] for row in engine.rows(found.rows(engine))] == [1, 2]
    assert [(line.line, line.records) for _, line in found.unreadable] == [(2, 0), (4, 1), (5, 1)]
    (tmp_path / "data.jsonl").write_text('{\n{"a": 1}\n{"a": 2}\n[]\n')
    lines = [line for _, line in opened(engine, tmp_path, "data.jsonl").unreadable]
    assert [(line.line, line.records) for line in lines] == [(1, 0), (4, 2)]


def test_parquet_is_read_where_it_lies(engine: Engine, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "l": [[1], None]}), tmp_path / "data.pq")
    found = opened(engine, tmp_path, "data.pq")
    assert engine.rows(found.rows(engine)) == [{ROW: 1, "a": 1, "l": [1]}, {ROW: 2, "a": 2, "l": None}]
    assert found.cells(engine).columns == ("a", "l")
    assert (found.records, found.unreadable, sorted(tmp_path.iterdir())) == (2, [], [tmp_path / "data.pq"])


def test_files_of_one_glob_are_read_together_each_as_it_is(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("a,b\n1,2\n")
    (tmp_path / "2.csv").write_bytes("b;a\nä;3\n".encode("utf-16"))
    (tmp_path / "3.csv").write_text("a\n4\n")
    found = opened(engine, tmp_path, "*.csv")
    rows = [(row["a"], row["b"]) for row in engine.rows(found.rows(engine).order_by(ROW))]
    assert rows == [("1", "2"), ("3", "ä"), ("4", None)]
    assert found.notes == [
        f"{tmp_path}/2.csv: read as utf-16",
        f"{tmp_path}/2.csv: delimited by ';'",
        f"{tmp_path}/3.csv has no column b, as other files have",
    ]


def test_what_is_given_is_not_guessed(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("a;b|c\n1;2|3\n")
    found = opened(engine, tmp_path, "data.txt", kind="csv", delimiter="|", columns={"c": "integer"})
    assert engine.rows(found.cells(engine)) == [{"c": "3"}]
    assert len(found.notes) == 1
    assert "which are left out: a;b" in found.notes[0]


@pytest.mark.parametrize("text", ["a\tb\n1\t2\n", "a\n1,2\n"])
def test_a_tsv_file_is_delimited_by_tabs(engine: Engine, tmp_path: Path, text: str) -> None:
    (tmp_path / "data.tsv").write_text(text)
    found = opened(engine, tmp_path, "data.tsv")
    assert engine.rows(found.cells(engine)) == [dict(zip("ab", text.split("\n")[1].split("\t"), strict=False))]
    assert found.notes == []


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"", "utf-8"),
        (b"a\n1\n", "utf-8"),
        ("é\n".encode(), "utf-8"),
        ("é\n".encode("latin-1"), "latin-1"),
        ("é\né\n".encode() + b"\xe9\n", "utf-8"),
        (b"x" * 3_000_000 + "é\n".encode("latin-1"), "latin-1"),
        ("é\n5 €\n".encode("windows-1252"), "windows-1252"),
        ("é\n5 €\n".encode("windows-1252") + b"\x81\n", "latin-1"),
        (b"x" * ((1 << 20) - 1) + "é\n".encode(), "utf-8"),
        (codecs.BOM_UTF16_BE + "é".encode("utf-16-be"), "utf-16"),
    ],
    ids=[
        "empty",
        "ASCII",
        "UTF-8",
        "Latin-1",
        "one broken line",
        "late",
        "Windows-1252",
        "controls",
        "across two blocks",
        "UTF-16",
    ],
)
def test_the_encoding_is_that_of_most_lines_that_have_one(tmp_path: Path, content: bytes, encoding: str) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    with open(tmp_path / "data.csv", "rb") as file:
        assert encoding_of(file) == encoding


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("a,b\n1,2\n", ","),
        ("a;b\n1,5;2\n", ";"),
        ("a|b|c\n1|2|3\n", "|"),
        ("a\n1;2\n3;4\n", ","),
        ('"a;b",c\n"1;2",3\n', ","),
        ("", ","),
    ],
)
def test_the_delimiter_is_the_one_that_fits_the_header_and_most_lines(
    tmp_path: Path, content: str, delimiter: str
) -> None:
    (tmp_path / "data.csv").write_text(content)
    with open(tmp_path / "data.csv", "rb") as file:
        assert delimiter_of(file, "utf-8") == delimiter


def test_every_file_that_is_found_is_asked_for_before_any_is_read(engine: Engine, tmp_path: Path) -> None:
    """A glob may come upon a link that leads out; and so may a folder."""
    root = tmp_path / "root"
    root.mkdir()
    (root / "1.csv").write_text("a\n1\n")
    (tmp_path / "secret.csv").write_text("a\n2\n")
    (root / "2.csv").symlink_to(tmp_path / "secret.csv")
    context = ToolContext(roots=(str(root),))
    for path, kind in (("*.csv", None), (".", "csv"), ("2.csv", None), ("../secret.csv", None)):
        with pytest.raises(Refused):
            open_files(engine, "data", Files(path=path, kind=kind), root, context.path)
    assert not list(root.glob("*.parquet"))
    assert open_files(engine, "data", Files(path="1.csv"), root, context.path).records == 1


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("gone.csv", "no file matches"),
        ("empty.csv", "is empty"),
        ("blank.csv", "has no header line"),
        ("array.json", "no line of .* is a JSON object"),
        ("torn.parquet", "is no whole Parquet file"),
        ("[at]*.*", "does not tell its kind"),
        ("nobody://data.csv", "cannot be read: Protocol not known"),
        ("no\0name.csv", "no file matches"),
        ("", "no file matches"),
    ],
)
def test_what_cannot_be_opened_is_told(tmp_path: Path, path: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    contents = {"empty.csv": b"", "blank.csv": b"\n\n", "array.json": b"[1]", "torn.parquet": b"PAR1"}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(SourceError, match=words) as error:
        crewline.profile(path)
    assert error.value.remedy


def test_several_files_are_not_cleaned_at_once(tmp_path: Path) -> None:
    """Row numbers of the answer would not say of which file they are."""
    for name in ("1.csv", "2.csv"):
        (tmp_path / name).write_text("a\n1\n")
    with pytest.raises(SourceError, match="names 2 files"):
        crewline.clean(tmp_path / "*.csv", tmp_path / "out")


def test_what_is_wrong_with_a_file_is_told_without_a_spec_that_nobody_wrote(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_bytes(b"gr\xf6\xdfe,b\n" + "é,ü\n".encode() * 3)
    with pytest.raises(SourceError, match=r"header .* is not utf-8") as caught:
        opened(engine, tmp_path, "data.csv")
    assert caught.value.remedy == "Save the file in one encoding, such as UTF-8."
    (tmp_path / "plain.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match="no column c") as caught:
        opened(engine, tmp_path, "plain.csv", columns={"c": {"type": "string"}})
    assert caught.value.remedy == "Correct `columns` (new there: a, b)."


@pytest.mark.parametrize("path", ["pipe.csv", "*.csv", "nowhere.csv"])
def test_what_is_no_regular_file_is_refused_by_its_name(engine: Engine, tmp_path: Path, path: str) -> None:
    """Whoever opened the pipe would wait for ever."""
    (tmp_path / "data.csv").write_text("a\n1\n")
    os.mkfifo(tmp_path / "pipe.csv")
    if path == "nowhere.csv":
        (tmp_path / path).symlink_to(tmp_path / "pipe.csv")
    with pytest.raises(SourceError, match=r"(pipe|nowhere)\.csv.*is no regular file"):
        opened(engine, tmp_path, path)


def test_an_absolute_path_that_matches_nothing_is_told_by_itself(engine: Engine, tmp_path: Path) -> None:
    """And a URL without what may be a secret."""
    with pytest.raises(SourceError) as caught:
        opened(engine, tmp_path, "*.csv")
    assert caught.value.what == f"Source 'data': no file matches {tmp_path}/*.csv."
    with pytest.raises(SourceError) as caught:
        open_files(engine, "data", Files(path="memory://me:s3cr3t@nowhere/a.csv?key=s3cr3t"), tmp_path)
    assert "s3cr3t" not in str(caught.value)


def test_parquet_with_a_name_twice_is_refused_alike_and_times_of_a_zone_are_told(tmp_path: Path) -> None:
    pq.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), tmp_path / "twice.parquet")
    uses: list[Callable[[], object]] = [
        lambda: crewline.profile(tmp_path / "twice.parquet"),
        lambda: crewline.check(tmp_path / "twice.parquet", [NotNull(check="not_null", column="a")]),
        lambda: crewline.clean(tmp_path / "twice.parquet", tmp_path / "out"),
    ]
    for use in uses:
        with pytest.raises(SourceError, match="column 'a' stands there more than once"):
            use()
    moment = pa.array([datetime(2025, 7, 1, 12, tzinfo=UTC)], pa.timestamp("us", "Europe/Zurich"))
    pq.write_table(pa.table({"at": moment, "utc": moment.cast(pa.timestamp("us", "UTC"))}), tmp_path / "zone.parquet")
    (note,) = crewline.profile(tmp_path / "zone.parquet").notes
    assert "the times of 'at', which are of Europe/Zurich" in note


# What files have and the engine's expressions have no type for: moments to the nanosecond, as pandas writes them, times
# of day to it, what DuckDB writes as JSON, spans of time, places, UUIDs, and a column in which nothing is.
ODD = {
    "moment": ("make_timestamp_ns(1)::TIMESTAMPTZ_NS", "1970-01-01 00:00:00.000000001"),
    "time": ("'10:00:00.000000001'::TIME_NS", "10:00:00.000000001"),
    "json": ("""'{"a": 1}'::JSON""", '{"a": 1}'),
    "span": ("INTERVAL 1 day", "1 day"),
    "spans": ("[INTERVAL 1 day]", "[1 day]"),
    "place": ("'POINT(1 2)'::GEOMETRY", "POINT (1 2)"),
    "id": ("'8228ec2e-af78-405d-9e89-6a286c5a9f2f'::UUID", "8228ec2e-af78-405d-9e89-6a286c5a9f2f"),
    "nothing": ("NULL", None),
}


def test_values_of_types_that_expressions_do_not_know_are_kept(tmp_path: Path) -> None:
    values = ", ".join(f"{sql} AS {name}" for name, (sql, _) in ODD.items())
    duckdb.sql(f"COPY (SELECT 1 AS n, {values}) TO '{tmp_path / 'odd.parquet'}' (FORMAT parquet)")
    request = TransformationRequest.model_validate({"source": "odd.parquet", "output": "out"})
    done = transform_dataset(request, ToolContext(roots=(str(tmp_path),)))
    found = duckdb.sql(f"SELECT CAST(COLUMNS(* EXCLUDE n) AS VARCHAR) FROM '{done.files[0]}'")
    assert dict(zip(found.columns, found.fetchall()[0], strict=True)) == {name: text for name, (_, text) in ODD.items()}
    report = crewline.check(tmp_path / "odd.parquet", [NotNull(check="not_null", column=name) for name in ODD])
    assert [verdict.check for verdict in report.failed] == ["not_null(nothing)"]
    assert {column.name: column.missing for column in crewline.profile(tmp_path / "odd.parquet").columns}["place"] == 0


def test_what_hive_folders_say_of_text_files_is_told_to_be_left_out(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "day=1").mkdir()
    (tmp_path / "day=1" / "a.csv").write_text("id\n1\n")
    assert "say of day is left out" in opened(engine, tmp_path, "*/a.csv").notes[0]
