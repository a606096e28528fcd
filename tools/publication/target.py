"""The target on disk: a link to the version that is published.

`revenue` is a link into `.revenue.versions`, where each published version is a folder of Parquet files. Readers go
through the link; swapping it is one atomic rename, so they see the old version or the new one, whole.
"""

import os
import shutil
from pathlib import Path

import pyarrow.parquet as pq
from ibis.expr.types import Table

from core.errors import OutOfMemory, TargetError, WorkError
from tools.engine.engine import Engine
from tools.engine.files import sync


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


def _not_foreign(path: Path) -> None:
    ours = path.is_symlink() and path.readlink().parent == Path(versions_dir(path).name)
    if (path.exists() or path.is_symlink()) and not ours:
        raise TargetError(
            f"The target {path} exists, and Crewline did not publish it.",
            remedy="Move it away, or name another target.",
        )


def versions_dir(path: Path) -> Path:
    """The folder of the target's versions."""
    return path.parent / f".{path.name}.versions"


def stage(engine: Engine, rows: Table, path: Path, version: str, partition_by: tuple[str, ...]) -> Path:
    """Write a version beside the target, durably, not yet visible; return its folder.

    One file in the order of the rows; with `partition_by`, Hive folders such as `month=2025-03/`. The same rows give
    the same bytes. Raises TargetError when it cannot be written.
    """
    folder = versions_dir(path) / version
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if partition_by:
            engine.write_partitioned(rows, folder, partition_by)
        if not any(folder.iterdir()):
            # Without rows there is no partition either, and still a reader must find the columns.
            engine.write(rows, folder / "data_0.parquet")
        for place in [*folder.rglob("*"), folder, folder.parent]:
            sync(place)
    except OutOfMemory:
        raise
    except (OSError, WorkError) as error:
        raise TargetError(
            f"The target {path} cannot be written: {error}.",
            remedy="Free the disk, or make its folder writable.",
        ) from error
    return folder


def count_rows(folder: Path) -> int:
    """The rows of a version, from the footers of its files."""
    return sum(pq.read_metadata(file).num_rows for file in folder.rglob("*.parquet"))


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
