"""Delta tables as targets. Their own log makes a commit atomic; every version stays readable until it is vacuumed."""

import importlib.util
from pathlib import Path

import pyarrow as pa

from core.errors import TargetError, first_line


def check_delta_target(path: Path) -> None:
    """Raise TargetError unless Delta tables can be written, and the path is free or is one."""
    if importlib.util.find_spec("deltalake") is None:
        raise TargetError("Delta tables need the library deltalake.", remedy="pip install 'crewline[delta]'")
    if (path.exists() or path.is_symlink()) and not (path / "_delta_log").is_dir():
        raise TargetError(
            f"The target {path} exists, and is no Delta table.", remedy="Move it away, or name another target."
        )


def commit_delta(batches: pa.RecordBatchReader, path: Path, partition_by: tuple[str, ...]) -> int:
    """Make these rows the table's contents, in one commit; return its version. Raises TargetError."""
    from deltalake import write_deltalake
    from deltalake.exceptions import DeltaError
    from deltalake.table import DeltaTable

    _check_types(batches.schema)
    try:
        write_deltalake(
            str(path), batches, mode="overwrite", schema_mode="overwrite", partition_by=list(partition_by) or None
        )
        return DeltaTable(str(path)).version()
    except (DeltaError, OSError) as error:
        raise TargetError(
            f"The Delta table {path} cannot be written: {first_line(error)}.",
            remedy="Mend that, or name another target.",
        ) from error


def _check_types(schema: pa.Schema) -> None:
    from deltalake import Schema

    for field in schema:
        try:
            Schema.from_arrow(pa.schema([field]))
        except Exception as error:
            # What the library raises for this has no class of its own.
            raise TargetError(
                f"A Delta table has no type for column '{field.name}', which is of type {field.type}.",
                remedy="Cast it to another type, leave it out, or write Parquet.",
            ) from error
