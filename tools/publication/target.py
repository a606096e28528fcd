"""The target on disk: a link to the version that is published.

`revenue` is a link into `.revenue.versions`, where each published version is a folder of Parquet files. Readers go
through the link; swapping it is one atomic rename, so they see the old version or the new one, whole.
"""

import csv
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, TextIO

import pyarrow.parquet as pq
from ibis.expr.types import Table

from core.errors import OutOfMemory, TargetError, WorkError
from tools.engine.duck import Form
from tools.engine.engine import Engine
from tools.engine.files import sync

Format = Literal["parquet", "json", "csv"]


def check_target(path: Path) -> None:
    """Raise TargetError unless the target can be written, and is free or was published by Crewline."""
    _not_foreign(path)
    versions = versions_dir(path)
    try:
        versions.mkdir(parents=True, exist_ok=True)
        probe = versions / f".probe-{os.getpid()}"
        probe.touch()
        # Another run of this process may look at the same moment.
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise TargetError(
            f"The target {path} cannot be written: {error.strerror or error}.",
            remedy="Make its folder writable, or name another target.",
        ) from error


def is_target(path: Path) -> bool:
    """Whether the path is a link that Crewline has published under."""
    return path.is_symlink() and path.readlink().parent == Path(versions_dir(path).name)


def _not_foreign(path: Path) -> None:
    ours = is_target(path)
    if (path.exists() or path.is_symlink()) and not ours:
        raise TargetError(
            f"The target {path} exists, and Crewline did not publish it.",
            remedy="Move it away, or name another target.",
        )


def versions_dir(path: Path) -> Path:
    """The folder of the target's versions."""
    return path.parent / f".{path.name}.versions"


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Let no other process of this machine stage or swap versions of the target in the same way meanwhile.

    Raises TargetError if one does now. It is over with the process that holds it, however that ends.
    """
    versions = versions_dir(path)
    with _lock(path, versions / ".lock") as lock:
        try:
            yield
        finally:
            if [place.name for place in versions.iterdir()] == [Path(lock.name).name]:
                # Nothing was ever published here: the folder would only be in the way.
                Path(lock.name).unlink()
                with suppress(OSError):
                    # Another process may have come by now.
                    versions.rmdir()


def _lock(path: Path, place: Path) -> TextIO:
    """The lock file, locked until it is closed."""
    while True:
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock = place.open("w")
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise TargetError(
                f"The target {path} is being written by another process.", remedy="Wait for it, or name another target."
            ) from error
        # Who held it before may have removed the file, and the folder, in the meantime.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(lock.fileno()), place.stat()):
                return lock
        lock.close()


def stage(
    engine: Engine, rows: Table, path: Path, version: str, partition_by: tuple[str, ...], form: Format = "parquet"
) -> Path:
    """Write a version beside the target, durably, not yet visible; return its folder.

    One file in the order of the rows; with `partition_by`, Hive folders such as `month=2025-03/`. The same rows give
    the same bytes. CSV has a header line, JSON one object a line. Raises TargetError when it cannot be written.
    """
    with _staging(path, version) as folder:
        if form == "parquet":
            _write_parquet(engine, rows, folder, partition_by)
        else:
            _export(engine, rows, folder, partition_by, form)
    return folder


def stage_files(files: list[Path], path: Path, version: str) -> Path:
    """Stage Parquet files as they are, in their order, as `stage` does with rows; those without rows are left out."""
    full = [file for file in files if pq.read_metadata(file).num_rows] or files[:1]
    digits = len(str(len(full) - 1))
    with _staging(path, version) as folder:
        for index, file in enumerate(full):
            shutil.copyfile(file, folder / f"data_{index:0{digits}}.parquet")
    return folder


@contextmanager
def _staging(path: Path, version: str) -> Iterator[Path]:
    """A new folder for a version, which is durable when the block ends. Raises TargetError where it cannot be."""
    folder = versions_dir(path) / version
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        yield folder
        for place in [*folder.rglob("*"), folder, folder.parent]:
            sync(place)
    except OutOfMemory:
        raise
    except (OSError, WorkError) as error:
        raise TargetError(
            f"The target {path} cannot be written: {error}.",
            remedy="Free the disk, or make its folder writable.",
        ) from error


def _write_parquet(engine: Engine, rows: Table, folder: Path, partition_by: tuple[str, ...]) -> None:
    if partition_by:
        engine.write_partitioned(rows, folder, partition_by)
    if not any(folder.iterdir()):
        # Without rows there is no partition either, and still a reader must find the columns.
        engine.write(rows, folder / "data_0.parquet")


def _export(engine: Engine, rows: Table, folder: Path, partition_by: tuple[str, ...], form: Form) -> None:
    with engine.translating():
        if partition_by:
            engine.in_process.export(rows, folder, form, partition_by)
        if not any(folder.iterdir()):
            engine.in_process.export(rows, folder / f"data_0.{form}", form)


def count_rows(folder: Path, form: Format = "parquet") -> int:
    """The rows of a version: from the footers of Parquet files, the lines of JSON, the records of CSV."""
    counts = {"parquet": lambda file: pq.read_metadata(file).num_rows, "json": _count_lines, "csv": _count_records}
    return sum(counts[form](file) for file in folder.rglob(f"*.{form}"))


def _count_lines(file: Path) -> int:
    with file.open("rb") as content:
        return sum(block.count(b"\n") for block in iter(lambda: content.read(1 << 20), b""))


def _count_records(file: Path) -> int:
    # A value may go over several lines; cells are not looked at.
    with file.open(newline="", encoding="utf-8") as content:
        return sum(1 for _ in csv.reader(content)) - 1


def swap(path: Path, folder: Path) -> None:
    """Make a staged version the published one. Atomic; harmless to do twice.

    Raises TargetError if something else has come to stand there.
    """
    _not_foreign(path)
    link = versions_dir(path) / f".link-{folder.name}"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(versions_dir(path).name) / folder.name)
    # A relative link is resolved from where it stands: beside the versions, not among them.
    os.replace(link, path)
    sync(path.parent)


def published(path: Path) -> Path | None:
    """The folder of the version that is published now."""
    return path.resolve() if path.is_symlink() else None


def remove(path: Path, names: set[str]) -> int:
    """Remove versions of the target by name, but never the one that is published now; return the bytes freed."""
    current = published(path)
    freed = 0
    for name in sorted(names):
        folder = versions_dir(path) / name
        if folder.is_dir() and folder.resolve() != current:
            freed += sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
            shutil.rmtree(folder)
    return freed
