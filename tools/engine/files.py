"""Files, local or behind any fsspec protocol, and what makes writing them durable."""

import errno
import glob
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec
from pydantic import BaseModel, ConfigDict

from core.errors import CrewlineError, SourceError
from tools.engine.delta import current
from tools.url import public


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

    What begins with a dot is found only if the glob writes the dot, and `**` passes over folders that begin with an
    underscore, unless they are Hive's: programs keep their own there, such as versions that have been replaced. Of a
    Delta table, the files of its current version are found.

    Raises SourceError for what is neither a file nor a folder, OSError where they are out of reach.
    """
    # Only the pattern is one: a folder that is named `a[1]` is no choice of letters.
    url = pattern if "://" in pattern or Path(pattern).is_absolute() else str(Path(glob.escape(base_dir)) / pattern)
    fs, path = _file_system(url)
    with _reached(url):
        is_glob = any(c in path for c in "*?[")
        found = [path] if fs.exists(path) else current(fs, sorted(_matches(fs, path))) if is_glob else []
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
    """The same file as it is now, or None if it is gone. Raises OSError where it is out of reach."""
    fs, path = _file_system(file.path)
    with _reached(file.path):
        if not fs.isfile(path):
            return None
        info = fs.info(path)
    return _describe(fs, path, info, file.index).model_copy(update={"dialect": file.dialect})


def is_folder(path: str) -> bool:
    """Whether a path or URL names a folder. Raises OSError where it is out of reach."""
    if "://" not in path:
        return Path(path).is_dir()
    fs, place = _file_system(path)
    with _reached(path):
        # To a web server anything may be a folder.
        return bool(not fs.isfile(place) and fs.isdir(place))


def open_file(path: str, mode: str = "rb", **options: Any) -> Any:
    """Open through fsspec. Raises OSError, then and later, for whatever goes wrong on the way to another machine."""
    with _reached(path):
        file = fsspec.open(path, mode, **options).open()
    return io.BufferedReader(_Remote(path, file)) if "://" in path and mode == "rb" else file


def sync(path: Path) -> None:
    """Bring a file, or a folder's list of names, onto the disk: a commit must not be more durable than its data."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _matches(fs: Any, pattern: str) -> set[str]:
    """What is there of the names that a glob stands for."""
    if "file" in fs.protocol:
        return _local_matches(pattern)
    plain = len(re.split(r"[*?[]", pattern, maxsplit=1)[0].rpartition("/")[0])
    deep = "**" in pattern
    return {
        name
        for name in fs.glob(pattern)
        if not any(part.startswith(".") or (deep and _own(part)) for part in name[plain:].split("/")[:-1])
        and not name.rpartition("/")[2].startswith(".")
    }


def _local_matches(pattern: str) -> set[str]:
    above, deep, below = (f"{pattern}/*" if pattern.endswith("/**") else pattern).partition("/**/")
    if not deep:
        return set(glob.glob(pattern))
    folders = {folder for top in glob.glob(above or "/") for folder in _folders(top)}
    return {name for folder in folders for name in _local_matches(f"{glob.escape(folder)}/{below}")}


def _folders(top: str) -> Iterator[str]:
    """A folder and all below it, each once. Links are followed as long as they do not lead out."""
    root, seen = os.path.realpath(top), set()
    for folder, names, _ in os.walk(top, followlinks=True):
        place = os.path.realpath(folder)
        if place in seen or os.path.commonpath((root, place)) != root:
            names.clear()
            continue
        seen.add(place)
        names[:] = sorted(name for name in names if not _own(name))
        yield folder


def _own(name: str) -> bool:
    """Whether a folder is an engine's or program's own, by its name."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


class _Remote(io.RawIOBase):
    """A file behind a URL."""

    def __init__(self, url: str, file: Any) -> None:
        self._url = url
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._file.seekable())

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        with _reached(self._url):
            return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readinto(self, buffer: Any) -> int:
        with _reached(self._url):
            found = self._file.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _file_system(url: str) -> tuple[Any, str]:
    fs, path = fsspec.core.url_to_fs(url)
    # What it remembers of earlier listings would hide what has come, gone or changed since.
    fs.invalidate_cache()
    return fs, path


@contextmanager
def _reached(url: str) -> Iterator[None]:
    """What the library of a file system raises in the block comes out as OSError: nobody here can list all of it."""
    try:
        yield
    except (CrewlineError, OSError, ValueError, ImportError):
        raise
    except Exception as error:
        words = " ".join(str(error).replace(url, public(url)).split())[:500]
        raise OSError(errno.EIO, f"{type(error).__name__}: {words}") from error


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
