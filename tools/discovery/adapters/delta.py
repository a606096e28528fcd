"""Delta tables, by the `deltalake` package: from the log alone, no data file is read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tools.discovery.dataset import Column, Description, SourceType
from tools.engine.delta import delta_table

if TYPE_CHECKING:
    import pyarrow as pa


def describe(location: str, path: str) -> Description:
    """The current version of the table at `path`. Raises SourceError."""
    import pyarrow as pa

    from tools.discovery.adapters.footer import ibis_type

    table = _table(path)
    metadata = table.metadata()
    actions = pa.table(table.get_add_actions(flatten=True)).to_pydict()
    schema = pa.schema(table.schema().to_arrow())
    rows = _total(actions.get("num_records"))
    nulls = {field.name: _total(actions.get(f"null_count.{field.name}")) for field in schema}
    measured = rows if rows and any(count is not None for count in nulls.values()) else None
    history = table.history(1)
    return Description(
        location=location,
        name=metadata.name or location.rstrip("/").rpartition("/")[2],
        description=metadata.description or None,
        source_type=SourceType.DATA_LAKE,
        format="delta",
        columns=tuple(
            Column(
                name=field.name,
                type=ibis_type(field.type),
                nullable=field.nullable,
                null_share=_share(nulls[field.name], measured),
            )
            for field in schema
        ),
        files=len(actions["path"]),
        partition_keys=tuple(metadata.partition_columns),
        rows=rows,
        bytes=_total(actions.get("size_bytes")),
        updated_at=datetime.fromtimestamp(history[0]["timestamp"] / 1000, UTC) if history else None,
        measured_rows=measured,
        measured_by="null counts of the Delta log" if measured else None,
    )


def sample(path: str, columns: Sequence[str], rows: int) -> "pa.Table":
    """The first rows of these columns."""
    return _table(path).to_pyarrow_dataset().head(rows, columns=list(columns))


def _table(path: str) -> Any:
    with delta_table(path) as table:
        return table


def _total(counts: list[int | None] | None) -> int | None:
    """The sum where every file has a count."""
    return None if counts is None or None in counts else sum(count for count in counts if count is not None)


def _share(nulls: int | None, rows: int | None) -> float | None:
    return nulls / rows if nulls is not None and rows else None
