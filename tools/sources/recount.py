"""Counting a source's records once more, by other means than they were read with: for proof."""

from collections.abc import Iterator

import pyarrow.parquet as pq

from core.spec.source import CsvSource, JsonLinesSource, ParquetSource, Source
from tools.engine.files import open_file
from tools.sources.lines import count_lines, open_lines
from tools.sources.reader import Part
from tools.sources.records import parser


def recount(source: Source, part: Part, unreadable: dict[int, str]) -> int | None:
    """The records of a part, or None for a source that cannot be counted again.

    `unreadable` are the lines that were found to be no records, by number: they are not counted.
    """
    match source:
        case CsvSource():
            source = source.model_copy(update=part.dialect)
            with open_lines(part.path, source.encoding) as lines:
                records = parser(_without(lines, unreadable), source)
                width = len(next(records))
                return sum(1 for record in records if record or width == 1)
        case JsonLinesSource():
            with open_file(part.path) as file:
                return sum(1 for number, line in enumerate(file, start=1) if line.strip() and number not in unreadable)
        case ParquetSource():
            with open_file(part.path) as file:
                return int(pq.read_metadata(file).num_rows)
    return None


def _without(lines: Iterator[str], unreadable: dict[int, str]) -> Iterator[str]:
    """The lines but those of unreadable records, which may go over several."""
    skip = 0
    for number, line in enumerate(lines, start=1):
        if number in unreadable:
            skip = count_lines(unreadable[number])
        if skip:
            skip -= 1
        else:
            yield line
