"""What a column is like where it stands: what sources are found to have, and what a change of it is judged by."""

from pydantic import BaseModel, ConfigDict


class SchemaColumn(BaseModel):
    """A column as it was found. `type` is an Ibis type text, such as `int64`; None where the format has no types, as in
    text files. `nullable` says whether cells may be without a value; None where that is not known."""

    model_config = ConfigDict(frozen=True)

    type: str | None = None
    nullable: bool | None = None


Schema = dict[str, SchemaColumn]
