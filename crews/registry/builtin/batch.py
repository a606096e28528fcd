"""The batch processor: files of any kind, read whole, a batch of rows at a time."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from core.errors import SourceError
from core.spec.column import RESERVED
from core.spec.source import Encoding
from core.task import Fate, Outcome, RowCount
from crews.registry.job import Job
from tools.engine.engine import Engine, written
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row, unreadable_row
from tools.quality.departure import count, record, unreadable
from tools.sources.opening import Files, Opened, open_files
from tools.sources.parquet import torn

# Rows in a batch (systems C8).
BATCH = 10_000


class BatchProcessor(BaseModel):
    """Reads files with all columns that they have, `batch` rows at a time, into a Parquet file for each; each batch is
    a row group there. Lines that are no records go to quarantine.

    A stop ends the work between two batches. Columns that files lack which others have come without values.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch: int = Field(default=BATCH, ge=1, le=10_000_000)
    kind: Literal["csv", "jsonl", "parquet"] | None = None
    delimiter: str | None = Field(default=None, min_length=1, max_length=1)
    encoding: Encoding | None = None

    def perform(self, job: Job) -> Outcome:
        """Raises SourceError, Refused, Interrupted."""
        files = Files(path=job.files, kind=self.kind, delimiter=self.delimiter, encoding=self.encoding)
        scratch = job.path / "read"
        scratch.mkdir()
        with Engine(job.limits, job.path, job.stop) as engine:
            opened = open_files(engine, job.dataset, files, scratch, job.context.path)
            lines = [
                (unreadable_row(part.index, line.line), f"line {line.line}: {line.reason}", line.text)
                for part, line in opened.unreadable
            ]
            found = [unreadable(engine, lines)] if lines else []
            left, leaving = record(engine, found, job.path / "left.parquet")
            paths, batches, notes = self._written(engine, opened, job)
        output = written(paths)
        rows = RowCount(
            rows_in=opened.records + len(lines), rows_out=output.rows, quarantined=count(leaving, Fate.QUARANTINED)
        )
        return Outcome(
            task=job.dataset,
            status="done",
            rows=rows,
            output=output,
            left=left,
            leaving=leaving,
            notes=[*opened.notes, *notes],
            result={"batches": batches},
        )

    def _written(self, engine: Engine, opened: Opened, job: Job) -> tuple[list[Path], int, list[str]]:
        """The files, one for each part; the number of batches in all; and notes."""
        places = [
            part.path if not opened.numbered else reading.output.paths[0]
            for part, reading in zip(opened.parts, opened.readings, strict=True)
        ]
        schema, own = _schema(job.dataset, places)
        notes = [f"left out, for their names begin with an underscore: {', '.join(own)}"] if own else []
        paths, batches = [], 0
        for part, place in zip(opened.parts, places, strict=True):
            path = job.path / f"rows-{part.index:05}.parquet"
            try:
                with pq.ParquetWriter(path, schema) as writer:
                    for table in _batches(place, schema, self.batch, first_row(part.index) + 1):
                        engine.check()
                        writer.write_table(table, row_group_size=self.batch)
                        batches += 1
            except pa.ArrowException as error:
                raise torn(job.dataset, part.path, error) from error
            paths.append(path)
        return paths, batches, notes


def _schema(dataset: str, places: list[str]) -> tuple[pa.Schema, list[str]]:
    """`_row` and the columns of all files; and the columns that are left out.

    Raises SourceError where their types have nothing in common.
    """
    schemas = []
    for place in places:
        with open_file(place) as file:
            schemas.append(pq.read_schema(file).remove_metadata())
    try:
        together = pa.unify_schemas(schemas, promote_options="permissive")
    except pa.ArrowException as error:
        raise SourceError(
            dataset, f"its files have columns of one name and different types: {error}.", remedy="Take them one by one."
        ) from error
    # A column in which nothing is has no type.
    fields = [f.with_type(pa.string()) if pa.types.is_null(f.type) else f for f in together]
    given = [field for field in fields if not field.name.startswith(RESERVED)]
    own = [field.name for field in fields if field.name.startswith(RESERVED) and field.name != ROW]
    return pa.schema([pa.field(ROW, pa.int64()), *given]), own


def _batches(place: str, schema: pa.Schema, size: int, first: int) -> Iterator[pa.Table]:
    """The rows of a file, so many at a time, with the ids that follow on `first`."""
    with open_file(place) as content, pq.ParquetFile(content) as file:
        for batch in file.iter_batches(batch_size=size):
            rows = pa.Table.from_batches([batch])
            ids = pa.array(range(first, first + len(rows)), pa.int64())
            first += len(rows)
            columns = [
                ids
                if field.name == ROW
                else rows.column(field.name).cast(field.type)
                if field.name in rows.column_names
                else pa.nulls(len(rows), field.type)
                for field in schema
            ]
            yield pa.table(columns, schema=schema)
