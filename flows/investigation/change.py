"""A change of a spec that is proposed."""

from collections.abc import Sequence

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


def edits_of(changes: Sequence[Change]) -> list[Edit]:
    """The edits of changes in an order in which each finds its place: what is put before others comes last, and before
    all else what the first change puts there."""
    plain = [edit for change in changes for edit in change.edits if edit.kind != "prepend"]
    return plain + [edit for change in reversed(changes) for edit in change.edits if edit.kind == "prepend"]
