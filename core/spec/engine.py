"""What computes a pipeline."""

from typing import Literal

from core.spec.part import Part


class DuckDbEngine(Part):
    """DuckDB, in process."""

    kind: Literal["duckdb"] = "duckdb"


EngineSpec = DuckDbEngine
