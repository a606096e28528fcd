"""What to change about a pipeline, as its measured runs speak for it."""

from core.spec import PipelineSpec
from tools.orchestration.advice.capacity import for_branches, for_complexity, for_memory
from tools.orchestration.advice.case import Advice, FailedAttempt
from tools.orchestration.advice.course import for_enhancements, for_first_pass
from tools.orchestration.advice.document import for_columns, for_filters, for_keys
from tools.orchestration.profile import Profile

__all__ = ["Advice", "FailedAttempt", "for_failures", "for_time"]


def for_time(profile: Profile) -> list[Advice]:
    """What the measured runs speak for, the greatest gain first."""
    found = [
        *for_complexity(profile),
        *for_branches(profile),
        *for_filters(profile),
        *for_columns(profile),
        *for_first_pass(profile),
        *for_enhancements(profile),
    ]
    return sorted(found, key=lambda advice: -(advice.gain_s or 0.0))


def for_failures(spec: PipelineSpec, failed: list[FailedAttempt]) -> list[Advice]:
    """What the attempts that failed speak for."""
    return [*for_memory(failed), *for_keys(spec, failed)]
