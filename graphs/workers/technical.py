"""Technical research: schema, format, size and keys of datasets."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from graphs.workers.dataset import Dataset
from graphs.workers.inquiry import Inquiry, Scope
from graphs.workers.keys import Keys, measured_keys
from tools.discovery.compatibility import Join, compatibility
from tools.discovery.dataset import Column, ForeignKey, SourceType

# Columns that are shown of all datasets together.
_MAX_COLUMNS = 300


class TechnicalRequest(Scope):
    """Examine datasets: what they are made of, how large they are, and by what their rows are told apart; the latter
    only where `rows` are read."""

    rows: bool = True


class Examined(BaseModel):
    """One dataset. `rows` are exact unless `rows_estimated`; `bytes` is what the source stores.

    `measured_keys` are those that hold in the rows that were looked at, all of them if `whole`; keys that the source
    declares stand beside them. Of `width` columns the first are shown.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    name: str
    source_type: SourceType
    format: str
    compression: str | None
    files: int | None
    bytes: int | None
    rows: int | None
    rows_estimated: bool
    updated_at: datetime | None
    width: int
    columns: list[Column]
    partition_keys: tuple[str, ...]
    primary_key: tuple[str, ...]
    unique_keys: tuple[tuple[str, ...], ...]
    foreign_keys: tuple[ForeignKey, ...]
    measured_keys: list[tuple[str, ...]] | None
    whole: bool | None


class Technical(BaseModel):
    """The datasets, and by what they join each other.

    `quality` is the share of these facts that are known, over all datasets: the types of the columns (their share), the
    bytes, the exact rows, a key. None without datasets.
    """

    model_config = ConfigDict(frozen=True)

    datasets: list[Examined]
    joins: list[Join]
    quality: float | None


def examined(request: TechnicalRequest, inquiry: Inquiry) -> Technical:
    """Examine the datasets of a request. What cannot be read is told from what its source says alone."""
    datasets = inquiry.datasets(request.query, request.paths, request.max_datasets)
    shown = _MAX_COLUMNS // max(1, len(datasets))
    found = [_examined(dataset, inquiry, shown, request.rows) for dataset in datasets]
    known = [_known(dataset, one) for dataset, one in zip(datasets, found, strict=True)]
    return Technical(
        datasets=found,
        joins=compatibility([(dataset.source, dataset.description) for dataset in datasets]),
        quality=sum(known) / len(known) if known else None,
    )


def _examined(dataset: Dataset, inquiry: Inquiry, shown: int, read: bool) -> Examined:
    described, keys = dataset.description, _keys(dataset, inquiry) if read else None
    counted = keys.rows if keys and keys.whole else None
    return Examined(
        location=described.location,
        name=described.name,
        source_type=described.source_type,
        format=described.format,
        compression=described.compression,
        files=described.files,
        bytes=described.bytes,
        rows=described.rows if counted is None else counted,
        rows_estimated=described.rows_estimated and counted is None,
        updated_at=dataset.updated_at,
        width=len(described.columns),
        columns=list(described.columns[:shown]),
        partition_keys=described.partition_keys,
        primary_key=described.primary_key,
        unique_keys=described.unique_keys,
        foreign_keys=described.foreign_keys,
        measured_keys=keys.keys if keys else None,
        whole=keys.whole if keys else None,
    )


def _keys(dataset: Dataset, inquiry: Inquiry) -> Keys | None:
    rows = inquiry.rows(dataset)
    return measured_keys(inquiry.engine, rows.table, whole=rows.whole) if rows else None


def _known(dataset: Dataset, found: Examined) -> float:
    declared = found.primary_key or found.unique_keys
    facts = [
        dataset.description.schema_completeness or 0.0,
        float(found.bytes is not None),
        float(found.rows is not None and not found.rows_estimated),
        float(bool(declared or found.measured_keys)),
    ]
    return sum(facts) / len(facts)
