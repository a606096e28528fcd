"""ToolContext: its bounds hold, whatever is asked."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.classification import Classification
from core.errors import Interrupted, Refused
from core.stop import Stop
from tools.context import ToolContext
from tools.engine.limits import Limits


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    (tmp_path / "lake" / "raw").mkdir(parents=True)
    (tmp_path / "lake" / "raw" / "orders.csv").write_text("id\n1\n")
    (tmp_path / "lakehouse").mkdir()
    (tmp_path / "secret.csv").write_text("id\n1\n")
    return tmp_path / "lake"


def test_a_path_below_a_root_is_given_absolute(lake: Path) -> None:
    context = ToolContext(roots=(str(lake),))
    file = str(lake / "raw" / "orders.csv")
    assert context.path("raw/orders.csv") == file
    assert context.path(file) == file
    assert context.path("file://" + file) == file
    assert context.path("raw/../raw/./orders.csv") == file
    assert context.path("raw/new.parquet") == str(lake / "raw" / "new.parquet")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.csv",
        "raw/../../secret.csv",
        "../lakehouse/a.csv",
        "/etc/passwd",
        "file:///etc/passwd",
        "simplecache::file:///etc/passwd",
        "zip://a.csv::../secret.zip",
        "s3://lake/a.csv",
        "http://localhost/a.csv",
        "raw/a.csv\0.parquet",
        "",
        "   ",
        "a" * 5000,
    ],
)
def test_a_path_outside_of_the_roots_is_refused_by_name(lake: Path, path: str) -> None:
    with pytest.raises(Refused, match="Refused to analyst") as caught:
        ToolContext(agent="analyst", roots=(str(lake),)).path(path)
    assert caught.value.remedy


def test_a_link_that_leads_out_of_the_roots_is_refused(lake: Path) -> None:
    (lake / "out").symlink_to(lake.parent)
    (lake / "orders.csv").symlink_to(lake / "raw" / "orders.csv")
    context = ToolContext(roots=(str(lake),))
    assert context.path("orders.csv") == str(lake / "raw" / "orders.csv")
    with pytest.raises(Refused):
        context.path("out/secret.csv")


def test_a_path_that_leads_nowhere_is_refused(lake: Path) -> None:
    """Links in a circle, and text that no file system can have as a name."""
    (lake / "a").symlink_to(lake / "b")
    (lake / "b").symlink_to(lake / "a")
    for path in ("a/orders.csv", "\ud800.csv"):
        with pytest.raises(Refused, match="leads nowhere"):
            ToolContext(roots=(str(lake),)).path(path)


def test_a_root_that_is_a_link_holds_what_it_leads_to(lake: Path) -> None:
    (lake.parent / "link").symlink_to(lake)
    assert ToolContext(roots=(str(lake.parent / "link"),)).path("raw") == str(lake / "raw")


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("s3://lake/raw/2025/a.parquet", True),
        ("S3://lake/raw/a.parquet", True),
        ("s3://lake/raw", True),
        ("s3://lake/rawer/a.parquet", False),
        ("s3://lake/raw/../secret/a.parquet", False),
        ("s3://lake/raw/%2e%2e/secret/a.parquet", False),
        ("s3://other/raw/a.parquet", False),
        ("gs://lake/raw/a.parquet", False),
    ],
)
def test_a_url_is_compared_part_by_part_with_the_url_roots(url: str, allowed: bool) -> None:
    context = ToolContext(roots=("s3://lake/raw",))
    if allowed:
        assert context.path(url).startswith("s3://lake/raw")
    else:
        with pytest.raises(Refused):
            context.path(url)


@given(parts=st.lists(st.sampled_from(["..", ".", "raw", "x", "out", "", "~", "*", "file:", "//"]), max_size=8))
def test_no_combination_of_parts_leads_out_of_a_root(
    tmp_path_factory: pytest.TempPathFactory, parts: list[str]
) -> None:
    root = tmp_path_factory.getbasetemp() / "root"
    (root / "raw").mkdir(parents=True, exist_ok=True)
    if not (root / "out").is_symlink():
        (root / "out").symlink_to("/")
    try:
        place = ToolContext(roots=(str(root),)).path("/".join(parts))
    except Refused:
        return
    assert os.path.commonpath([root.resolve(), os.path.realpath(place)]) == str(root.resolve())


def test_without_roots_the_working_directory_is_the_root(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(lake)
    context = ToolContext()
    assert context.path("raw") == str(lake / "raw")
    with pytest.raises(Refused):
        context.path(str(lake.parent / "secret.csv"))


def test_a_relative_root_stands_under_the_working_directory(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one in which the context was made."""
    monkeypatch.chdir(lake)
    context = ToolContext(roots=("raw",))
    monkeypatch.chdir(lake.parent)
    assert context.path("orders.csv") == str(lake / "raw" / "orders.csv")
    assert context.path(str(lake / "raw")) == str(lake / "raw")
    with pytest.raises(Refused):
        context.path("../orders.csv")


@pytest.mark.parametrize("clearance", list(Classification))
@pytest.mark.parametrize("classification", [*Classification, None])
def test_data_above_the_clearance_is_refused(clearance: Classification, classification: Classification | None) -> None:
    order = ["public", "internal", "confidential", "restricted"]
    context = ToolContext(clearance=clearance)
    if order.index(classification or "internal") > order.index(clearance):
        with pytest.raises(Refused, match="'salaries' is"):
            context.admit("salaries", classification)
    else:
        context.admit("salaries", classification)


def test_more_resources_than_the_limits_are_refused() -> None:
    context = ToolContext(limits=Limits(threads=2, memory_mb=256))
    assert context.within(None) == Limits(threads=2, memory_mb=256)
    assert context.within(Limits(threads=1, memory_mb=128)) == Limits(threads=1, memory_mb=128)
    with pytest.raises(Refused, match="memory_mb 512 is over the limit of 256"):
        context.within(Limits(threads=1, memory_mb=512))
    with pytest.raises(Refused, match="threads 3 is over the limit of 2"):
        context.within(Limits(threads=3, memory_mb=128))


def test_a_call_that_takes_too_long_is_stopped() -> None:
    with ToolContext(timeout_s=0.05).deadline() as stop, pytest.raises(Interrupted, match=r"may take 0\.05 s"):
        stop.wait(10)


def test_a_deadline_within_another_stop_ends_with_that_and_gives_its_reason() -> None:
    outer = Stop()
    with ToolContext().deadline(outer) as stop:
        stop.check()
        outer.request("the run stops")
        with pytest.raises(Interrupted, match="the run stops"):
            stop.check()
    with pytest.raises(Interrupted, match="the run stops"), ToolContext().deadline(outer):
        pytest.fail("a stop that was requested before lets nothing begin")


def test_a_context_does_not_change_once_it_is_given() -> None:
    with pytest.raises(ValueError, match="frozen"):
        ToolContext().roots = ("/",)  # type: ignore[misc]
    with pytest.raises(ValueError, match="Extra inputs"):
        ToolContext(root="/")  # type: ignore[call-arg]


def test_a_root_may_be_all_that_a_protocol_reaches() -> None:
    context = ToolContext(roots=("s3://",))
    assert context.path("s3://lake/raw/a.parquet") == "s3://lake/raw/a.parquet"
    with pytest.raises(Refused):
        context.path("gs://lake/raw/a.parquet")
