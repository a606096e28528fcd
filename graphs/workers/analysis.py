"""Analysis workers: what the numbers of a dataset say, and how far that can be trusted."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.errors import InputError, SourceError
from core.store import Database
from graphs.branch import Branch
from graphs.worker import Attempt, Result
from graphs.workers.bounds import bounded, session
from graphs.workers.columns import Columns, identifies, profiled
from graphs.workers.correlation import MAX_COLUMNS, Correlation, correlations
from graphs.workers.dataset import Rows, named, opened, opened_path
from graphs.workers.payload import requested
from graphs.workers.summary import Summary, summaries
from graphs.workers.trend import Course, course
from tools.arguments import Arguments
from tools.context import ToolContext
from tools.engine.engine import Engine

# Columns that are looked at, unless others are named.
_MAX_SUMMARIES = 100


class AnalysisRequest(Arguments):
    """Analyse a dataset: the files at a `path` (a file, glob or folder), or the `dataset` of the catalog."""

    path: str | None = Field(default=None, min_length=1)
    dataset: str | None = Field(default=None, min_length=1, description="Its name in the catalog, or its location.")
    columns: tuple[str, ...] = Field(default=(), max_length=_MAX_SUMMARIES, description="Only these; all if empty.")
    time: str | None = Field(default=None, description="The column of times for trends; the only one if unset.")
    confidence: float = Field(default=0.95, ge=0.5, lt=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise ValueError("give either path or dataset")
        return self


class Analysis(BaseModel):
    """What was found in `rows` rows.

    `pairs` and `trends_tested` count the tests that p-values are adjusted for, by Holm's method. Columns whose numbers
    tell things apart, such as ids, are summarised, and are in no correlation or trend unless they were asked for.
    """

    model_config = ConfigDict(frozen=True)

    rows: int
    confidence: float
    summaries: list[Summary]
    correlations: list[Correlation]
    pairs: int
    course: Course | None
    notes: list[str]


class AnalysisWorker:
    """Performs `analysis`: summary statistics, correlations, trends over time; see AnalysisRequest and Analysis.

    The quality of a result is the share of cells with a value, over the columns that were analysed; None without cells.
    """

    kinds = frozenset({"analysis"})
    capacity = 2

    def __init__(self, name: str, database: Database, context: ToolContext) -> None:
        self.name = name
        self._database = database
        self._context = context

    def perform(self, branch: Branch, attempt: Attempt) -> Result:
        """Raises InputError for a wrong payload or an unknown dataset or column, SourceError, Refused, WorkError."""
        request = requested(AnalysisRequest, branch)
        with session(self._context, attempt) as (engine, scratch, _):
            return _result(analyse(engine, self._rows(engine, request, scratch), request))

    def _rows(self, engine: Engine, request: AnalysisRequest, scratch: Path) -> Rows:
        if request.path:
            return opened_path(engine, request.path, self._context, self._database, scratch)
        dataset = named(request.dataset or "", self._context, self._database)
        rows = opened(engine, dataset, self._context, self._database, scratch)
        if rows is None:
            raise SourceError(
                dataset.description.name, "it gives no rows to analyse.", remedy="Bring them into a file before."
            )
        return rows


def analyse(engine: Engine, rows: Rows, request: AnalysisRequest) -> Analysis:
    """Analyse rows on the engine. Raises InputError for a column that there is not, or that is not of times."""
    chosen, notes = _chosen(rows, request)
    columns = profiled(engine, rows.table, chosen)
    notes += [*rows.notes, *columns.notes]
    if request.time and request.time not in columns.times:
        kind = next(column.type for column in columns.profile.columns if column.name == request.time)
        raise InputError(f"The column {request.time} has no times: it is {kind}.", remedy="Name one that has.")
    numbers = _numbers(columns, request, notes)
    times = [request.time] if request.time else list(columns.times)
    if len(times) > 1:
        notes.append(f"no trends: which of {', '.join(times)} is the time? Name it in `time`")
    over = course(engine, columns, times[0], numbers, request.confidence) if len(times) == 1 and numbers else None
    described, left_out = summaries(engine, columns, request.confidence)
    pairs = correlations(engine, columns, numbers, request.confidence)
    if untold := len(numbers) * (len(numbers) - 1) // 2 - len(pairs):
        notes.append(f"{untold} pairs have no correlation: fewer than four rows have both, or one does not vary there")
    return Analysis(
        rows=columns.profile.rows,
        confidence=request.confidence,
        summaries=described,
        correlations=pairs,
        pairs=len(pairs),
        course=over,
        notes=[*notes, *left_out, *(over.notes if over else ())],
    )


def _chosen(rows: Rows, request: AnalysisRequest) -> tuple[list[str], list[str]]:
    """The columns to look at, and notes on the rest."""
    there = list(rows.table.columns)
    wanted = dict.fromkeys((*request.columns, *((request.time,) if request.time else ())))
    if absent := [name for name in wanted if name not in there]:
        raise InputError(
            f"The dataset has no column {', '.join(absent)}.", remedy=f"It has {', '.join(there[:_MAX_SUMMARIES])}."
        )
    if request.columns:
        return list(wanted), []
    chosen = list(dict.fromkeys([*wanted, *there]))[:_MAX_SUMMARIES]
    rest = len(there) - len(chosen)
    return chosen, [f"{rest} more columns were not looked at"] if rest else []


def _numbers(columns: Columns, request: AnalysisRequest, notes: list[str]) -> list[str]:
    """The columns for correlations and trends: numbers that vary and measure something."""
    constant = [name for name in columns.numbers if _distinct(columns, name) < 2]
    if constant:
        notes.append(f"{', '.join(constant)}: of one value or none, so in no correlation or trend")
    varying = [name for name in columns.numbers if name not in constant]
    names = [name for name in varying if identifies(name) and name not in request.columns]
    if names:
        notes.append(f"{', '.join(names)}: by the name of what tells things apart, so in no correlation or trend")
    measures = [name for name in varying if name not in names]
    if len(measures) > MAX_COLUMNS:
        notes.append(f"{len(measures) - MAX_COLUMNS} more columns of numbers are in no correlation or trend")
    return measures[:MAX_COLUMNS]


def _distinct(columns: Columns, name: str) -> int:
    return next(column.distinct or 0 for column in columns.profile.columns if column.name == name)


def _result(found: Analysis) -> Result:
    values = found.model_dump(mode="json", exclude_none=True)
    notes = values.pop("notes")
    over = values.pop("course", None)
    if over:
        values |= {key: over[key] for key in ("time", "unit", "trends", "periods")}
        values["trends_tested"] = len(over["trends"])
    cells = found.rows * len(found.summaries)
    missing = sum(summary.missing for summary in found.summaries)
    return bounded(values, 1 - missing / cells if cells else None, notes)
