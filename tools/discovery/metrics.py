"""Engineering metrics: what working with a dataset would take, each from 0 to 1; None where too little is known."""

import math

from pydantic import BaseModel, ConfigDict

from tools.discovery.dataset import Description, SourceType

# A terabyte, and a hundred columns, count as much as can be.
_FULL_BYTES = 1e12
_FULL_COLUMNS = 100

# What it takes to get at rows: a warehouse answers queries, files must be parsed, streams and APIs must be collected.
_ACCESS = {
    SourceType.DATA_WAREHOUSE: 0.0,
    SourceType.DATA_LAKE: 0.25,
    SourceType.FILE_SYSTEMS: 0.5,
    SourceType.STREAMING: 0.75,
    SourceType.API_ENDPOINTS: 1.0,
}


class Metrics(BaseModel):
    """What a dataset takes to work with.

    `freshness` halves with each week since the last change. `schema_completeness` is the share of columns whose type is
    known and one. `processing_complexity` is the mean of what is known of: log(bytes) / log(1 TB), columns / 100, the
    share of nested columns. `integration_difficulty` is the mean of: how rows are had (warehouse 0, lake 0.25, file
    system 0.5, stream 0.75, API 1), 1 - schema completeness, and 0 with a declared key, 1 without.
    """

    model_config = ConfigDict(frozen=True)

    freshness: float | None
    schema_completeness: float | None
    processing_complexity: float | None
    integration_difficulty: float


def metrics(dataset: Description, freshness: float | None) -> Metrics:
    """The metrics of a dataset, with the freshness that it was ranked by."""
    schema = dataset.schema_completeness
    return Metrics(
        freshness=freshness,
        schema_completeness=schema,
        processing_complexity=_mean([_size(dataset.bytes), _width(dataset), _nested(dataset)]),
        integration_difficulty=_mean(
            [_ACCESS[dataset.source_type], None if schema is None else 1 - schema, 0.0 if _keyed(dataset) else 1.0]
        )
        or 0.0,
    )


def _size(size: int | None) -> float | None:
    return None if size is None else min(1.0, math.log(max(size, 1)) / math.log(_FULL_BYTES))


def _width(dataset: Description) -> float | None:
    return min(1.0, len(dataset.columns) / _FULL_COLUMNS) if dataset.columns else None


def _nested(dataset: Description) -> float | None:
    if not dataset.columns:
        return None
    nested = ("array", "struct", "map", "json")
    return sum(column.type.startswith(nested) for column in dataset.columns) / len(dataset.columns)


def _keyed(dataset: Description) -> bool:
    return bool(dataset.primary_key or dataset.unique_keys)


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
