"""One file as a table in memory: every record a row, every line that is none kept with its place."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import SourceError
from tools.engine.files import open_file
from tools.engine.rowid import ROW
from tools.engine.session import session
from tools.sources import Unreadable
from tools.sources.opening import Files, Opened, open_files
from tools.sources.parquet import torn


@dataclass(frozen=True)
class Reading:
    """A file's records as rows, in order; and its lines that are no records.

    Rows of the input are counted from 0, records and unreadable lines alike: `numbers` has the number of each row of
    `table`, `unreadable` goes by number. `notes` say what was taken for granted.
    """

    table: pa.Table
    numbers: list[int]
    unreadable: dict[int, Unreadable]
    notes: list[str]


def read(path: str | Path) -> Reading:
    """Read a file (see tools.sources.opening). Raises SourceError, also if there are several."""
    with session() as (engine, scratch):
        found = open_files(engine, Path(path).stem, Files(path=str(path)), scratch)
        if len(found.parts) > 1:
            raise SourceError(found.name, f"{path} names {len(found.parts)} files.", remedy="Give one.")
        table = _table(found)
    unreadable = {line.records + index: line for index, (_, line) in enumerate(found.unreadable)}
    numbers = [number for number in range(found.records + len(unreadable)) if number not in unreadable]
    return Reading(table, numbers, unreadable, found.notes)


def _table(found: Opened) -> pa.Table:
    (path,) = found.readings[0].output.paths
    try:
        with open_file(path) as file:
            table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise torn(found.name, path, error) from error
    if found.numbered:
        table = table.drop_columns(ROW)
    plain = [
        pa.field(field.name, field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(plain)).replace_schema_metadata(None)
