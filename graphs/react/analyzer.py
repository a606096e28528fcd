"""The reasoning analyzer: whether steps lead anywhere (systems G6)."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from graphs.react.action import Action
from graphs.react.step import Step

# A circle: of the last so many steps, at least so many, no more than so many different moves (systems G6).
WINDOW = 4
LEAST_STEPS = 3
MOST_MOVES = 2

# A trend within this, per step, is none.
LEVEL = 0.05


class Analysis(BaseModel):
    """What steps come to.

    `circle` has the moves that go round in one, none if they do not. `progress` is the share of the steps that learned
    something; `trend` the slope of their quality, by least squares, per step; `straightness` the share of different
    moves among them. `overall` is the mean of the mean quality, the progress and the straightness. All but the trend
    are from 0 to 1, and 1 where there are no steps yet, of which nothing bad is known.
    """

    model_config = ConfigDict(frozen=True)

    steps: int
    circle: tuple[str, ...]
    progress: float
    quality: float
    trend: float
    straightness: float
    overall: float
    recommendations: tuple[str, ...]


def analyze(steps: Sequence[Step]) -> Analysis:
    """Look at the steps taken so far. A conclusion ends them, and is part of no circle."""
    number = len(steps)
    quality = sum(step.quality for step in steps) / number if number else 1.0
    progress = sum(step.quality > 0 for step in steps) / number if number else 1.0
    straightness = len({step.move for step in steps}) / number if number else 1.0
    found = circle(steps)
    trend = slope([step.quality for step in steps])
    return Analysis(
        steps=number,
        circle=found,
        progress=progress,
        quality=quality,
        trend=trend,
        straightness=straightness,
        overall=(quality + progress + straightness) / 3,
        recommendations=tuple(_recommendations(steps, found, trend)),
    )


def circle(steps: Sequence[Step]) -> tuple[str, ...]:
    """The moves of the circle that the last steps go round in; none if they go on.

    Moves, not actions: to look at three sources one after the other is to do three things.
    """
    last = [step for step in steps if step.action != Action.FINAL_RESULT][-WINDOW:]
    moves = tuple(dict.fromkeys(step.move for step in last))
    return moves if len(last) >= LEAST_STEPS and len(moves) <= MOST_MOVES else ()


def slope(values: Sequence[float]) -> float:
    """The slope of values at 0, 1, 2, ... by least squares; 0 of fewer than two."""
    number = len(values)
    if number < 2:
        return 0.0
    middle, mean = (number - 1) / 2, sum(values) / number
    spread = sum((index - middle) ** 2 for index in range(number))
    return sum((index - middle) * (value - mean) for index, value in enumerate(values)) / spread


def _recommendations(steps: Sequence[Step], found: tuple[str, ...], trend: float) -> list[str]:
    told = []
    if found:
        told.append(f"Do something else than {' and '.join(found)}, which goes round in a circle.")
    if steps and steps[-1].error:
        told.append("The last step could observe nothing: give other arguments, or look elsewhere.")
    if len(steps) >= LEAST_STEPS and all(step.quality == 0 for step in steps[-MOST_MOVES:]):
        told.append("The last steps taught nothing new: conclude with what is known.")
    elif len(steps) >= LEAST_STEPS and trend < -LEVEL:
        told.append("Each step teaches less than the one before: conclude soon.")
    return told
