"""Delimited text files, read by the engine; what it rejects comes back line by line."""

import csv
import io
from pathlib import Path

import ibis

from core.errors import SourceError
from core.spec.source import CsvSource
from tools.engine.engine import Engine
from tools.engine.files import open_file
from tools.engine.rowid import ROW, first_row
from tools.sources.reader import (
    Inspection,
    Part,
    Reading,
    Surroundings,
    Unreadable,
    check_columns,
    find_files,
    unchanged,
)

_SAMPLE = 1 << 20


class CsvReader:
    """Every column is read as text: what it is worth is for validation to say."""

    def __init__(self, name: str, source: CsvSource, surroundings: Surroundings) -> None:
        self._name = name
        self._source = source
        self._surroundings = surroundings

    def inspect(self) -> Inspection:
        parts = find_files(self._name, self._source.path, self._surroundings)
        notes: list[str] = []
        rows = 0
        for part in parts:
            notes += check_columns(self._name, part.path, list(self._source.columns), self._header(part))
            rows += self._estimate(part)
        return Inspection(parts=parts, rows=rows, notes=notes)

    def read(self, engine: Engine, part: Part, path: Path) -> Reading:
        unchanged(self._name, part)
        header = self._header(part)
        check_columns(self._name, part.path, list(self._source.columns), header)
        rejects = engine.name()
        table = engine.backend.read_csv(
            part.path,
            table_name=engine.name(),
            auto_detect=False,
            header=True,
            columns=dict.fromkeys(header, "VARCHAR"),
            delim=self._source.delimiter,
            quote=self._source.quote,
            escape=self._source.quote,
            encoding=self._source.encoding,
            store_rejects=True,
            rejects_table=rejects,
            rejects_scan=f"{rejects}_scan",
            rejects_limit=0,
        )
        number = ibis.row_number().over(ibis.window()).cast("int64") + first_row(part.index) + 1
        output = engine.write(table.select(number.name(ROW), *self._source.columns), path)
        return Reading(output=output, unreadable=self._unreadable(engine, rejects, part))

    def _unreadable(self, engine: Engine, rejects: str, part: Part) -> list[Unreadable]:
        found: dict[int, Unreadable] = {}
        for row in engine.rows(engine.backend.table(rejects).order_by("line", "column_idx")):
            reason, text = row["error_message"], row["csv_line"] or ""
            if row["error_type"] == "INVALID ENCODING":
                reason += " If the whole file has another encoding, declare it in the source."
                text = self._bytes_at(part, row["line_byte_position"] - 1)
            line = Unreadable(line=row["line"], reason=reason, text=text.strip("\r\n"))
            found.setdefault(line.line, line)
        return list(found.values())

    def _bytes_at(self, part: Part, offset: int) -> str:
        """The line itself: the engine puts question marks where it could not decode."""
        with open_file(part.path) as file:
            file.seek(offset)
            return str(file.readline().decode("utf-8", "backslashreplace"))

    def _header(self, part: Part) -> list[str]:
        with open_file(part.path) as file:
            start = file.read(_SAMPLE)
        if self._source.encoding == "utf-8" and start[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise SourceError(
                self._name, f"{part.path} is UTF-16.", remedy=f"Set `sources.{self._name}.encoding: utf-16`."
            )
        try:
            first = start.split(b"\n")[0] if self._source.encoding != "utf-16" else start
            text = first.decode("utf-8-sig" if self._source.encoding == "utf-8" else self._source.encoding, "strict")
        except UnicodeDecodeError as error:
            raise SourceError(
                self._name,
                f"the header of {part.path} is not {self._source.encoding}: {error.reason}.",
                remedy=f"Set `sources.{self._name}.encoding`.",
            ) from error
        lines = csv.reader(io.StringIO(text), delimiter=self._source.delimiter, quotechar=self._source.quote)
        header = next(lines, [])
        if twice := {column for column in header if header.count(column) > 1}:
            raise SourceError(self._name, f"{part.path} has the column {', '.join(sorted(twice))} more than once.")
        return header

    def _estimate(self, part: Part) -> int:
        with open_file(part.path) as file:
            sample = file.read(_SAMPLE)
        lines: int = sample.count(b"\n") + (0 if sample.endswith(b"\n") else 1) - 1
        return max(0, round(lines * part.size / len(sample)))
