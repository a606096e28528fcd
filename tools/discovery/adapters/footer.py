"""Parquet: everything from the footer, no data page is read."""

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import SourceError, first_line
from tools.discovery.dataset import Column


def facts(file: Any, path: str) -> dict[str, Any]:
    """Columns, rows, compression, and null shares where the writer kept counts. Raises SourceError for a torn file."""
    try:
        metadata = pq.read_metadata(file)
        # Arrow's own reading of the schema is the dearest part, and a hundred thousand files have a handful of them.
        columns = _columns(_Schema(metadata.schema.to_arrow_schema()))
        counts = _nulls(metadata)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _torn(path, error) from error
    rows = metadata.num_rows
    return {
        "columns": tuple(
            column.model_copy(update={"null_share": counts[column.name] / rows})
            if rows and counts.get(column.name) is not None
            else column
            for column in columns
        ),
        "rows": rows,
        "compression": _codec(metadata),
        "measured_rows": rows,
        "measured_by": "null counts of Parquet footers" if rows and counts else None,
    }


def sample(file: Any, path: str, columns: Sequence[str], rows: int) -> pa.Table:
    """The first rows of these columns. Raises KeyError if the file lacks one."""
    try:
        batches, found = [], 0
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(batch_size=min(rows, 1 << 16), columns=list(columns)):
                batches.append(batch)
                found += batch.num_rows
                if found >= rows:
                    break
            schema = pa.schema([parquet.schema_arrow.field(name) for name in columns])
        return pa.Table.from_batches(batches, schema).slice(0, rows)
    except (pa.ArrowException, OSError) as error:
        raise _torn(path, error) from error


class _Schema:
    """A schema by its text, so that equal ones are told apart from others without being converted."""

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self._text = str(schema.remove_metadata())

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Schema) and other._text == self._text and other.schema.names == self.schema.names


@lru_cache(maxsize=1024)
def _columns(schema: _Schema) -> tuple[Column, ...]:
    return tuple(
        Column(name=field.name, type=ibis_type(field.type), nullable=field.nullable) for field in schema.schema
    )


def ibis_type(kind: pa.DataType) -> str:
    """Arrow's type in Ibis notation; `unknown` where Ibis has none."""
    from ibis.formats.pyarrow import PyArrowType

    try:
        return str(PyArrowType.to_ibis(kind))
    except (KeyError, NotImplementedError, ValueError, TypeError):
        return "unknown"


def _nulls(metadata: pq.FileMetaData) -> dict[str, int]:
    """Null counts of the columns that are no nested ones, where every row group has a count."""
    found: Counter[str] = Counter()
    uncounted = set()
    for group in range(metadata.num_row_groups):
        row_group = metadata.row_group(group)
        for index in range(row_group.num_columns):
            chunk = row_group.column(index)
            name, statistics = chunk.path_in_schema, chunk.statistics
            if statistics is None or not statistics.has_null_count:
                uncounted.add(name)
            else:
                found[name] += statistics.null_count
    return {name: count for name, count in found.items() if name not in uncounted}


def _codec(metadata: pq.FileMetaData) -> str | None:
    if not metadata.num_row_groups or not metadata.num_columns:
        return None
    codec = metadata.row_group(0).column(0).compression.lower()
    return None if codec == "uncompressed" else codec


def _torn(path: str, error: Exception) -> SourceError:
    return SourceError(path, f"it is no whole Parquet file: {first_line(error)}.", remedy="Bring the file again.")
