"""Files and lakes as sources: what is one dataset, what is known of it, what is read to know it."""

import gzip
import json
import os
import shutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import boto3
import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer
from s3fs import S3FileSystem

from core.errors import InputError, SourceError
from tools.context import ToolContext
from tools.discovery.adapters import Adapter, adapter
from tools.discovery.dataset import Description, SourceType, merge
from tools.engine.session import session
from tools.sources.opening import Files, open_files
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import transform_dataset


def described(source: Adapter) -> dict[str, Description]:
    """The datasets of a source by their names, each from all its parts."""
    pieces: dict[str, list[Description]] = {}
    for part in source.parts():
        for piece in source.read(part.name):
            pieces.setdefault(piece.location, []).append(piece)
    return {found[0].name: merge(found) for found in pieces.values()}


def types(dataset: Description) -> dict[str, str]:
    return {column.name: column.type for column in dataset.columns}


def parquet(path: Path, **columns: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)


def test_hive_folders_are_one_dataset_with_their_keys_as_columns(tmp_path: Path) -> None:
    for month in ("01", "02"):
        parquet(tmp_path / "sales" / "year=2025" / f"month={month}" / "data_0.parquet", id=[1, 2], price=[1.5, None])
    (found,) = described(adapter(str(tmp_path))).values()
    assert (found.name, found.location) == ("sales", str(tmp_path / "sales"))
    assert found.partition_keys == ("year", "month")
    assert types(found) == {"id": "int64", "price": "float64", "year": "int64", "month": "string"}
    assert (found.rows, found.rows_estimated, found.files, found.source_type) == (4, False, 2, SourceType.DATA_LAKE)
    assert found.compression == "snappy"
    assert found.columns[1].null_share == 0.5
    assert found.quality == 0.75


def test_numbered_files_are_one_dataset_whose_location_stays_when_another_one_comes(tmp_path: Path) -> None:
    (tmp_path / "orders_2025-01.csv").write_text("id,day\n1,2025-01-02\n")
    before = described(adapter(str(tmp_path)))
    (tmp_path / "orders_2025-02.csv").write_text("id,day\n2,2025-02-02\n3,\n")
    (tmp_path / "customers.csv").write_text("id;name\n1;Ada\n")
    after = described(adapter(str(tmp_path)))
    assert before["orders"].location == after["orders"].location == str(tmp_path / "orders_*.csv")
    assert (after["orders"].rows, after["orders"].files) == (3, 2)
    assert types(after["orders"]) == {"id": "int64", "day": "date"}
    assert types(after["customers"]) == {"id": "int64", "name": "string"}
    assert after["customers"].source_type is SourceType.FILE_SYSTEMS


def test_files_that_engines_number_have_the_name_of_their_folder(tmp_path: Path) -> None:
    parquet(tmp_path / "events" / "part-00000-0b0a7b3e-1c2d-4e5f-8a9b-0123456789ab.snappy.parquet", id=[1])
    parquet(tmp_path / "events" / "part-00001-1b0a7b3e-1c2d-4e5f-8a9b-0123456789ab.snappy.parquet", id=[2])
    (tmp_path / "events" / "_SUCCESS").write_text("")
    assert [(name, found.files) for name, found in described(adapter(str(tmp_path))).items()] == [("events", 2)]


def test_a_parquet_file_is_described_by_its_footer_alone(tmp_path: Path) -> None:
    """Every byte of its data pages is overwritten, and nothing is missed."""
    path = tmp_path / "t.parquet"
    parquet(path, id=list(range(50_000)))
    content = bytearray(path.read_bytes())
    footer = int.from_bytes(content[-8:-4], "little") + 8
    content[4:-footer] = bytes(len(content) - footer - 4)
    path.write_bytes(content)
    assert described(adapter(str(tmp_path)))["t"].rows == 50_000


def test_of_a_large_text_file_a_head_is_read_and_rows_are_estimated(tmp_path: Path) -> None:
    rows = 60_000
    (tmp_path / "t.csv").write_text("id,name\n" + "".join(f"{n:06d},name of {n:06d}\n" for n in range(rows)))
    (tmp_path / "j.jsonl").write_text("".join(json.dumps({"id": n, "name": f"{n:08d}"}) + "\n" for n in range(rows)))
    found = described(adapter(str(tmp_path)))
    for name in ("t", "j"):
        assert found[name].rows_estimated
        assert found[name].rows == pytest.approx(rows, rel=0.05)
        assert (found[name].measured_rows or 0) < rows / 2


def test_json_is_sniffed_by_line_in_arrays_and_compressed(tmp_path: Path) -> None:
    records = [{"id": 1, "at": "2025-01-02T03:04:05Z", "tags": ["a"]}, {"id": 2.5, "at": None, "who": {"name": "x"}}]
    (tmp_path / "array.json").write_text(json.dumps(records))
    with gzip.open(tmp_path / "lines.jsonl.gz", "wt") as file:
        file.write("\n".join(map(json.dumps, records)))
    found = described(adapter(str(tmp_path)))
    expected = {"id": "float64", "at": "timestamp", "tags": "array<string>", "who": "struct<name: string>"}
    assert types(found["array"]) == types(found["lines"]) == expected
    assert found["lines"].compression == "gzip"
    assert [column.null_share for column in found["array"].columns] == [0, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("content", "columns", "fault"),
    [
        ("größe;e-mail,x;c\n1;a,b;2\n".encode("latin-1"), ["größe", "e-mail,x", "c"], None),
        ("größe,b\né,ü\n".encode() + b"\xff,1\n", ["größe", "b"], "1 of 2 lines"),
        ("a|b\n1|é\n".encode("utf-16"), ["a", "b"], None),
        (b"a,b;c\n1,2;3\n4,5;6\n", ["a", "b;c"], None),
    ],
    ids=["Latin-1", "a broken line", "UTF-16", "two marks"],
)
def test_a_crawl_reads_a_delimited_file_as_whoever_opens_it(
    tmp_path: Path, content: bytes, columns: list[str], fault: str | None
) -> None:
    (tmp_path / "data.csv").write_bytes(content)
    (found,) = described(adapter(str(tmp_path))).values()
    assert [column.name for column in found.columns] == columns
    assert found.fault is None if fault is None else fault in (found.fault or "")
    with session() as (engine, scratch):
        opened = open_files(engine, "data", Files(path=str(tmp_path / "data.csv")), scratch)
        assert list(opened.cells(engine).columns) == columns
        assert (opened.records, len(opened.unreadable)) == (found.rows, 1 if fault else 0)


def test_torn_files_are_told_and_the_others_described(tmp_path: Path) -> None:
    parquet(tmp_path / "good.parquet", id=[1])
    (tmp_path / "torn.parquet").write_bytes((tmp_path / "good.parquet").read_bytes()[:-20])
    (tmp_path / "half.csv").write_text("id,name\n1,a\n2")
    (tmp_path / "binary.csv").write_bytes(b"\0\1\2")
    (tmp_path / "half.json").write_text('[{"id": 1}, {"id"')
    (tmp_path / "no.json").write_text("{no json")
    (tmp_path / "empty.csv").write_text("")
    source = adapter(str(tmp_path))
    outcomes = {}
    for part in source.parts():
        try:
            outcomes[Path(part.name).name] = source.read(part.name)[0].fault
        except SourceError as error:
            outcomes[Path(part.name).name] = type(error).__name__
    assert outcomes == {
        "good.parquet": None,
        "torn.parquet": "SourceError",
        "half.csv": f"1 of 2 lines in {tmp_path}/half.csv are no records.",
        "binary.csv": "SourceError",
        "half.json": f"1 of 2 records in {tmp_path}/half.json are no JSON objects.",
        "no.json": "SourceError",
        "empty.csv": "SourceError",
    }


def test_pipes_and_devices_are_told_and_the_others_described(tmp_path: Path) -> None:
    """Whoever opened one would wait for ever, or read without end."""
    parquet(tmp_path / "t_1.parquet", id=[1])
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "t_0.parquet")
    os.mkfifo(tmp_path / "t.duckdb")
    source = adapter(str(tmp_path))
    parts = {Path(part.name).name: part.name for part in source.parts()}
    assert list(parts) == ["pipe.csv", "t_0.parquet", "t_1.parquet"]
    for name in ("pipe.csv", "t_0.parquet"):
        with pytest.raises(SourceError, match="no regular file"):
            source.read(parts[name])
    sample = source.sample(source.read(parts["t_1.parquet"])[0], ["id"], 10)
    assert sample is not None
    for alone in (str(tmp_path / "pipe.csv"), str(tmp_path / "t.duckdb"), "/dev/zero"):
        with pytest.raises(SourceError, match="no regular file"):
            list(adapter(alone).parts())


def test_a_file_of_another_kind_and_a_pattern_are_no_sources(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("a note")
    with pytest.raises(SourceError, match="not that of a data file"):
        list(adapter(str(tmp_path / "notes.txt")).parts())
    with pytest.raises(SourceError, match="no such folder") as caught:
        list(adapter(str(tmp_path / "*.csv")).parts())
    assert caught.value.remedy == f"Patterns are not followed: crawl {tmp_path}, and what is bad in it is told."


def test_links_are_followed_within_the_source_and_not_out_of_it(tmp_path: Path) -> None:
    parquet(tmp_path / "lake" / ".t.versions" / "1" / "part.parquet", id=[1])
    parquet(tmp_path / "secret" / "s.parquet", id=[1])
    (tmp_path / "lake" / "t").symlink_to(tmp_path / "lake" / ".t.versions" / "1")
    (tmp_path / "lake" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "lake" / "file.parquet").symlink_to(tmp_path / "secret" / "s.parquet")
    (tmp_path / "lake" / "loop").symlink_to(tmp_path / "lake")
    (tmp_path / "lake" / "nowhere.csv").symlink_to(tmp_path / "gone.csv")
    parts = [part.name for part in adapter(str(tmp_path / "lake")).parts()]
    assert parts == [str(tmp_path / "lake" / "t" / "part.parquet")]


def test_a_delta_table_is_one_dataset_known_from_its_log(tmp_path: Path) -> None:
    """Its data files are taken away: only the log is read. A new version of the table is a new version of the part."""
    place = tmp_path / "clicks"
    write_deltalake(place, pa.table({"id": [1, 2], "who": ["a", None]}), name="clicks", description="What was clicked")
    source = adapter(str(tmp_path))
    (before,) = source.parts()
    write_deltalake(place, pa.table({"id": [3], "who": ["c"]}), mode="append")
    (after,) = source.parts()
    assert before.name == after.name
    assert before.version != after.version
    shutil.move(next(place.glob("*.parquet")), tmp_path / "away")
    found = described(source)["clicks"]
    assert (found.format, found.rows, found.files, found.description) == ("delta", 3, 2, "What was clicked")
    assert [column.null_share for column in found.columns] == [0, pytest.approx(1 / 3)]
    assert found.updated_at is not None


def test_an_iceberg_table_is_told_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "t" / "metadata").mkdir(parents=True)
    (tmp_path / "t" / "metadata" / "00000-a.metadata.json").write_text("{}")
    parquet(tmp_path / "t" / "data" / "f.parquet", id=[1])
    source = adapter(str(tmp_path))
    (part,) = source.parts()
    with pytest.raises(SourceError, match="Iceberg"):
        source.read(part.name)


def test_a_folder_that_is_not_there_is_an_error_and_an_unknown_scheme_too(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such folder"):
        list(adapter(str(tmp_path / "none")).parts())
    with pytest.raises(InputError, match="Nothing here reads 'gopher://'"):
        adapter("gopher://host/data")


def test_another_package_adds_a_scheme_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an installed distribution does: a module, and a metadata folder that names it."""
    (tmp_path / "ftp_sheets.py").write_text(
        "from tools.discovery.adapters import Part\n"
        "class Sheets:\n"
        "    def __init__(self, url): self.source = url\n"
        "    def parts(self): return [Part(self.source + '/one', '1')]\n"
    )
    info = tmp_path / "sheets-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sheets\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crewline.adapters]\nsheets = ftp_sheets:Sheets\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    # What is installed is looked up once in a process.
    import_module("tools.discovery.adapters.adapter")._added.cache_clear()
    assert [part.name for part in adapter("sheets://book").parts()] == ["sheets://book/one"]


@pytest.fixture(scope="module")
def store() -> Iterator[Any]:
    """An S3 server, and a client of it. What s3fs needs to find it is in the environment."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    environment = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
    }
    os.environ.update(environment)
    # It keeps clients by their arguments, and would keep one of another test's server.
    S3FileSystem.clear_instance_cache()
    yield boto3.client("s3", endpoint_url=url)
    for name in environment:
        del os.environ[name]
    S3FileSystem.clear_instance_cache()
    server.stop()


def test_a_lake_in_an_object_store_is_read_over_the_wire(store: Any, tmp_path: Path) -> None:
    """Hive folders, footers, and text; a version that changes with the object, and stays where it stays."""
    store.create_bucket(Bucket="lake")
    parquet(tmp_path / "f.parquet", id=[1, 2, 3], name=["a", "b", None])
    for day in ("2025-01-01", "2025-01-02"):
        store.upload_file(str(tmp_path / "f.parquet"), "lake", f"raw/orders/day={day}/f.parquet")
    store.put_object(Bucket="lake", Key="raw/people.csv", Body=b"id,name\n1,Ada\n")
    source = adapter("s3://lake/raw")
    found = described(source)
    assert source.source == "s3://lake/raw"
    assert {name: dataset.location for name, dataset in found.items()} == {
        "orders": "s3://lake/raw/orders",
        "people": "s3://lake/raw/people.csv",
    }
    assert (found["orders"].rows, found["orders"].partition_keys) == (6, ("day",))
    assert found["people"].source_type is SourceType.DATA_LAKE
    assert found["people"].updated_at is not None
    before = {part.name: part.version for part in source.parts()}
    store.put_object(Bucket="lake", Key="raw/people.csv", Body=b"id,name\n1,Eva\n")
    after = {part.name: part.version for part in source.parts()}
    assert [name for name in after if before[name] != after[name]] == ["s3://lake/raw/people.csv"]
    sample = source.sample(found["orders"], ["id"], 2)
    assert sample is not None
    assert sample.column("id").to_pylist() == [1, 2]


def test_a_bucket_that_is_not_there_is_an_error(store: Any) -> None:
    with pytest.raises(SourceError):
        list(adapter("s3://nobodys-bucket/raw").parts())


def test_a_sample_is_read_from_the_first_file_that_has_the_column(tmp_path: Path) -> None:
    (tmp_path / "t_1.csv").write_text("id\n1\n")
    (tmp_path / "t_2.csv").write_text("id,name\n2,b\n")
    parquet(tmp_path / "p" / "part-0.parquet", id=[1])
    parquet(tmp_path / "p" / "part-1.parquet", id=[2], name=["b"])
    source = adapter(str(tmp_path))
    for found in described(source).values():
        sample = source.sample(found, ["name"], 10)
        assert sample is not None
        assert sample.column("name").to_pylist() == ["b"]


def test_json_nested_without_end_is_no_records_or_shown_to_a_depth(tmp_path: Path) -> None:
    (tmp_path / "bomb.json").write_text("[" * 100_000)
    (tmp_path / "deep.jsonl").write_text('{"a": ' * 300 + "1" + "}" * 300)
    source = adapter(str(tmp_path))
    bomb, deep = sorted(part.name for part in source.parts())
    with pytest.raises(SourceError, match="no JSON objects"):
        source.read(bomb)
    (column,) = source.read(deep)[0].columns
    assert column.type == "struct<a: struct<a: struct<a: struct<a: struct>>>>"


def test_every_kind_of_file_in_an_object_store_is_transformed_and_what_comes_later_is_seen(
    store: Any, tmp_path: Path
) -> None:
    store.create_bucket(Bucket="till")
    parquet(tmp_path / "f.parquet", id=[1, 2, 3])
    store.upload_file(str(tmp_path / "f.parquet"), "till", "raw/orders/day=1/f.parquet")
    store.put_object(Bucket="till", Key="raw/people-1.csv", Body=b"id,name\n1,Ada\n2,Eva\n")
    store.put_object(Bucket="till", Key="raw/events.jsonl", Body=b'{"id": 1}\n')

    def records(path: str) -> int:
        request = TransformationRequest(source=f"s3://till/raw/{path}", output="out")
        return transform_dataset(request, ToolContext(roots=("s3://till/raw", str(tmp_path)))).records

    assert [records(path) for path in ("orders", "people-*.csv", "events.jsonl")] == [3, 2, 1]
    store.put_object(Bucket="till", Key="raw/people-2.csv", Body=b"id,name\n3,Ann\n")
    assert records("people-*.csv") == 3


class Torn(MemoryFileSystem):
    """A file system whose files cannot be read to their ends, with an error of its own."""

    protocol = "torn"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    def _open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        file = super()._open(path, mode, **options)
        if mode == "rb":
            file.read = lambda *_: throw(LookupError("the line is dead"))
        return file


def throw(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_an_error_of_a_file_systems_own_comes_out_as_that_of_the_source(name: str, tmp_path: Path) -> None:
    fsspec.register_implementation("torn", Torn, clobber=True)
    with fsspec.open(f"torn://raw/{name}", "wb") as file:
        file.write(b"id\n" + b"1\n" * 50)
    request = TransformationRequest(source=f"torn://raw/{name}", output="out")
    with pytest.raises(SourceError, match="LookupError: the line is dead"):
        transform_dataset(request, ToolContext(roots=("torn://raw", str(tmp_path))))
