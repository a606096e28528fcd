"""Files, local or behind any fsspec protocol, and what makes writing them durable."""

import glob
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from pydantic import BaseModel, ConfigDict

from core.errors import SourceError


class SourceFile(BaseModel):
    """A file of a source as it was when the run was planned. `index` is its number in the source.

    `dialect` has how it is to be read where that is otherwise than its source says: `delimiter`, `encoding`.
    """

    model_config = ConfigDict(frozen=True)

    index: int
    path: str
    size: int
    modified: str
    dialect: dict[str, str] = {}


def find(pattern: str, base_dir: str) -> list[SourceFile]:
    """The files that a path or glob names, in the order of their names. Relative ones stand under `base_dir`.

    Raises SourceError for what is neither a file nor a folder.
    """
    # Only the pattern is one: a folder that is named `a[1]` is no choice of letters.
    url = pattern if "://" in pattern or Path(pattern).is_absolute() else str(Path(glob.escape(base_dir)) / pattern)
    fs, path = fsspec.core.url_to_fs(url)
    found = [path] if fs.exists(path) else sorted(fs.glob(path)) if any(c in path for c in "*?[") else []
    files = {name: info for name in found if (info := fs.info(name))["type"] != "directory"}
    for name, info in files.items():
        check_regular(name, info)
    return [_describe(fs, name, info, index) for index, (name, info) in enumerate(files.items())]


def check_regular(path: str, info: dict[str, Any]) -> None:
    """Raise SourceError unless fsspec's `info` is that of a file: what pipes give has no end, or is gone once read."""
    if info["type"] != "file":
        raise SourceError(
            path,
            "it is no regular file, but a pipe, a socket, a device or a link that leads nowhere.",
            remedy="Leave it out, or write what it gives into a file.",
        )


def refresh(file: SourceFile) -> SourceFile | None:
    """The same file as it is now, or None if it is gone."""
    fs, path = fsspec.core.url_to_fs(file.path)
    if not fs.isfile(path):
        return None
    return _describe(fs, path, fs.info(path), file.index).model_copy(update={"dialect": file.dialect})


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


def _describe(fs: Any, path: str, info: dict[str, Any], index: int) -> SourceFile:
    modified = info.get("mtime") or info.get("LastModified") or info.get("updated") or ""
    if isinstance(modified, float):
        modified = datetime.fromtimestamp(modified, UTC)
    return SourceFile(
        index=index,
        path=fs.unstrip_protocol(path).removeprefix("file://"),
        size=info["size"],
        modified=str(modified),
    )
