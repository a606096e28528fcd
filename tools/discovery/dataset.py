"""What is known of a dataset: only what its source says or what was measured. What is not known is absent."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class SourceType(StrEnum):
    """Where a dataset lives, as the ranking tells sources apart."""

    DATA_WAREHOUSE = "data_warehouse"
    STREAMING = "streaming"
    DATA_LAKE = "data_lake"
    API_ENDPOINTS = "api_endpoints"
    FILE_SYSTEMS = "file_systems"


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(_Fact):
    """A column. `type` is in Ibis notation (`int64`, `decimal(10, 2)`, `array<string>`), `mixed` where files disagree.

    `null_share` is the measured share of cells without a value, 0 to 1.
    """

    name: str
    type: str
    nullable: bool | None = None
    description: str | None = None
    null_share: float | None = None


class ForeignKey(_Fact):
    """`columns` refer to `references_columns` of the dataset at the location `references`."""

    columns: tuple[str, ...]
    references: str
    references_columns: tuple[str, ...]


class Description(_Fact):
    """The metadata of a dataset, or of the piece of it that one file holds.

    `location` is its key in the catalog: a path or URL without user and password, `*` standing for the numbers in the
    names of its files. `rows` is exact unless `rows_estimated`; `bytes` is what the source stores (compressed, where it
    is); `rate` is messages a second; `null_share` of the columns was measured over `measured_rows` rows, in the way
    that `measured_by` names. `upstream` are the locations that it is computed from. `fault` is what of it could not be
    read.
    """

    location: str
    name: str
    source_type: SourceType
    format: str
    columns: tuple[Column, ...] = ()
    files: int | None = None
    partition_keys: tuple[str, ...] = ()
    compression: str | None = None
    rows: int | None = None
    rows_estimated: bool = False
    bytes: int | None = None
    updated_at: datetime | None = None
    rate: float | None = None
    primary_key: tuple[str, ...] = ()
    unique_keys: tuple[tuple[str, ...], ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    upstream: tuple[str, ...] = ()
    description: str | None = None
    tags: tuple[str, ...] = ()
    owner: str | None = None
    access_level: str | None = None
    measured_rows: int | None = None
    measured_by: str | None = None
    fault: str | None = None

    @property
    def quality(self) -> float | None:
        """Measured completeness: the share of cells with a value, over the columns of which it is known. Or None."""
        shares = [column.null_share for column in self.columns if column.null_share is not None]
        return 1 - sum(shares) / len(shares) if shares else None

    @property
    def schema_completeness(self) -> float | None:
        """The share of columns whose type is known and one; None without columns."""
        if not self.columns:
            return None
        return sum(known_type(column.type) for column in self.columns) / len(self.columns)


def known_type(type: str) -> bool:
    """Whether a type says what the values are."""
    return type not in ("unknown", "null", "mixed", "json", "jsonb", "object") and not type.startswith("unknown(")


def merge(pieces: Sequence[Description]) -> Description:
    """One dataset from its pieces, which share their location.

    Rows and bytes add up where every piece knows them; columns are the union, in the order of their first appearance,
    null shares weighted by the rows that they were measured on.
    """
    if len(pieces) == 1:
        return pieces[0]
    first = pieces[0]
    faults = [piece.fault for piece in pieces if piece.fault]
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return first.model_copy(
        update={
            "columns": _merged_columns(pieces),
            "files": _total(piece.files for piece in pieces),
            "rows": _total(piece.rows for piece in pieces),
            "rows_estimated": any(piece.rows_estimated for piece in pieces),
            "bytes": _total(piece.bytes for piece in pieces),
            "updated_at": max((piece.updated_at for piece in pieces if piece.updated_at), default=None),
            "measured_rows": sum(piece.measured_rows or 0 for piece in pieces) or None,
            "measured_by": next((piece.measured_by for piece in pieces if piece.measured_by), None),
            "compression": first.compression if len({piece.compression for piece in pieces}) == 1 else "mixed",
            "fault": faults[0] + more if faults else None,
        }
    )


def _total(values: Iterable[int | None]) -> int | None:
    known = list(values)
    return None if None in known else sum(value for value in known if value is not None)


def _merged_columns(pieces: Sequence[Description]) -> tuple[Column, ...]:
    """A column that some piece lacks is nullable, and its cells there count as neither present nor missing."""
    found: dict[str, list[tuple[Column, int]]] = {}
    for piece in pieces:
        for column in piece.columns:
            found.setdefault(column.name, []).append((column, piece.measured_rows or 0))
    return tuple(_merged_column(seen, everywhere=len(seen) == len(pieces)) for seen in found.values())


def _merged_column(seen: list[tuple[Column, int]], *, everywhere: bool) -> Column:
    first = seen[0][0]
    types = {column.type for column, _ in seen}
    measured = [(column.null_share, rows) for column, rows in seen if column.null_share is not None and rows]
    weight = sum(rows for _, rows in measured)
    nullable = None if any(column.nullable is None for column, _ in seen) else any(c.nullable for c, _ in seen)
    return first.model_copy(
        update={
            "type": _common_type(types),
            "nullable": nullable if everywhere else True,
            "null_share": sum(share * rows for share, rows in measured) / weight if weight else None,
        }
    )


def _common_type(types: set[str]) -> str:
    """The one type that holds the values of all, or `mixed`."""
    known = types - {"null"}
    if len(known) <= 1:
        return next(iter(known or types))
    if known <= {"int8", "int16", "int32", "int64"}:
        return max(known, key=lambda name: int(name.removeprefix("int")))
    if known <= {"int8", "int16", "int32", "int64", "float32", "float64"}:
        return "float64"
    return "mixed"
