"""Commits that are disturbed: killed in the middle, or given other files than were asked for."""

import os
import signal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.errors import Refused, SourceError
from tests import warm
from tools.context import ToolContext
from tools.quality.cleaning import cleaning
from tools.transformation import transformation
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import transform_dataset

KILLED = """
import os, signal, sys

true, moment = os.replace, sys.argv[2]


def killing(*paths):
    if moment == "after":
        true(*paths)
    os.kill(os.getpid(), signal.SIGKILL)


os.replace = killing
"""

TRANSFORM = """
from tools.context import ToolContext
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import transform_dataset

transform_dataset(TransformationRequest(source="a.parquet", output="out"), ToolContext(roots=(sys.argv[1],)))
"""

CLEAN = """
from tools.quality.cleaning.cleaning import clean

clean(sys.argv[1] + "/a.parquet", sys.argv[1] + "/clean")
"""


def transform(folder: Path) -> None:
    transform_dataset(TransformationRequest(source="a.parquet", output="out"), ToolContext(roots=(str(folder),)))


def killed(code: str, folder: Path, moment: str) -> None:
    done = warm.python(KILLED + code, folder, str(folder), moment)
    assert done.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("moment", "found"), [("before", 1), ("after", 2)])
def test_a_transformation_killed_at_its_commit_leaves_the_old_result_or_the_new(
    tmp_path: Path, moment: str, found: int
) -> None:
    pq.write_table(pa.table({"a": [1] * 10}), tmp_path / "a.parquet")
    transform(tmp_path)
    pq.write_table(pa.table({"a": [2] * 10}), tmp_path / "a.parquet")
    killed(TRANSFORM, tmp_path, moment)
    assert pq.read_table(tmp_path / "out")["a"].to_pylist() == [found] * 10
    transform(tmp_path)
    assert pq.read_table(tmp_path / "out")["a"].to_pylist() == [2] * 10
    assert not list((tmp_path / ".out.versions").glob(".work-*"))


def test_a_cleaning_killed_before_all_is_written_leaves_the_old_files(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": ["x", "y"] * 10}), tmp_path / "a.parquet")
    cleaning.clean(tmp_path / "a.parquet", tmp_path / "clean")
    before = {file.name: file.read_bytes() for file in (tmp_path / "clean").iterdir()}
    pq.write_table(pa.table({"a": ["z"] * 10}), tmp_path / "a.parquet")
    killed(CLEAN, tmp_path, "before")
    assert {name: (tmp_path / "clean" / name).read_bytes() for name in before} == before
    cleaning.clean(tmp_path / "a.parquet", tmp_path / "clean")
    assert sorted(file.name for file in (tmp_path / "clean").iterdir()) == sorted(before)


@pytest.mark.parametrize(("elsewhere", "error"), [("outside", Refused), ("root", SourceError)])
def test_a_link_put_in_the_place_of_a_file_while_it_is_read_keeps_the_result_from_being_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: str, error: type[Exception]
) -> None:
    for name in ("root", "outside"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"a": [1, 2, 3]}), tmp_path / name / "secret.parquet")
    root = tmp_path / "root"
    pq.write_table(pa.table({"a": [1]}), root / "a.parquet")
    opened = transformation.opened

    def swapping(*given: object) -> object:
        found = opened(*given)  # type: ignore[arg-type]
        (root / "link").symlink_to(tmp_path / elsewhere / "secret.parquet")
        os.replace(root / "link", root / "a.parquet")
        return found

    monkeypatch.setattr(transformation, "opened", swapping)
    with pytest.raises(error):
        transform(root)
    assert not (root / "out").exists()
