"""Whether what the branches found will do (systems G1)."""

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from core.task import Outcome
from graphs.parallel.merge import weight
from graphs.parallel.options import Options


class Verdict(BaseModel):
    """`quality` is the weighted mean of the branches that measured theirs; None if none did.

    approve: it will do. revise: `again` are to be done once more. critical: nothing was done, or it will not do and
    the revisions are spent.
    """

    model_config = ConfigDict(frozen=True)

    decision: Literal["approve", "revise", "critical"]
    quality: float | None
    reason: str
    again: list[str] = []


def validate(outcomes: Mapping[str, Outcome], options: Options, revised: int) -> Verdict:
    """Judge the last word about each branch, after so many revisions."""
    done = {key: outcome for key, outcome in outcomes.items() if outcome.status == "done"}
    if outcomes and not done:
        return Verdict(decision="critical", quality=None, reason="no branch was done")
    measured = {key: outcome.quality for key, outcome in done.items() if outcome.quality is not None}
    if not measured:
        return Verdict(decision="approve", quality=None, reason="no branch measured its quality")
    weights = {key: weight(done[key]) for key in measured}
    quality = sum(weights[key] * q for key, q in measured.items()) / sum(weights.values())
    told = f"quality {quality:.3f}, {options.quality:g} is asked"
    if quality >= options.quality:
        return Verdict(decision="approve", quality=quality, reason=told)
    if revised >= options.revisions:
        return Verdict(decision="critical", quality=quality, reason=f"{told}; {revised} revisions are spent")
    again = sorted(key for key, q in measured.items() if q < options.quality)
    return Verdict(decision="revise", quality=quality, reason=told, again=again)
