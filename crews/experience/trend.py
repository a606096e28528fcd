"""Trends: how a pipeline's runs change over time."""

from collections.abc import Sequence
from statistics import mean

from pydantic import BaseModel, ConfigDict

from crews.experience.observation import Observation

# Of fewer runs no trend is told.
FEWEST = 4


class Trend(BaseModel):
    """A figure in the older half of some runs, and in the newer: the means of both."""

    model_config = ConfigDict(frozen=True)

    figure: str
    runs: int
    before: float
    now: float

    @property
    def change(self) -> float:
        """The difference, as a share of what it was before; 0 where that was 0."""
        return (self.now - self.before) / self.before if self.before else 0.0


def trends(observations: Sequence[Observation]) -> list[Trend]:
    """The trends of one pipeline's published runs, given the newest first: quality, rounds, rows a second, and how far
    expected times were off, as a share of the true ones."""
    runs = [run for run in reversed(observations) if run.status == "published"]
    figures = {
        "quality": [run.quality for run in runs if run.quality is not None],
        "rounds": [float(run.rounds) for run in runs],
        "rows_per_s": [run.rows / run.seconds for run in runs if run.seconds],
        "estimate_off": [abs(run.expected_s - run.seconds) / run.seconds for run in runs if run.expected_s],
    }
    found = {name: values for name, values in figures.items() if len(values) >= FEWEST}
    return [_trend(name, values) for name, values in found.items()]


def _trend(figure: str, values: list[float]) -> Trend:
    half = len(values) // 2
    return Trend(figure=figure, runs=len(values), before=mean(values[:half]), now=mean(values[half:]))
