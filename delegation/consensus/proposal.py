"""Proposals: what is voted on, and what the answers can be."""

import hashlib
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from core.schema import Schema
from core.task import Dimension
from delegation.consensus.change import Change, changes

COMPATIBLE, NEEDS_MAPPING, BREAKING = "compatible", "needs_mapping", "breaking"
ACCEPT, REJECT = "accept", "reject"

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _Proposal(BaseModel):
    """`options` are in order, what claims most first: who votes for one grants all that come after it. The last claims
    nothing, and holds where no other is reached."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: ClassVar[tuple[str, ...]]

    dataset: str = Field(min_length=1, max_length=200)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what is proposed."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()


class SchemaChange(_Proposal):
    """The columns of a dataset were `before`, and are `after`.

    `uses` has for each column of before what is made of it downstream, such as `derives revenue` or `join(customers)`;
    a column that is not in it is not used. None: not known.
    """

    options = (COMPATIBLE, NEEDS_MAPPING, BREAKING)

    kind: Literal["schema"] = "schema"
    before: Schema
    after: Schema
    uses: dict[str, tuple[str, ...]] | None = None

    def changes(self) -> list[Change]:
        """What is different, in the order of the columns before, then new ones."""
        return changes(self.before, self.after)


class ThresholdChange(_Proposal):
    """The threshold of a dimension of quality is to be `after` instead of `before`. `measured` are the dataset's own
    shares of faultless rows in its last runs, newest first."""

    options = (ACCEPT, REJECT)

    kind: Literal["threshold"] = "threshold"
    dimension: Dimension
    before: Share
    after: Share
    measured: tuple[Share, ...] = ()


Proposal = SchemaChange | ThresholdChange
