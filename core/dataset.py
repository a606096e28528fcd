"""References to data. Rows stay in files; state, checkpoints and messages carry only these."""

from pydantic import BaseModel, ConfigDict


class DatasetRef(BaseModel):
    """A committed, immutable set of rows in Parquet files with one schema.

    `paths` are absolute; `rows` is how many rows there are; `columns` maps name to Ibis type text, in file order.
    `without` are Parquet files too: whoever stands in one of them, by `_row`, has left, and is none of the rows.
    `ids`, if there are any, are files with the `_row`s of the rows: then `paths` have none.
    """

    model_config = ConfigDict(frozen=True)

    paths: tuple[str, ...]
    rows: int
    columns: dict[str, str]
    without: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
