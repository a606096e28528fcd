"""Which files are one dataset, by their names alone.

Files in Hive folders (`year=2025/month=01/`) belong to the folder above the first of them. Files of one folder whose
names differ only in numbers that stand alone (`orders_2025-01.csv`, `part-00000-<uuid>.parquet`) belong together; their
location has `*` for the numbers, from the first file on, so that it stays when a second one comes.
"""

import posixpath
import re
from typing import NamedTuple
from urllib.parse import unquote

_PARTITION = re.compile(r"([^=/]+)=([^/]*)")
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_NUMBER = re.compile(rf"(?<![^\W_])(?:{_UUID}|\d+)(?![^\W_])")
_EMPTY = "__HIVE_DEFAULT_PARTITION__"

# What engines call their output files; such a name says nothing about the data, that of the folder does.
_ANONYMOUS = {"", "part", "data", "file", "chunk", "output", "c"}

_FORMATS = {
    "parquet": "parquet",
    "pq": "parquet",
    "csv": "csv",
    "tsv": "csv",
    "json": "json",
    "jsonl": "json",
    "ndjson": "json",
}
ENDINGS = tuple(f".{ending}" for ending in _FORMATS)
_CODECS = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "zst": "zstd"}


class Place(NamedTuple):
    """Where a file belongs: the dataset's location and name, its format, codec around it, and partition values."""

    location: str
    name: str
    format: str
    codec: str | None
    partitions: dict[str, str | None]


def place(path: str) -> Place | None:
    """The place of a data file; None for a file of another kind."""
    folder, file = posixpath.split(path)
    stem, *endings = file.split(".")
    codec = _CODECS.get(endings[-1].lower()) if endings else None
    ending = endings[-1 - bool(codec)].lower() if len(endings) > bool(codec) else ""
    format = _FORMATS.get(ending)
    # A name with a leading dot or underscore is an engine's own: a log, a marker, what is not yet committed.
    if not stem or file.startswith("_") or format is None:
        return None
    root, partitions = _hive(folder)
    if partitions:
        return Place(root, posixpath.basename(root), format, codec, partitions)
    # A short name before the ending, such as `.snappy.parquet`, tells the codec within.
    pattern = _NUMBER.sub("*", file)
    location = posixpath.join(folder, re.sub(r"\*(?:[-_.]\*)+", "*", pattern))
    name = re.sub(r"[-_. ]*\*[-_. ]*", " ", _NUMBER.sub("*", stem)).strip()
    if "*" in pattern and name.lower() in _ANONYMOUS:
        name = posixpath.basename(folder)
    return Place(location, name, format, codec, {})


def hidden(name: str) -> bool:
    """Whether a file or folder is an engine's or program's own, by its last name."""
    return name.startswith((".", "_")) and name != "_delta_log"


def _hive(folder: str) -> tuple[str, dict[str, str | None]]:
    """The folder above the first partition, and the values of all."""
    names = folder.split("/")
    found = [index for index, name in enumerate(names) if _PARTITION.fullmatch(name)]
    if not found:
        return folder, {}
    values: dict[str, str | None] = {}
    for index in found:
        key, _, value = names[index].partition("=")
        values[unquote(key)] = None if value == _EMPTY else unquote(value)
    return "/".join(names[: found[0]]), values
