"""What messages say, by kind. References and counts, never rows."""

from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from core.dataset import DatasetRef
from core.errors import InputError
from core.schema import Schema

# Of a payload's JSON, bytes.
MOST_BYTES = 64_000

Name = Annotated[str, Field(min_length=1, max_length=200)]
Words = Annotated[str, Field(max_length=2_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Payload(BaseModel):
    """`kind` is what the message is, `about` the datasets that it is about."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: ClassVar[str]

    def about(self) -> list[str]:
        dataset = getattr(self, "dataset", None)
        return [dataset] if dataset else []


class DataRequest(Payload):
    """Asks for a dataset; without `columns`, for all of them."""

    kind = "data_request"

    dataset: Name
    columns: tuple[Name, ...] = ()
    purpose: Words = ""


class DataResponse(Payload):
    """Says where the dataset is, or else why it cannot be had."""

    kind = "data_response"

    dataset: Name
    ref: DatasetRef | None = None
    reason: Words = ""

    @model_validator(mode="after")
    def _says_one(self) -> "DataResponse":
        if (self.ref is None) == (not self.reason):
            raise ValueError("give either `ref`, or the `reason` why there is none")
        return self


class SchemaProposal(Payload):
    """Asks for a vote on a change of a dataset's columns. `uses` is what is made of each column downstream."""

    kind = "schema_proposal"

    proposal: Name
    dataset: Name
    before: Schema
    after: Schema
    uses: dict[str, tuple[str, ...]] | None = None


class ValidationVote(Payload):
    """A vote on a proposal."""

    kind = "validation_vote"

    proposal: Name
    choice: Name
    reason: Annotated[str, Field(min_length=1, max_length=1_000)]
    confidence: Share = 1.0
    mapping: dict[str, str] = Field(default_factory=dict)


class ConsensusResult(Payload):
    """What a proposal came to."""

    kind = "consensus_result"

    proposal: Name
    dataset: Name
    verdict: Name
    reached: bool
    share: Share
    counts: dict[str, int]


class PipelineStatus(Payload):
    """Where a run of a pipeline is."""

    kind = "pipeline_status"

    pipeline: Name
    run: Name
    status: Name
    stage: Name | None = None
    note: Words = ""


KINDS: dict[str, type[Payload]] = {
    payload.kind: payload
    for payload in (DataRequest, DataResponse, SchemaProposal, ValidationVote, ConsensusResult, PipelineStatus)
}


def read_payload(kind: str, given: Any) -> Payload:
    """The payload of a message of this kind. Raises InputError that names each place where it is none."""
    if kind not in KINDS:
        raise InputError(f"'{kind[:60]}' is no kind of message.", remedy=f"There are {', '.join(KINDS)}.")
    try:
        return KINDS[kind].model_validate(given)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or kind}: {e['msg']}" for e in error.errors()[:5])
        raise InputError(f"The payload of a {kind} is wrong: {problems}.", remedy="Correct it.") from error


def written(payload: Payload) -> dict[str, Any]:
    """The payload as JSON. Raises InputError if it is none, or too large."""
    if not isinstance(payload, Payload):
        kinds = ", ".join(of.__name__ for of in KINDS.values())
        raise InputError(f"A message says one of {kinds}, not {payload!r:.60}.", remedy="Give one of these.")
    size = len(payload.model_dump_json().encode())
    if size > MOST_BYTES:
        raise InputError(
            f"The payload of a {payload.kind} has {size:,} bytes, and can have {MOST_BYTES:,}.",
            remedy="Send a reference to the data, not the data.",
        )
    return payload.model_dump(mode="json")
