"""The stream processor: what is new in a stream, in micro-batches, bounded, at least once."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field

from core.errors import SourceError
from core.spec.column import RESERVED, Names
from core.store import Database
from core.task import Fate, Outcome, RowCount
from crews.registry.builtin import offsets
from crews.registry.builtin.batch import BATCH
from crews.registry.builtin.record_stream import Message, stream_at
from crews.registry.job import Job
from tools.context import ToolContext
from tools.engine.engine import Engine, written
from tools.engine.rowid import ROW, first_row, unreadable_row
from tools.quality.departure import count, record, unreadable
from tools.sources.json_lines import parse, text_of


class StreamProcessor(BaseModel):
    """Reads up to `batches` micro-batches of up to `batch` records from a folder of JSON lines files that grow
    (`/path`), or from a Kafka topic (`kafka://host:9092/topic`), and ends sooner when nothing more is there.

    It begins where `reader` has got to. Where that is, is on record once `confirm` was called: what a crash comes
    between is read again. Without `columns` it takes all keys that the records have. Values are read as text; what is
    no JSON object goes to quarantine.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    reader: str = Field(default="default", min_length=1, max_length=200)
    batch: int = Field(default=BATCH, ge=1, le=1_000_000)
    batches: int = Field(default=10, ge=1, le=100_000)
    columns: Names = ()

    def perform(self, job: Job) -> Outcome:
        """Raises SourceError if the stream cannot be read, or has nothing new; Refused, Interrupted."""
        stream = stream_at(job.source, job.context)
        began = offsets.of(job.database, stream.name, self.reader)
        reading = _Reading(job.path, self.columns)
        positions, notes = dict(began), list[str]()
        for _ in range(self.batches):
            job.stop.check()
            messages, lost = stream.since(positions, self.batch)
            notes += [f"{n} records of {part} were removed from the stream before they were read" for part, n in lost]
            if not messages:
                break
            positions |= {message.part: message.following for message in messages}
            reading.add(messages)
        if not reading.files:
            raise SourceError(job.dataset, f"{stream.name} has nothing new for {self.reader}.", remedy="Come later.")
        with Engine(job.limits, job.path, job.stop) as engine:
            found = [unreadable(engine, reading.lines)] if reading.lines else []
            left, leaving = record(engine, found, job.path / "left.parquet")
        output = written(reading.aligned())
        quarantined = count(leaving, Fate.QUARANTINED)
        return Outcome(
            task=job.dataset,
            status="done",
            rows=RowCount(rows_in=reading.records, rows_out=output.rows, quarantined=quarantined),
            output=output,
            left=left,
            leaving=leaving,
            notes=notes,
            result={"stream": stream.name, "from": began, "to": positions, "batches": len(reading.files)},
        )

    def has_new(self, source: str, context: ToolContext, database: Database) -> bool:
        """Whether there is something in the stream that this reader has not got to. Raises SourceError, Refused."""
        stream = stream_at(source, context)
        messages, lost = stream.since(offsets.of(database, stream.name, self.reader), 1)
        return bool(messages or lost)

    def confirm(self, database: Database, outcome: Outcome) -> None:
        """Put on record where this reader has got to. Harmless to do twice."""
        found = outcome.result or {}
        offsets.advance(database, found["stream"], self.reader, found["to"])


class _Reading:
    """Micro-batches, written one by one: a file for each. `lines` are the records that are none."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.records = 0
        self.files: list[Path] = []
        self.lines: list[tuple[int, str, str]] = []
        self._path = path
        self._declared = tuple(columns)
        self._columns: dict[str, None] = dict.fromkeys(columns)
        self._parts: dict[str, int] = {}
        self._numbers: dict[str, int] = {}

    def add(self, messages: Sequence[Message]) -> None:
        """Write a micro-batch."""
        found = list(self._parsed(messages))
        keys = self._declared or tuple(dict.fromkeys(key for one in found for key in one.values))
        self._columns |= dict.fromkeys(keys)
        data: dict[str, pa.Array] = {ROW: pa.array([one.row for one in found], pa.int64())}
        data |= {key: pa.array([one.values.get(key) for one in found], pa.string()) for key in keys}
        file = self._path / f"batch-{len(self.files) + 1:05}.parquet"
        pq.write_table(pa.table(data), file)
        self.files.append(file)
        self.records += len(messages)

    def aligned(self) -> list[Path]:
        """The files, each with the columns of all: a key may come late."""
        for file in self.files:
            table = pq.ParquetFile(file).read()
            if table.column_names != [ROW, *self._columns]:
                there = {name: table.column(name) for name in table.column_names}
                empty = pa.nulls(len(table), pa.string())
                pq.write_table(pa.table({name: there.get(name, empty) for name in (ROW, *self._columns)}), file)
        return self.files

    def _parsed(self, messages: Sequence[Message]) -> "Iterator[_Record]":
        for message in messages:
            part = self._parts.setdefault(message.part, len(self._parts))
            number = self._numbers[message.part] = self._numbers.get(message.part, 0) + 1
            try:
                values = {key: text_of(value) for key, value in parse(message.content).items()}
                if own := [key for key in values if key.startswith(RESERVED)]:
                    raise ValueError(f"the key '{own[0]}' begins with an underscore, as Crewline's own do")
            except (ValueError, RecursionError) as error:
                text = message.content.decode("utf-8", "backslashreplace").rstrip("\r\n")
                self.lines.append((unreadable_row(part, number), f"{message.place}: {error}.", text))
                continue
            yield _Record(first_row(part) + number, values)


class _Record(NamedTuple):
    row: int
    values: dict[str, str | None]
