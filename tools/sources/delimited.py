"""Delimited text files. The engine reads those without a fault; where it finds one, they are read line by line."""

import csv
import os
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import Any

import ibis
import pyarrow as pa
import pyarrow.parquet as pq

from core.dataset import DatasetRef
from core.errors import EngineError, SourceError
from core.schema import Schema, SchemaColumn
from core.spec.source import CsvSource
from tools.engine.engine import Engine, written
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row
from tools.sources.dialect import delimiter_of, encoding_of, no_text, single_bytes
from tools.sources.lines import open_lines, whole
from tools.sources.reader import (
    SAMPLE,
    Inspection,
    Part,
    Reading,
    Surroundings,
    Unreadable,
    WrittenOtherwise,
    check_columns,
    distinct,
    find_files,
    inspect_files,
    located,
    unchanged,
)
from tools.sources.records import UNDECODED, parser, records

_SAMPLE = 1 << 20
_BATCH = 20_000

# So notes tell of a file that is read otherwise than its source says.
OTHERWISE = "is read with"


class CsvReader:
    """Every column is read as text: what it is worth is for validation to say."""

    def __init__(self, name: str, source: CsvSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings
        self._encoding = surroundings.field(name, "encoding")

    def inspect(self) -> Inspection:
        return self.look(self._found())

    def look(self, parts: list[Part]) -> Inspection:
        found = inspect_files(parts, self._name, list(self._source.columns), self._look, self._surroundings)
        return found.model_copy(update={"notes": [*found.notes, *map(self._otherwise, filter(_other, parts))]})

    def schemas(self) -> list[Schema]:
        # Text files know no types.
        headers = {tuple(self._header(part)): None for part in self._found()}
        return [dict.fromkeys(header, SchemaColumn()) for header in headers]

    def adapted(self, part: Part) -> Part:
        plain = part.model_copy(update={"dialect": {}})
        own = max((plain, self._own(plain)), key=lambda one: len(self._there(one)))
        if self._as(own).encoding == "utf-8" and (found := self._single_bytes(own)):
            return own.model_copy(update={"dialect": {**own.dialect, "encoding": found[0]}})
        return own

    def sample(self, part: Part) -> pa.Table:
        names, source = distinct(self._header(part), "header")[0], self._as(part)
        with open_lines(part.path, source.encoding) as lines:
            found = (record for record in records(lines, source, len(names)) if not isinstance(record, Unreadable))
            rows = list(islice(found, SAMPLE))
        return pa.table({name: pa.array([row[i] or None for row in rows], pa.string()) for i, name in enumerate(names)})

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        with unchanged(self._name, part):
            return self._read(engine, part, path)

    def _read(self, engine: Engine, part: Part, path: Path) -> Reading:
        header = self._header(part)
        columns, notes = self._columns(part, header)
        # The engine takes UTF-16 in one byte order for an empty file, and loses the other's places; Windows-1252 it has
        # not learned.
        if self._as(part).encoding not in ("utf-16", "windows-1252"):
            try:
                output = self._by_engine(engine, part, len(header), columns, path)
                return Reading(output=output, unreadable=[], notes=notes)
            except EngineError:
                # It stops at the first fault, and its own account of faults has neither their lines nor their text.
                pass
        output, unreadable = self._by_line(engine, part, len(header), columns, path)
        undecoded = any(line.reason.startswith(UNDECODED) for line in unreadable)
        utf_8 = self._surroundings.spec and self._as(part).encoding == "utf-8"
        if undecoded and utf_8 and (found := self._single_bytes(part)):
            raise WrittenOtherwise(
                self._name,
                f"{part.path} is {found[0]}, not UTF-8: {found[1]} of its lines are, and the others are ASCII.",
                remedy=f"Set {self._encoding} to `{found[0]}`.",
            )
        return Reading(output=output, unreadable=unreadable, notes=notes)

    def _columns(self, part: Part, header: list[str]) -> tuple[dict[str, int | None], list[str]]:
        """Which columns are read, by their places in the header, None for one that is missing, as it may; and notes on
        names that were made."""
        if self._source.columns:
            declared = list(self._source.columns)
            check_columns(self._name, part.path, declared, header, self._surroundings)
            there = located(self._name, declared, header, self._surroundings)
            return {name: None if found is None else header.index(found) for name, found in there.items()}, []
        if not header:
            raise SourceError(
                self._name, f"{part.path} has no header line.", remedy="Name the columns in the first line."
            )
        names, notes = distinct(header, "header")
        return {name: index for index, name in enumerate(names)}, notes

    def _by_engine(
        self, engine: Engine, part: Part, width: int, columns: dict[str, int | None], path: Path
    ) -> DatasetRef:
        # By number: a header may have names that the engine takes for one, or takes for none.
        numbered = [f"c{index}" for index in range(width)]
        with engine.translating():
            table = engine.in_process.text(part.path, numbered, self._as(part))
        number = ibis.row_number().over(ibis.window()).cast("int64") + first_row(part.index) + 1
        cells = {
            name: ibis.null("string") if index is None else table[numbered[index]] for name, index in columns.items()
        }
        # Where the engine fails, it removes what it was writing, and that may be late: not under the final name.
        draft = path.with_name(f"{path.name}.draft")
        engine.write(table.select(number.name(ROW), **cells), draft)
        os.replace(draft, path)
        return written([path])

    def _by_line(
        self, engine: Engine, part: Part, width: int, columns: dict[str, int | None], path: Path
    ) -> tuple[DatasetRef, list[Unreadable]]:
        schema = pa.schema([(ROW, pa.int64()), *((name, pa.string()) for name in columns)])
        unreadable: list[Unreadable] = []
        row = first_row(part.index)
        source = self._as(part)
        with open_lines(part.path, source.encoding) as lines, pq.ParquetWriter(path, schema) as writer:
            found = records(lines, source, width)
            while batch := list(islice(found, _BATCH)):
                engine.check()
                unreadable += [line for line in batch if isinstance(line, Unreadable)]
                good = [record for record in batch if not isinstance(record, Unreadable)]
                data: dict[str, Any] = {ROW: range(row + 1, row + 1 + len(good))}
                data |= {
                    name: [None if index is None else record[index] or None for record in good]
                    for name, index in columns.items()
                }
                writer.write_table(pa.table(data, schema=schema))
                row += len(good)
        return written([path]), unreadable

    def _header(self, part: Part) -> list[str]:
        source = self._as(part)
        with open_file(part.path) as file:
            found = no_text(file, source.encoding)
        if found:
            remedy = "Save the file as text in UTF-8, or name it for what it is."
            if found.startswith("UTF-16") and self._surroundings.spec:
                remedy = f"Set {self._encoding} to `utf-16`."
            raise SourceError(self._name, f"{part.path} is {found}.", remedy=remedy)
        with open_lines(part.path, source.encoding) as lines:
            try:
                header = next(parser(lines, source), [])
            except csv.Error as error:
                raise SourceError(
                    self._name, f"the header of {part.path} cannot be read: {error}.", remedy="Bring the file again."
                ) from error
        if not all(map(whole, header)):
            raise SourceError(
                self._name,
                f"the header of {part.path} is not {source.encoding}.",
                remedy=f"Set {self._encoding}, or save the file as UTF-8."
                if self._surroundings.spec
                else "Save the file in one encoding, such as UTF-8.",
            )
        if twice := [column for column in self._source.columns if header.count(column) > 1]:
            raise SourceError(
                self._name,
                f"{part.path} has the column {', '.join(twice)} more than once.",
                remedy="Rename one of them in the file.",
            )
        return header

    def _found(self) -> list[Part]:
        return [
            self._adapted(part)
            for part in find_files(self._name, self._source.path, self._surroundings, self._source.also_at)
        ]

    def _adapted(self, part: Part) -> Part:
        """The file, with another delimiter and encoding if it lacks declared columns by those of the source, and has
        all of them by those that its text tells."""
        declared = self._source.columns.keys()
        if self._there(part) == declared:
            return part
        own = self._own(part)
        return own if self._there(own) == declared else part

    def _own(self, part: Part) -> Part:
        """The file with the delimiter and encoding that its text tells."""
        with open_file(part.path) as file:
            encoding = encoding_of(file)
            dialect = {"delimiter": delimiter_of(file, encoding), "encoding": encoding}
        said = {"delimiter": self._source.delimiter, "encoding": self._source.encoding}
        return part.model_copy(update={"dialect": {name: told for name, told in dialect.items() if told != said[name]}})

    def _there(self, part: Part) -> Collection[str]:
        """The declared columns that the header of a file has, each once."""
        try:
            header = self._header(part)
        except SourceError:
            return set()
        return located(self._name, list(self._source.columns), header, self._surroundings).keys()

    def _single_bytes(self, part: Part) -> tuple[str, int] | None:
        with open_file(part.path) as file:
            return single_bytes(file)

    def _as(self, part: Part) -> CsvSource:
        """The source as this file is to be read."""
        return self._source.model_copy(update=part.dialect) if part.dialect else self._source

    def _otherwise(self, part: Part) -> str:
        told = " and ".join(f"{name} {value!r}" for name, value in part.dialect.items())
        return f"{part.path} {OTHERWISE} {told}, by which it has all columns, and not as the source says"

    def _look(self, part: Part) -> tuple[list[str], int]:
        return self._header(part), self._estimate(part)

    def _estimate(self, part: Part) -> int:
        with open_file(part.path) as file:
            sample = file.read(_SAMPLE)
        lines: int = sample.count(b"\n") + (0 if sample.endswith(b"\n") else 1) - 1
        return max(0, round(lines * part.size / len(sample)))


def _other(part: Part) -> bool:
    return bool(part.dialect)
