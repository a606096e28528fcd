"""A goal read by a language model: asked what it means in terms of the catalog, and held to what is there."""

import re
from collections.abc import Iterator

from core.errors import ModelError
from core.llm import Llm, ask
from graphs.planning.data.dataset import Survey
from graphs.planning.data.goal import ColumnOf, Goal, Reading
from graphs.planning.data.reach import Reach

_SYSTEM = (
    "You translate a goal into an aggregation over datasets. Name only datasets and columns that are listed, exactly "
    "as they are written. `base` is the dataset whose rows are measured; the others are looked up from it by the links "
    "that are listed, of which `through` names columns where there are several. A measure without `column` counts "
    "rows; `times` multiplies two columns, `until` takes the days from one date to another, or with `in_hours` the "
    "hours from one time to another. `conditions` keep rows by values of a column, `comparisons` by how a number or "
    "the day of a date (ISO) stands to a value. `time` with `unit` groups by a column of dates. Without measures, the "
    "rows themselves are the result."
)
_VALUES = 8
# What a measure may be called by a model: what a column may be.
_NAME = r"[^\W\d]\w{0,63}"
_VALUE = {"number": r"-?\d+(\.\d+)?", "date": r"\d{4}-\d\d-\d\d"}


def answered(llm: Llm, text: str, survey: Survey) -> Reading:
    """What the model takes the text for. Raises ModelError when it cannot be asked, or names what is not there."""
    goal, _ = ask(llm, Goal, _SYSTEM, f"{_catalog(survey)}\n\nThe goal: {text}")
    if problems := list(misfits(goal, survey)):
        raise ModelError(llm.model, f"read the goal as what cannot be: {'; '.join(problems)}")
    return Reading(goal=goal, remarks=(f"the goal was read by the model {llm.model}",))


def misfits(goal: Goal, survey: Survey) -> Iterator[str]:
    """What of a goal does not fit the datasets that there are."""
    if goal.base not in survey.datasets:
        yield f"there is no dataset '{goal.base}'"
        return
    unknown = [column for column in goal.needed if not _there(column, survey)]
    yield from (f"there is no {column}" for column in unknown)
    if unknown:
        return
    reach = Reach(survey)
    for dataset in dict.fromkeys(column.dataset for column in goal.needed):
        if reach.hops(goal.base, dataset) is None:
            yield f"rows of {goal.base} cannot look up {dataset}"
    for measure in goal.measures:
        kinds = {"date", "timestamp"} if measure.until else {"number"}
        counted = measure.function in ("count", "count_distinct")
        if not re.fullmatch(_NAME, measure.name):
            yield f"{measure.name!r} is no name for a measure"
        if measure.column is None and measure.function != "count":
            yield f"the {measure.function} of no column is nothing"
        for column in measure.columns:
            if _kind(column, survey) not in kinds and not counted:
                yield f"{column} has no {' or '.join(sorted(kinds))}"
    for condition in goal.conditions:
        of = survey.datasets[condition.column.dataset].columns[condition.column.column]
        values = ("true", "false") if of.kind == "boolean" else of.values or of.known
        strange = [value for value in condition.values if values and value not in values]
        yield from (f"{condition.column} has no value '{value}'" for value in strange)
    for comparison in goal.comparisons:
        kind = _kind(comparison.column, survey)
        wanted = "number" if kind == "number" else "date"
        if kind not in ("number", "date", "timestamp"):
            yield f"{comparison.column} has neither numbers nor dates"
        elif not re.fullmatch(_VALUE[wanted], comparison.value):
            yield f"{comparison.column} cannot be compared with '{comparison.value}', which is no {wanted}"
    if (goal.time is None) != (goal.unit is None):
        yield "a unit of time goes with a column of dates"
    if goal.time and _kind(goal.time, survey) not in ("date", "timestamp"):
        yield f"{goal.time} has no dates"
    if not goal.measures and (goal.groups or goal.time):
        yield "groups without a measure are nothing"


def _there(column: ColumnOf, survey: Survey) -> bool:
    dataset = survey.datasets.get(column.dataset)
    return dataset is not None and column.column in dataset.columns


def _kind(column: ColumnOf, survey: Survey) -> str:
    return survey.datasets[column.dataset].columns[column.column].kind


def _catalog(survey: Survey) -> str:
    """What there is, for a model to read. No rows are told, but the values of columns that have few."""
    lines = []
    for dataset in survey.datasets.values():
        columns = [
            f"{column.name} ({column.kind}{': ' + ', '.join(column.values[:_VALUES]) if column.values else ''})"
            for column in dataset.columns.values()
        ]
        lines.append(f"dataset {dataset.name}, {dataset.rows} rows: {', '.join(columns)}")
    lines += [
        f"link: {link.left}.{link.left_column} looks up {link.right}.{link.right_column}" for link in survey.links
    ]
    return "\n".join(lines)
