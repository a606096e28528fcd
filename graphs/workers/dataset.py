"""The datasets that research and analysis look at: what is known of them, and their rows on the engine."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ibis.expr.types import Table

from core.errors import EngineError, Refused, SourceError
from core.stop import Stop
from core.store import Database
from tools.context import ToolContext
from tools.discovery import catalog
from tools.discovery.adapters import adapter, guarded
from tools.discovery.adapters.layout import place
from tools.discovery.annotations import Annotations
from tools.discovery.catalog import Entry
from tools.discovery.clearance import allowed
from tools.discovery.dataset import Description, merge
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.sources.opening import Files, Opened, open_files
from tools.url import public

# Of a source that is no file, so many rows are looked at; of a dataset with more files, only its first.
SAMPLE = 100_000
MAX_FILES = 200

# Files that the engine reads whole; of others, such as compressed text, it gets the first rows.
_WHOLE = {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".pq"}


@dataclass(frozen=True)
class Dataset:
    """A dataset that the context may see. `source` reads it, `parts` are what of the source holds it.

    `said` is what people say of it, `updated_at` when it changed last.
    """

    description: Description
    source: str
    parts: tuple[str, ...]
    said: Annotations
    updated_at: datetime | None

    @property
    def location(self) -> str:
        return self.description.location


@dataclass(frozen=True)
class Rows:
    """The rows of a dataset on the engine: all of them if `whole`, else the first."""

    table: Table
    whole: bool
    notes: tuple[str, ...] = ()


def named(name: str, context: ToolContext, database: Database) -> Dataset:
    """The dataset of the catalog with this name or location. Raises InputError for none or several, Refused."""
    dataset = _known(catalog.find(database, name), database)
    _admit(dataset, context, database)
    return dataset


def described(path: str, context: ToolContext, database: Database, stop: Stop) -> tuple[list[Dataset], list[str]]:
    """The datasets below a folder or URL, or the one in a file, as their source describes them now; and what could not
    be read of them.

    Nothing is written to the catalog; what it knows of them, their classification and domain, holds. Raises
    SourceError if nothing can be read, Refused.
    """
    source = adapter(context.path(path))
    found, parts = defaultdict[str, list[Description]](list), defaultdict[str, list[str]](list)
    faults: list[str] = []
    with guarded(source.source):
        listed = [part.name for part in source.parts()]
    for part in listed:
        stop.check()
        try:
            with guarded(part):
                pieces = source.read(part)
        except SourceError as error:
            faults.append(str(error))
            continue
        for piece in pieces:
            found[piece.location].append(piece)
            parts[piece.location].append(part)
    if not found:
        why = faults[0] if faults else "there is no data that can be read."
        raise SourceError(path, why, remedy="Correct the path.")
    known = database.transaction(lambda connection: catalog.entries(connection, sorted(found)))
    datasets = [
        _found(merge(pieces), source.source, parts[location], known.get(location))
        for location, pieces in sorted(found.items())
    ]
    for dataset in datasets:
        _admit(dataset, context, database)
    return datasets, faults


def looked_up(locations: Iterable[str], database: Database) -> list[Dataset]:
    """The datasets of the catalog at these locations, which a discovery has admitted, in their order."""
    return [_known(catalog.find(database, location), database) for location in locations]


def opened(engine: Engine, dataset: Dataset, context: ToolContext, database: Database, scratch: Path) -> Rows | None:
    """The rows of a dataset: of files all of them, of other sources the first; None from a source that gives none.

    Raises SourceError, Refused.
    """
    if not dataset.parts or not all(Path(part).suffix.lower() in _WHOLE for part in dataset.parts):
        return _sample(engine, dataset)
    name, parts, allow = dataset.description.name, dataset.parts[:MAX_FILES], allowed(context, lambda: database)
    found = []
    for part in parts:
        engine.check()
        found.append(open_files(engine, name, Files(path=part), scratch, allow))
    left = len(dataset.parts) - len(parts)
    return _rows(engine, found, (f"{left} more files were not read",) if left else ())


def opened_path(engine: Engine, path: str, context: ToolContext, database: Database, scratch: Path) -> Rows:
    """The rows of a file, a glob, or a folder of Parquet files. Raises SourceError, Refused."""
    found = open_files(engine, Path(path).stem, Files(path=path), scratch, allowed(context, lambda: database))
    return _rows(engine, [found], ())


def _known(entry: Entry, database: Database) -> Dataset:
    parts = tuple(catalog.parts(database, entry.location))
    return Dataset(entry.description, entry.source, parts, entry.annotations, entry.updated_at)


def _found(described: Description, source: str, parts: Sequence[str], known: Entry | None) -> Dataset:
    said = known.annotations if known else Annotations()
    return Dataset(described, source, tuple(parts), said, described.updated_at)


def _admit(dataset: Dataset, context: ToolContext, database: Database) -> None:
    """Raise Refused for what is outside of the roots, or above the clearance.

    What is of a source within a root is within it, as for discovery; the catalog knows URLs as they may be shown.
    """
    context.admit(dataset.location, dataset.said.classification)
    if "://" not in dataset.location:
        allow = allowed(context, lambda: database)
        for part in dataset.parts:
            allow(part)
        return
    bounds = context.model_copy(update={"roots": tuple(public(root) for root in context.roots)})
    try:
        bounds.path(dataset.location)
    except Refused:
        bounds.path(dataset.source)


def _rows(engine: Engine, found: Sequence[Opened], unread: tuple[str, ...]) -> Rows:
    """The rows of opened files together; `unread` says which others of the dataset were not opened."""
    with _told(found[0].name):
        table = engine.read(reading.output for one in found for reading in one.readings)
    notes = [note for one in found for note in one.notes]
    if unreadable := sum(len(one.unreadable) for one in found):
        notes.append(f"{unreadable} lines are no records, and left out")
    if any(where.partitions for one in found for part in one.parts if (where := place(part.path))):
        notes.append("the columns that only the names of folders have are left out")
    return Rows(table.drop(ROW) if ROW in table.columns else table, not unread, (*notes, *unread))


def _sample(engine: Engine, dataset: Dataset) -> Rows | None:
    described = dataset.description
    columns = [column.name for column in described.columns if column.name not in described.partition_keys]
    if not columns:
        return None
    with guarded(dataset.location):
        rows = adapter(dataset.source).sample(described, columns, SAMPLE)
    if rows is None:
        return None
    whole = described.rows is not None and not described.rows_estimated and rows.num_rows >= described.rows
    return Rows(engine.table(rows), whole, () if whole else (f"the first {rows.num_rows} rows were read",))


@contextmanager
def _told(name: str) -> Iterator[None]:
    """What the engine cannot read in the block comes out as SourceError."""
    try:
        yield
    except EngineError as error:
        raise SourceError(name, f"it cannot be read: {error.what.rstrip('.')}.", remedy="Bring it again.") from error
