"""Delta tables among files: their folders also hold files that only replaced versions have."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from core.errors import SourceError, first_line

# What a table may ask of its readers, and which changes nothing about what its files say.
_PLAIN = {"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"}


def current(fs: Any, names: Sequence[str]) -> list[str]:
    """The names, without those of files that are not of the current version of the Delta table that they lie in.

    Raises SourceError for a table whose log cannot be read, or whose rows its files alone do not tell.
    """
    live: dict[str, set[str] | None] = {}
    kept = []
    for name in names:
        root = _root(name)
        if root not in live:
            live[root] = _live(fs, root) if fs.isdir(f"{root}/_delta_log") else None
        of_table = live[root]
        if of_table is None or name.removeprefix(f"{root}/") in of_table:
            kept.append(name)
    return kept


@contextmanager
def delta_table(path: str) -> Iterator[Any]:
    """The Delta table at a path or URL, to be read in the block. Raises SourceError where it cannot be."""
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError as error:
        raise SourceError(path, "it is a Delta table.", remedy="Install crewline[delta] to read it.") from error
    try:
        yield DeltaTable(path)
    except (DeltaError, OSError) as error:
        told = f"the Delta table cannot be read: {first_line(error)}."
        raise SourceError(path, told, remedy="See its log.") from error


def _root(name: str) -> str:
    """The folder above those that are named for partitions."""
    folder = name.rpartition("/")[0]
    while "=" in folder.rpartition("/")[2]:
        folder = folder.rpartition("/")[0]
    return folder


def _live(fs: Any, root: str) -> set[str]:
    url = fs.unstrip_protocol(root).removeprefix("file://")
    with delta_table(url) as table:
        asks, uris = table.protocol(), table.file_uris()
    if more := set(asks.reader_features or ()) - _PLAIN or (
        {"columnMapping"} if asks.min_reader_version == 2 else set()
    ):
        raise SourceError(
            url,
            f"it is a Delta table whose files are not all of it: it asks for {', '.join(sorted(more))}.",
            remedy="Write it anew without, or export it.",
        )
    return {uri.removeprefix(f"{url}/") for uri in uris}
