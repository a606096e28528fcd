"""What a worker answers, as the envelope that is put on record."""

import json

from core.task import Outcome
from graphs.failure import InvalidResult
from graphs.worker import Result

# A result is small: references, counts and scores.
MOST_BYTES = 1_000_000


def outcome_of(key: str, answer: object) -> Outcome:
    """What a worker returned, as the envelope that is put on record. Raises InvalidResult if it is none."""
    if isinstance(answer, Outcome):
        return answer
    if not isinstance(answer, Result):
        raise InvalidResult(
            f"The worker of {key} returned {type(answer).__name__}.", remedy="Return a Result, or an Outcome."
        )
    try:
        text = json.dumps(dict(answer.values), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidResult(
            f"What the worker of {key} returned is no plain JSON: {error}.",
            remedy="Return texts, numbers, lists and mappings; of data, a reference.",
        ) from error
    if len(text) > MOST_BYTES:
        raise InvalidResult(
            f"What the worker of {key} returned takes {len(text):,} bytes; {MOST_BYTES:,} are allowed.",
            remedy="Write it to attempt.path, and return the path.",
        )
    if answer.quality is not None and not 0 <= answer.quality <= 1:
        raise InvalidResult(f"The worker of {key} returned a quality of {answer.quality}.", remedy="Return 0 to 1.")
    return Outcome(task=key, status="done", result=json.loads(text), quality=answer.quality, notes=list(answer.notes))
