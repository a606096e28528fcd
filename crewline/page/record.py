"""All that the page tells of a run, gathered from the store and the files."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from core.classification import Classification
from core.errors import ExpressionError, SpecError
from core.journal import Event, events
from core.report import Records, RunReport
from core.run import Run
from core.settings import Settings
from core.spec import PipelineSpec
from core.spec.document import parse
from core.store.database import Database
from core.task import Violation
from crewline.page import accounts, attempts, passages, quality
from crewline.page.attempts import Attempt, Course
from crewline.page.delegations import Delegations, delegations
from crewline.page.departures import Departures, departures
from crewline.page.entries import Entries, entries
from crewline.page.flow import Stream
from crewline.page.lineage import ColumnLineageView, lineage
from crewline.page.passages import Stop
from tools.orchestration.examination import target_path
from tools.orchestration.history import History, read

# Attempts in the table beside the timeline: those that failed, then the slowest.
MOST_ATTEMPTS = 30
MOST_EVENTS = 60

# In the place of words that may quote data which is not for everyone.
WITHHELD = "(withheld: it may quote the data)"


@dataclass
class Record:
    """A run, as far as it has come. What belongs to pipelines alone is None for a graph's run.

    `open_data`: the data is for everyone who may read the page, so that cells of it can be shown.
    """

    run: Run
    now: datetime
    live: bool
    open_data: bool
    classification: Classification
    spec: PipelineSpec | None
    history: History
    report: RunReport | None
    records: Records | None
    course: Course
    stops: list[Stop]
    stops_left_out: int
    tried: list[Attempt]
    columns: quality.QualityByColumn | None
    violations: list[Violation]
    violations_left_out: int
    departures: Departures | None
    streams: list[Stream]
    delegations: Delegations
    lineage: ColumnLineageView | None
    plans: list[Event]
    investigations: list[Event]
    entries: Entries
    target: str

    @property
    def investigation(self) -> Event | None:
        """The last investigation that came to a conclusion."""
        found = [event for event in self.investigations if event.kind == "investigation.concluded"]
        return found[-1] if found else None

    @property
    def steps(self) -> list[Event]:
        """The steps that led to it."""
        ends = [index for index, event in enumerate(self.investigations) if event.kind == "investigation.concluded"]
        first = ends[-2] + 1 if len(ends) > 1 else 0
        between = self.investigations[first : ends[-1]] if ends else []
        return [event for event in between if event.kind == "investigation.step"]

    @property
    def applied(self) -> bool:
        """Whether what it proposed was written into the document."""
        return bool(self.investigations) and self.investigations[-1].kind == "investigation.applied"

    @property
    def error(self) -> str:
        """Why the run did not end well, if that can be told: errors may quote cells."""
        return (self.run.error or "") if self.open_data else WITHHELD

    @property
    def seconds(self) -> float | None:
        """From the run's creation to its end, or to now where it is being worked on."""
        end = self.run.finished_at or self.course.end
        return (end - self.run.created_at).total_seconds() if end else None


def gathered(database: Database, run_id: str, settings: Settings) -> Record:
    """The record of a run. Raises RunNotFound."""
    history = read(database, run_id)
    run = history.run
    now = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    # The heartbeat comes several times within a lease.
    live = run.status == "running" and bool(run.heartbeat_at and now - run.heartbeat_at < _lease(settings))
    spec = _spec(run)
    classification = (spec.governance.classification if spec else None) or Classification.INTERNAL
    open_data = classification.rank <= Classification.INTERNAL.rank
    course = attempts.read(database, run_id, live=live, now=now)
    stops, stops_left_out = passages.passages(database, run_id, course)
    if not open_data:
        _withhold(course, stops)
    violations, violations_left_out = quality.violations(history)
    left = departures(history, samples=open_data) if spec else None
    target = str(target_path(spec, run.base_dir)) if spec else ""
    return Record(
        run=run,
        now=now,
        live=live,
        open_data=open_data,
        classification=classification,
        spec=spec,
        history=history,
        report=history.report if run.kind == "pipeline" else None,
        records=accounts.records_of(history) if spec else None,
        course=course,
        stops=stops,
        stops_left_out=stops_left_out,
        tried=_of_interest(course),
        columns=quality.by_column(history, spec, left.repaired if left else {}) if spec else None,
        violations=violations,
        violations_left_out=violations_left_out,
        departures=left,
        streams=accounts.streams(history, spec, left.unreferenced if left else {}) if spec else [],
        delegations=delegations(database, history),
        lineage=_lineage(spec, target),
        plans=_plans(database, run_id),
        investigations=events(database, run_id, kind="investigation.")[-MOST_EVENTS:],
        entries=entries(database, run_id, open_data=open_data),
        target=target,
    )


def _withhold(course: Course, stops: list[Stop]) -> None:
    for attempt in course.attempts:
        attempt.message = WITHHELD if attempt.message else ""
    for stop in stops:
        # The gate's own reasons are made of numbers.
        stop.reason = WITHHELD if stop.reason and stop.name != "Gate" else stop.reason


def _plans(database: Database, run_id: str) -> list[Event]:
    """What was learned from earlier runs, planned, and planned anew."""
    kinds = ("experience.applied", "plan.", "replan.")
    return [event for kind in kinds for event in events(database, run_id, kind=kind)][:MOST_EVENTS]


def _lease(settings: Settings) -> timedelta:
    return timedelta(seconds=settings.lease_s)


def _spec(run: Run) -> PipelineSpec | None:
    if run.kind != "pipeline":
        return None
    try:
        return parse(run.spec, document=f"spec of run {run.run_id}")
    except SpecError:
        # A run of a version that allowed what this one does not: what is on record of it is shown all the same.
        return None


def _lineage(spec: PipelineSpec | None, target: str) -> ColumnLineageView | None:
    try:
        return lineage(spec, target) if spec else None
    except ExpressionError:
        # Such a run failed at its beginning, and its error tells so.
        return None


def _of_interest(course: Course) -> list[Attempt]:
    bad = [attempt for attempt in course.attempts if attempt.state in ("failed", "lost", "running")]
    rest = [attempt for attempt in course.attempts if attempt.state == "done"]
    rest.sort(key=lambda attempt: -(attempt.seconds or 0.0))
    return [*bad[: MOST_ATTEMPTS - 5], *rest][:MOST_ATTEMPTS]
