"""Advice on the course through the gate: rounds that were in vain."""

import statistics
from collections.abc import Iterator

from core.task import Dimension
from tools.orchestration.advice.case import Advice
from tools.orchestration.profile import Profile

# The faults that are named, those with the most rows first.
_MOST_FAULTS = 5


def for_first_pass(profile: Profile) -> Iterator[Advice]:
    """Every run that published had to be enhanced: the first round was in vain."""
    published = [history for history in profile.histories if history.run.status == "published"]
    routes = [[route for route, _ in history.passages()] for history in published]
    if not published or not all("enhance" in route for route in routes):
        return
    verdict = published[0].first_verdict() or {}
    # A missed threshold is what the faults of the checks add up to.
    faults = [v for v in verdict.get("violations", []) if v["check"].partition(" ")[0] not in set(Dimension)]
    most = sorted(faults, key=lambda violation: -violation["rows"])[:_MOST_FAULTS]
    yield Advice(
        kind="first_pass",
        change="mend at their source the faults for which the first passage is enhanced",
        evidence={
            "runs": len(published),
            "faults": {f"{v['dataset']} {v['check']}": v["rows"] for v in most},
        },
        gain_s=round(statistics.median(profile.repeated_s(history) for history in published), 3),
        formula="median of what a run's chain of steps spent on tasks after the first round",
        caveat="As far as the faults are mended; the rows are as many as the last run's first passage found.",
    )


def for_enhancements(profile: Profile) -> Iterator[Advice]:
    """Enhancing never led to publication."""
    enhanced = [h for h in profile.histories if any(route == "enhance" for route, _ in h.passages())]
    if not enhanced or any(history.run.status == "published" for history in enhanced):
        return
    scores = [[q.overall for _, q in history.passages() if q.overall is not None] for history in enhanced]
    rises = [of_run[-1] - of_run[0] for of_run in scores if of_run]
    yield Advice(
        kind="enhancements",
        change="gate: {enhancements: 0}",
        evidence={
            "enhanced": len(enhanced),
            "published": 0,
            "quality_rise": round(statistics.median(rises), 4) if rises else None,
        },
        gain_s=round(statistics.median(profile.repeated_s(history) for history in enhanced), 3),
        formula="median of what a run's chain of steps spent on tasks after the first round",
        caveat="A run then fails at once, and a person must look at its rows sooner.",
    )
