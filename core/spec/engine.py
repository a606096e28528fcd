"""What computes a pipeline: DuckDB in this process, or Spark on one machine or many."""

from typing import Annotated, Literal

from pydantic import Field

from core.spec.part import Part


class DuckDbEngine(Part):
    """DuckDB, in process."""

    kind: Literal["duckdb"] = "duckdb"


class PySparkEngine(Part):
    """Spark at a master's URL; `local[2]` is two threads of this machine. Needs the extra `spark`, and Java 17."""

    kind: Literal["pyspark"]
    master: str = Field(default="local[*]", min_length=1)


EngineSpec = Annotated[DuckDbEngine | PySparkEngine, Field(discriminator="kind")]
