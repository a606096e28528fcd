"""References to data. Rows stay in files; state, checkpoints and messages carry only these."""

from pydantic import BaseModel, ConfigDict


class DatasetRef(BaseModel):
    """A committed, immutable set of Parquet files with one schema.

    `paths` are absolute; `rows` is their total; `columns` maps name to Ibis type text, in file order.
    """

    model_config = ConfigDict(frozen=True)

    paths: tuple[str, ...]
    rows: int
    columns: dict[str, str]
