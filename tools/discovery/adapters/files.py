"""Files, local or in any object store that fsspec reaches, and the tables of lakes among them."""

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import fsspec

from core.errors import InputError, SourceError
from tools.discovery.adapters import delimited, delta, footer, json_text
from tools.discovery.adapters.adapter import Part
from tools.discovery.adapters.layout import ENDINGS, Place, hidden, place
from tools.discovery.dataset import Column, Description, SourceType
from tools.engine.files import check_regular
from tools.url import public

if TYPE_CHECKING:
    import pyarrow as pa

_DELTA_LOG = "_delta_log"
_ICEBERG = "metadata"


class FilesAdapter:
    """The data files below a folder, and the Delta tables. A file's version is its ETag, or its time and size.

    Links are followed within the folder, and passed over where they lead out of it. Names that begin with a dot or an
    underscore are passed over, and so are files of other formats.
    """

    def __init__(self, url: str) -> None:
        if "://" in url and "?" in url:
            raise InputError(
                f"{public(url)} was given with a query, which no file system reads.",
                remedy="Leave it out; credentials come from where the file system's library looks for them.",
            )
        try:
            self._files, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise InputError(f"{public(url)} cannot be opened: {error}.", remedy="Correct the URL.") from error
        self._local = "file" in self._protocols()
        self._root = os.path.realpath(self._root) if self._local else self._root.rstrip("/")
        self.source = self._url(self._root)

    def parts(self) -> Iterator[Part]:
        # What the store remembers of earlier listings would hide what has changed since.
        self._files.invalidate_cache()
        try:
            if not self._files.exists(self._root):
                raise SourceError(self.source, "there is no such folder or file.", remedy=self._instead())
            if self._files.isdir(self._root):
                yield from self._found(self._walk(self._root))
            else:
                yield self._alone()
        except OSError as error:
            raise SourceError(
                self.source, f"it cannot be listed: {_words(error)}.", remedy="See that it may be."
            ) from error

    def read(self, part: str) -> Sequence[Description]:
        path = self._path(part)
        try:
            if posixpath.basename(path) in (_DELTA_LOG, _ICEBERG):
                return self._table(path)
            found = place(path)
            return [self._piece(path, found)] if found else []
        except FileNotFoundError as error:
            raise SourceError(part, "it went away while it was to be read.", remedy="Crawl again.") from error
        except OSError as error:
            raise SourceError(
                part, f"it cannot be read: {_words(error)}.", remedy="See that it may be read."
            ) from error

    def sample(self, dataset: Description, columns: Sequence[str], rows: int) -> "pa.Table | None":
        # A partition's value stands in the names of folders only.
        if set(columns) & set(dataset.partition_keys):
            return None
        if dataset.format == "delta":
            return delta.sample(self._path(dataset.location), columns, rows)
        for path in self._members(dataset):
            try:
                with self._open(path, place(path)) as file:
                    match dataset.format:
                        case "parquet":
                            return footer.sample(file, path, columns, rows)
                        case "csv":
                            return delimited.sample(file, path, columns, rows)
                        case _:
                            return json_text.sample(file, path, columns, rows)
            except (KeyError, SourceError):
                # The column came with a later file; or this one is torn, which the crawl told.
                continue
        return None

    def _instead(self) -> str:
        if pattern := re.search(r"[*?[]", self._root):
            folder = posixpath.dirname(self._root[: pattern.start()])
            return f"Patterns are not followed: crawl {self._url(folder)}, and what is bad in it is told."
        return "Correct the path."

    def _alone(self) -> Part:
        """The source as one file."""
        entry = self._files.info(self._root)
        check_regular(self.source, entry)
        if not place(self._root):
            raise SourceError(
                self.source, "its name is not that of a data file.", remedy=f"Names end in {', '.join(ENDINGS)}."
            )
        return Part(self.source, self._version(entry))

    def _members(self, dataset: Description) -> Iterator[str]:
        """The files of a dataset, by their names."""
        if (found := place(self._path(dataset.location))) and not self._files.isdir(self._path(dataset.location)):
            folder = posixpath.dirname(self._path(found.location))
        else:
            folder = self._path(dataset.location)
        for part in self._found(self._walk(folder)):
            path = self._path(part.name)
            if (member := place(path)) and self._url(member.location) == dataset.location:
                yield path

    def _found(self, entries: Iterable[dict[str, Any]]) -> Iterator[Part]:
        for entry in entries:
            path = entry["name"]
            if place(path) or posixpath.basename(path) in (_DELTA_LOG, _ICEBERG):
                yield Part(self._url(path), self._version(entry))

    def _walk(self, folder: str) -> Iterator[dict[str, Any]]:
        """Files below a folder; a table of a lake is one entry, whose name is that of its log's folder."""
        folders, seen = [folder], {folder}
        while folders:
            entries = sorted(self._files.ls(folders.pop(), detail=True), key=lambda entry: entry["name"])
            names = {posixpath.basename(entry["name"].rstrip("/")): entry for entry in entries}
            if log := self._log(names):
                yield log
                continue
            for name, entry in names.items():
                resolved = self._resolved(entry)
                if hidden(name) or resolved is None:
                    continue
                if resolved["type"] != "directory":
                    yield {**resolved, "name": entry["name"]}
                elif (real := resolved["name"]) not in seen:
                    seen.add(real)
                    folders.append(entry["name"])

    def _log(self, names: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
        """The log of the lake's table that the folder is, if it is one. Its newest file tells the table's version."""
        log, latest = names.get(_DELTA_LOG), ".json"
        if log is None:
            log, latest = names.get(_ICEBERG), ".metadata.json"
        if log is None or log["type"] != "directory":
            return None
        files = [file for file in self._files.ls(log["name"], detail=True) if file["name"].endswith(latest)]
        return {**max(files, key=lambda file: file["name"]), "name": log["name"]} if files else None

    def _resolved(self, entry: dict[str, Any]) -> dict[str, Any] | None:
        """What stands behind a link within the source; None if it leads out of it, or nowhere."""
        if not entry.get("islink"):
            return entry
        real = os.path.realpath(entry["name"])
        if not real.startswith(self._root + os.sep) or not os.path.exists(real):
            return None
        found: dict[str, Any] = self._files.info(real)
        return found

    def _version(self, entry: dict[str, Any]) -> str:
        if etag := entry.get("ETag") or entry.get("etag"):
            return str(etag).strip('"')
        return f"{_modified(entry)}-{entry.get('size')}-{entry.get('ino', '')}"

    def _piece(self, path: str, found: Place) -> Description:
        info = self._files.info(path)
        with self._open(path, found) as file:
            match found.format:
                case "parquet":
                    facts = footer.facts(file, path)
                case "csv":
                    facts = delimited.facts(file, path, size=None if found.codec else info["size"])
                case _:
                    facts = json_text.facts(file, path, size=None if found.codec else info["size"])
        columns = {column.name: column for column in facts.pop("columns")}
        columns |= {key: Column(name=key, type=_partition_type(value)) for key, value in found.partitions.items()}
        return Description(
            location=self._url(found.location),
            name=found.name,
            source_type=self._source_type(found.format, partitioned=bool(found.partitions)),
            format=found.format,
            columns=tuple(columns.values()),
            files=1,
            partition_keys=tuple(found.partitions),
            bytes=info["size"],
            updated_at=_time(info),
            **{"compression": found.codec, **facts},
        )

    def _table(self, log: str) -> Sequence[Description]:
        location = posixpath.dirname(log)
        if posixpath.basename(log) == _ICEBERG:
            raise SourceError(
                self._url(location),
                "it is an Iceberg table, which nothing here reads.",
                remedy="Add an adapter for it.",
            )
        return [delta.describe(self._url(location), location if self._local else self._url(location))]

    def _source_type(self, format: str, *, partitioned: bool) -> SourceType:
        lake = not self._local or partitioned or format == "parquet"
        return SourceType.DATA_LAKE if lake else SourceType.FILE_SYSTEMS

    def _open(self, path: str, found: Place | None) -> Any:
        if self._local:
            check_regular(path, self._files.info(path))
        compression = found.codec if found and found.format != "parquet" else None
        return fsspec.core.OpenFile(self._files, path, "rb", compression=compression)

    def _protocols(self) -> tuple[str, ...]:
        names = self._files.protocol
        return (names,) if isinstance(names, str) else tuple(names)

    def _url(self, path: str) -> str:
        url = path if self._local else str(self._files.unstrip_protocol(path))
        # Bytes that are no text come from the system as what cannot be stored. As escapes they name no file, which is
        # told when it is to be read.
        return url.encode("utf-8", "backslashreplace").decode()

    def _path(self, url: str) -> str:
        return str(self._files._strip_protocol(url))


def _modified(info: dict[str, Any]) -> Any:
    """When the file was changed, in the type and under the name of its file system; None if that has none."""
    return next((info[name] for name in ("mtime", "LastModified", "last_modified", "updated") if name in info), None)


def _time(info: dict[str, Any]) -> datetime | None:
    modified = _modified(info)
    if isinstance(modified, (int, float)):
        return datetime.fromtimestamp(modified, UTC)
    if isinstance(modified, str):
        return datetime.fromisoformat(modified)
    return modified if isinstance(modified, datetime) else None


def _partition_type(value: str | None) -> str:
    """Folders name values as text: whole numbers are taken for numbers, unless a zero in front says otherwise."""
    if value is None:
        return "null"
    return "int64" if value.isdecimal() and (value == "0" or not value.startswith("0")) else "string"


def _words(error: OSError) -> str:
    return (error.strerror or " ".join(str(error).split())).rstrip(".")
