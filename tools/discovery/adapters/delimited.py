"""CSV: columns, types and nulls from a bounded head of the file."""

import codecs
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pc

from core.errors import SourceError, first_line
from tools.discovery.adapters.footer import ibis_type
from tools.discovery.dataset import Column
from tools.sources.dialect import delimiter_of, encoding_of, no_text
from tools.sources.lines import lines_of
from tools.sources.lines import whole as is_whole

# What is read of a file, bytes.
HEAD = 1 << 18


def facts(file: Any, path: str, *, size: int | None) -> dict[str, Any]:
    """Columns with sniffed types, null shares of the head, and rows: counted, or estimated from `size` (bytes).

    Lines that are no records are told in `fault`, beside what the others say. Raises SourceError if none is.
    """
    head = file.read(HEAD)
    whole = not file.read(1)
    table, bad = parse(head, path, whole=whole)
    rows: int | None = table.num_rows
    if not whole:
        used = len(head[: head.rfind(b"\n") + 1]) or len(head)
        rows = round(table.num_rows * size / used) if size else None
    return {
        "columns": columns(table),
        "rows": rows,
        "rows_estimated": not whole,
        "measured_rows": table.num_rows,
        "measured_by": "the whole file" if whole else f"the first {table.num_rows} rows",
        "fault": f"{bad} of {table.num_rows + bad} lines in {path} are no records." if bad else None,
    }


def sample(file: Any, path: str, names: Sequence[str], rows: int) -> pa.Table:
    """The first rows of these columns, within the head. Raises KeyError if the file lacks one."""
    head = file.read(HEAD)
    table, _ = parse(head, path, whole=not file.read(1))
    return table.select(list(names)).slice(0, rows)


def parse(head: bytes, path: str, *, whole: bool) -> tuple[pa.Table, int]:
    """The records of a head, and how many lines are none. Blank cells are null."""
    lines, delimiter = _lines(head, path, whole=whole)
    if not any(map(str.strip, lines)):
        raise SourceError(path, "it is empty.", remedy="Bring the file again.")
    if not is_whole(lines[0]):
        raise SourceError(path, "its header is not UTF-8.", remedy="Save the file in one encoding, such as UTF-8.")
    text = "".join(filter(is_whole, lines))
    bad = len(lines) - sum(map(is_whole, lines))

    def skip(row: Any) -> str:
        nonlocal bad
        bad += 1
        return "skip"

    try:
        table = pc.read_csv(
            io.BytesIO(text.encode()),
            read_options=pc.ReadOptions(use_threads=False, block_size=max(2 * len(head), 1 << 16)),
            parse_options=pc.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, invalid_row_handler=skip, ignore_empty_lines=True
            ),
            convert_options=pc.ConvertOptions(strings_can_be_null=True, null_values=["", "NULL", "null", "NA", "N/A"]),
        )
    except pa.ArrowException as error:
        raise SourceError(
            path, f"it cannot be read as CSV: {first_line(error)}.", remedy="Bring the file again."
        ) from error
    if len(set(table.column_names)) < table.num_columns:
        raise SourceError(path, "its header names a column twice.", remedy="Rename one of them in the file.")
    return table, bad


def columns(table: pa.Table) -> tuple[Column, ...]:
    """The columns of a sample, with the shares of its cells that are null."""
    return tuple(
        Column(
            name=field.name,
            type=ibis_type(field.type),
            null_share=table[index].null_count / table.num_rows if table.num_rows else None,
        )
        for index, field in enumerate(table.schema)
    )


def _lines(head: bytes, path: str, *, whole: bool) -> tuple[list[str], str]:
    """The lines of a head, and their delimiter."""
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if other := no_text(io.BytesIO(head), "utf-16" if marked else "utf-8"):
        raise SourceError(path, f"it is {other}.", remedy="Save it as text in UTF-8, or name it for what it is.")
    if not whole and not marked:
        # The last line goes on beyond the head, perhaps from the middle of a character.
        head = head[: head.rfind(b"\n") + 1] or head
    file = io.BytesIO(head)
    encoding = encoding_of(file)
    delimiter = "\t" if ".tsv" in Path(path).suffixes else delimiter_of(file, encoding)
    with lines_of(file, encoding) as found:
        lines = list(found)
    # Where quotes span lines, the parser tells the last one by a record too many.
    return lines[: -1 if marked and not whole and len(lines) > 1 else None], delimiter
