"""A change of a spec that is proposed."""

from pydantic import BaseModel, ConfigDict

from flows.investigation.edit import Edit


class Change(BaseModel):
    """A change: its `id`, what it does in words, its edits, and the names of the facts that it rests on.

    `names` are those that columns would then go by, see Surroundings.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    words: str
    edits: tuple[Edit, ...]
    because: tuple[str, ...]
    names: dict[str, dict[str, tuple[str | None, ...]]] = {}
