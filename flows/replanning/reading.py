"""How a part of a source can be read that cannot be as it was planned: from elsewhere, or as the file shows itself."""

import posixpath
from collections.abc import Collection, Iterator, Mapping

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from core.errors import EngineError, SourceError
from core.schema import Schema
from core.spec import PostgresSource
from core.task import Outcome, Stage, Task
from delegation.consensus.consensus import Consensus
from delegation.consensus.source import judge_source, uses
from delegation.consensus.voters import schema_voters
from flows.replanning.changes import Analysis
from flows.replanning.domain import AS_IT_IS, AS_WRITTEN, BY_OTHER_NAMES, ELSEWHERE
from flows.resemblance import by_evidence
from flows.session import Session
from tools.engine.files import find, open_file, refresh
from tools.orchestration.amendment import Amendment, Names
from tools.orchestration.requirements import Plan
from tools.sources import Part, SourceChanged, reader
from tools.sources.reader import located

_ALL = "it has all columns"

# So many values of a column tell which it is.
_KNOWN = 50_000


class Way(BaseModel):
    """A way of reading a part: what it changes, and a sentence about it with the evidence for it."""

    model_config = ConfigDict(frozen=True)

    name: str
    amendment: Amendment
    told: str


class Rereading(BaseModel):
    """A part that cannot be read as it was planned: the ways that are open, and why others are not."""

    model_config = ConfigDict(frozen=True)

    place: str
    part: Part
    ways: list[Way]
    closed: list[str]


def rereadings(
    session: Session, plan: Plan, task: Task, outcomes: Mapping[str, Outcome], why: Analysis
) -> list[Rereading]:
    """The parts that a task of ingestion cannot read as they were planned: those that are no longer what they were, and
    those that its failure names. `outcomes` tell what others have read."""
    parts = plan.parts_of(task)
    found = []
    for part in parts:
        named = bool(why.error) and (len(parts) == 1 or part.path in why.reason)
        look = _Look(session, plan, task, part, outcomes, why.error)
        if named or look.changed:
            found.append(look.rereading())
    return found


class _Look:
    """A look at one part as it is now."""

    def __init__(
        self, session: Session, plan: Plan, task: Task, part: Part, outcomes: Mapping[str, Outcome], error: str
    ) -> None:
        self._session = session
        self._plan = plan
        self._task = task
        self._part = part
        self._outcomes = outcomes
        self._source = session.spec.sources[task.dataset]
        self._reader = reader(task.dataset, self._source, session.surroundings)
        self._closed: list[str] = []
        self._now = self._refreshed()
        # What was not there to be read may be as planned by now.
        self._unfit = bool(error) and error != SourceChanged.__name__ and not self.changed

    @property
    def changed(self) -> bool:
        """Whether the part is no longer what it was when it was planned."""
        return self._now != self._part

    def rereading(self) -> Rereading:
        """The ways of reading the part that are open, one of each name."""
        ways: dict[str, Way] = {}
        for part in self._candidates():
            try:
                way = self._way(self._reader.adapted(part))
            except (SourceError, EngineError, OSError) as error:
                self._closed.append(str(error))
            else:
                if way:
                    ways.setdefault(way.name, way)
        return Rereading(place=self._task.place, part=self._part, ways=list(ways.values()), closed=self._closed)

    def _refreshed(self) -> Part | None:
        # What is no file, such as a table, cannot be told to have changed.
        if isinstance(self._source, PostgresSource):
            return self._part
        try:
            now = refresh(self._part)
        except (SourceError, OSError) as error:
            self._closed.append(f"{self._part.path} cannot be looked at: {error}")
            return None
        if now is None:
            self._closed.append(f"{self._part.path} is gone")
        elif not now.size:
            self._closed.append(f"{self._part.path} is empty")
        return now

    def _candidates(self) -> Iterator[Part]:
        """The part as it is now, and the same file in the other places that the spec names."""
        if isinstance(self._source, PostgresSource):
            yield self._part
            return
        if self._now and self._now.size:
            yield self._now
        for place in (self._source.path, *self._source.also_at):
            try:
                twin = self._twin(find(place, self._session.surroundings.base_dir))
            except (SourceError, OSError) as error:
                self._closed.append(str(error))
            else:
                if twin:
                    yield twin

    def _way(self, part: Part) -> Way | None:
        """The way to read this part, if it is one. Raises SourceError, EngineError, OSError."""
        consensus = self._source.on_schema_change == "consensus"
        named = self._judged(part) if consensus else self._named(part, self._gone(part))
        amendment = self._amendment(part, named[0]) if named else None
        if named is None or amendment is None:
            return None
        names, why = named
        name, told = AS_IT_IS, f"reads {part.path}"
        if part.path != self._part.path:
            name = ELSEWHERE
            told += f", as {self._part.path} {self._trouble}"
        elif self.changed:
            told += " as it is now"
        if part.dialect != self._part.dialect:
            name = AS_WRITTEN if name == AS_IT_IS else name
            how = " and ".join(f"{field} {value!r}" for field, value in part.dialect.items()) or "what its source says"
            told += f", with {how}, as it is written"
        if names:
            name = BY_OTHER_NAMES
            told += ", with " + ", ".join(f"{old} from {others[0]}" for old, others in names.items())
        return Way(name=name, amendment=amendment, told=f"{told}: {why}")

    @property
    def _trouble(self) -> str:
        if self._now is None:
            return "is gone"
        return "has changed since it was planned" if self.changed else "cannot be read"

    def _twin(self, files: list[Part]) -> Part | None:
        """The file of the same name, or the only one where the source has one."""
        others = [file for file in files if file.path != self._part.path and file.size]
        if len(self._plan.parts[self._task.dataset]) > 1:
            name = posixpath.basename(self._part.path)
            others = [file for file in others if posixpath.basename(file.path) == name]
        return others[0].model_copy(update={"index": self._part.index}) if len(others) == 1 else None

    def _gone(self, part: Part) -> list[str]:
        """The declared columns that the part does not have. Raises SourceError."""
        names = self._reader.sample(part).column_names
        there = located(self._task.dataset, self._source.columns, names, self._session.surroundings)
        return [column for column in self._source.columns if column not in there]

    def _named(self, part: Part, gone: Collection[str]) -> tuple[Names, str] | None:
        """Other names for all columns that are gone, and the evidence for them; None, where it does not suffice."""
        if not gone:
            return {}, _ALL
        known = {column: set(self._known(column)) for column in gone}
        matches, doubts = by_evidence(self._source.columns, gone, self._reader.sample(part), known)
        if doubts:
            self._closed.append(f"{part.path} has no column {', '.join(gone)}: {'; '.join(doubts)}")
            return None
        return {one.column: (one.now,) for one in matches}, "; ".join(f"of {one.now}, {one.why}" for one in matches)

    def _judged(self, part: Part) -> tuple[Names, str] | None:
        """The same by the voters, where the spec wants them to judge changed columns; None, where a person must."""
        session, dataset, declared = self._session, self._task.dataset, list(self._source.columns)
        decision = judge_source(
            Consensus(session.lease.database, schema_voters()),
            dataset,
            declared=declared,
            known=self._plan.schemas.get(dataset, {}),
            found=[self._schema(part)],
            uses=uses(session.spec, dataset),
            run_id=session.run_id,
        )
        if decision is None:
            return {}, _ALL
        gone = set(self._gone(part))
        if decision.action == "wait" or gone - decision.names.keys():
            why = f"{decision.reason}, which a person would have to decide when a run is planned"
            self._closed.append(f"{part.path}: {why}")
            return None
        return {column: names for column, names in decision.names.items() if column in gone}, decision.reason

    def _schema(self, part: Part) -> Schema:
        source = self._source
        if not isinstance(source, PostgresSource):
            source = source.model_copy(update={"path": part.path, "also_at": ()})
        return reader(self._task.dataset, source, self._session.surroundings).schemas()[0]

    def _known(self, column: str) -> Iterator[str]:
        """Values of a column, from what was read of the source by now."""
        dataset = self._task.dataset
        read = [t.key for t in self._plan.tasks if t.stage == Stage.INGESTION and t.dataset == dataset]
        own = [self._outcomes[key].output for key in read if key in self._outcomes]
        for path in [path for output in own if output for path in output.paths][:1]:
            with open_file(path) as file:
                batch = next(pq.ParquetFile(file).iter_batches(_KNOWN, columns=[column]), None)
            if batch is not None:
                yield from batch.column(0).cast(pa.string()).drop_null().to_pylist()

    def _amendment(self, part: Part, names: Names) -> Amendment | None:
        """The amendment by which the part is read so; None where that is what failed, now or before."""
        failed = [one.instead_of for one in self._plan.amendments if one.unfit and one.source == self._task.dataset]
        if not names and part in (*failed, *([self._part] if self._unfit else [])):
            return None
        return Amendment(source=self._task.dataset, part=part, instead_of=self._part, names=names, unfit=self._unfit)
