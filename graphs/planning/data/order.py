"""both_ways: a reading of a goal by dates that can be read with the day or with the month first, as both."""

from collections.abc import Iterator

from graphs.planning.data.dataset import Survey
from graphs.planning.data.goal import Reading


def both_ways(reading: Reading, survey: Survey) -> Iterator[Reading]:
    """The reading; where nothing shows what comes first in its dates, with the day first and with the month first."""
    goal = reading.goal
    told = {*goal.day_first, *goal.month_first}
    unclear = tuple(
        column
        for column in goal.needed
        if column not in told and survey.datasets[column.dataset].columns[column.column].turned
    )
    if not unclear:
        yield reading
        return
    for first in ("day_first", "month_first"):
        yield reading.model_copy(update={"goal": goal.model_copy(update={first: (*getattr(goal, first), *unclear)})})
