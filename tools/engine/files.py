"""Files, local or behind any fsspec protocol, and what makes writing them durable."""

import glob
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from pydantic import BaseModel, ConfigDict


class SourceFile(BaseModel):
    """A file of a source as it was when the run was planned. `index` is its number in the source."""

    model_config = ConfigDict(frozen=True)

    index: int
    path: str
    size: int
    modified: str


def find(pattern: str, base_dir: str) -> list[SourceFile]:
    """The files that a path or glob names, in the order of their names. Relative ones stand under `base_dir`."""
    # Only the pattern is one: a folder that is named `a[1]` is no choice of letters.
    url = pattern if "://" in pattern or Path(pattern).is_absolute() else str(Path(glob.escape(base_dir)) / pattern)
    fs, path = fsspec.core.url_to_fs(url)
    found = [path] if fs.isfile(path) else sorted(fs.glob(path)) if any(c in path for c in "*?[") else []
    return [_describe(fs, name, index) for index, name in enumerate(n for n in found if fs.isfile(n))]


def refresh(file: SourceFile) -> SourceFile | None:
    """The same file as it is now, or None if it is gone."""
    fs, path = fsspec.core.url_to_fs(file.path)
    return _describe(fs, path, file.index) if fs.isfile(path) else None


def open_file(path: str, mode: str = "rb", **options: Any) -> Any:
    """Open through fsspec."""
    return fsspec.open(path, mode, **options).open()


def sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, onto the disk: a commit must not be more durable than its data."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _describe(fs: Any, path: str, index: int) -> SourceFile:
    info = fs.info(path)
    modified = info.get("mtime") or info.get("LastModified") or info.get("updated") or ""
    if isinstance(modified, float):
        modified = datetime.fromtimestamp(modified, UTC)
    return SourceFile(
        index=index,
        path=fs.unstrip_protocol(path).removeprefix("file://"),
        size=info["size"],
        modified=str(modified),
    )
