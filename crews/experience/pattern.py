"""Patterns: what the observations of a pipeline's runs have in common, and what a later run should do about it.

A pattern is a pure function of observations. It holds while they speak for it: so what was once learned is forgotten
when the data, the machine or the source are no longer as they were.
"""

from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from crews.experience.observation import Observation, Repairing

Kind = Literal["repair", "alone", "pause", "estimate", "agent"]

# Troubles are remembered for so many runs: then it is tried whether they are still there.
REMEMBERED = 20

# Estimates go by so many runs.
ESTIMATED = 10

Figures = dict[str, float | int | str | None]


class Evidence(BaseModel):
    """A run that speaks for a pattern, with its figures."""

    model_config = ConfigDict(frozen=True)

    run_id: str
    figures: Figures


class Pattern(BaseModel):
    """What was learned of a pipeline: `subject` is what it is about, `lesson` what a run goes by, in plain values.

    `evidence` are the runs that speak for it, the newest first. The id says kind, pipeline and subject.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    pipeline: str
    kind: Kind
    subject: str
    lesson: dict[str, Any]
    words: str
    evidence: tuple[Evidence, ...]


def patterns(observations: Sequence[Observation]) -> list[Pattern]:
    """What holds for one pipeline, of which these are the observations, the newest first."""
    return [pattern for find in _FINDERS for pattern in find(observations[:REMEMBERED])] if observations else []


def _repairs(runs: Sequence[Observation]) -> Iterator[Pattern]:
    """Datasets that the last run which tells had to repair: their first validation may as well do so."""
    for dataset in sorted({name for run in runs for name in run.repairs}):
        votes = [(run, vote) for run in runs if (vote := _wanted_repair(run, dataset)) is not None]
        if not votes or not votes[0][1]:
            continue
        speaking = [run for run, vote in votes if vote]
        yield _pattern(
            runs,
            "repair",
            dataset,
            {"dataset": dataset},
            f"{dataset} was repaired after the first round, so its first validation repairs",
            [(run, run.repairs[dataset].model_dump()) for run in speaking],
        )


def _wanted_repair(run: Observation, dataset: str) -> bool | None:
    """Whether a run speaks for repairing a dataset at once, or against it; None, if it does not tell."""
    found: Repairing | None = run.repairs.get(dataset)
    if found is None:
        return None
    if found.round is None:
        return None if run.status != "published" else False
    changed = found.cells + found.merged
    # Repaired at once, nobody knows how the gate would have judged; but so few faults it would have let pass.
    return changed > (found.rows * run.lets_pass if found.round == 0 else 0)


def _alone(runs: Sequence[Observation]) -> Iterator[Pattern]:
    """Places where a task failed for want of the machine, and was done once it had it for itself."""
    found: dict[str, list[tuple[Observation, Figures]]] = {}
    for run in runs:
        for trouble in run.troubles:
            if trouble.recovered and trouble.kinds.get("resource"):
                found.setdefault(trouble.place, []).append((run, {"failures": trouble.kinds["resource"]}))
    for place, evidence in sorted(found.items()):
        words = f"{place} needed the whole machine, so it is run alone from the start"
        yield _pattern(runs, "alone", place, {"place": place}, words, evidence)


def _pause(runs: Sequence[Observation]) -> Iterator[Pattern]:
    """How long it took until what was away had come back."""
    evidence: list[tuple[Observation, Figures]] = [
        (run, {"paused_s": run.paused_s, "failures": sum(t.kinds.get("transient", 0) for t in run.troubles)})
        for run in runs
        if run.paused_s and any(t.kinds.get("transient") and t.recovered for t in run.troubles)
    ]
    if evidence:
        seconds = evidence[0][0].paused_s
        words = f"what was away came back after pauses of {seconds:g} s in all, so the first pause is as long"
        yield _pattern(runs, "pause", "retry", {"seconds": seconds}, words, evidence)


def _estimate(runs: Sequence[Observation]) -> Iterator[Pattern]:
    """How long a run takes for each of its rows, and each stage of a dataset."""
    measured = [run for run in runs if run.status == "published" and run.whole and run.rows]
    measured = measured[:ESTIMATED]
    if not measured:
        return
    places = sorted({place for run in measured for place in run.work})
    each = {
        place: median(found.seconds / found.rows for run in measured if (found := run.work.get(place)) and found.rows)
        for place in places
        if any(run.work[place].rows for run in measured if place in run.work)
    }
    a_row = median(run.seconds / run.rows for run in measured)
    words = f"a run takes {a_row * 1000:.3g} ms a row, by the median of {len(measured)}"
    evidence: list[tuple[Observation, Figures]] = [
        (run, {"rows": run.rows, "seconds": run.seconds, "expected_s": run.expected_s}) for run in measured
    ]
    lesson = {"s_per_row": a_row, "places": each, "rows": [run.rows for run in measured]}
    yield _pattern(runs, "estimate", "time", lesson, words, evidence)


def _agents(runs: Sequence[Observation]) -> Iterator[Pattern]:
    """Agents that failed at tasks of a stage: how often they did them, by Laplace's rule."""
    pairs = sorted({(agent, stage) for run in runs for agent, stages in run.agents.items() for stage in stages})
    for agent, stage in pairs:
        shares = [(run, share) for run in runs if (share := run.agents.get(agent, {}).get(stage))]
        done, failed = sum(share.done for _, share in shares), sum(share.failed for _, share in shares)
        if not failed:
            continue
        factor = round((done + 1) / (done + failed + 1), 4)
        yield _pattern(
            runs,
            "agent",
            f"{agent}/{stage}",
            {"agent": agent, "stage": stage, "factor": factor},
            f"{agent} failed {failed} of {done + failed} times at {stage}, so it counts {factor:g} in teams",
            [(run, share.model_dump()) for run, share in shares if share.failed],
        )


_FINDERS: tuple[Callable[[Sequence[Observation]], Iterator[Pattern]], ...] = (
    _repairs,
    _alone,
    _pause,
    _estimate,
    _agents,
)


def _pattern(
    runs: Sequence[Observation],
    kind: Kind,
    subject: str,
    lesson: dict[str, Any],
    words: str,
    evidence: Sequence[tuple[Observation, Figures]],
) -> Pattern:
    pipeline = runs[0].pipeline
    return Pattern(
        id=f"{kind}:{pipeline}/{subject}",
        pipeline=pipeline,
        kind=kind,
        subject=subject,
        lesson=lesson,
        words=words,
        evidence=tuple(Evidence(run_id=run.run_id, figures=figures) for run, figures in evidence),
    )
