"""An inquiry: the datasets that a research is about, and their rows, as far as they can be had."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from pydantic import Field, model_validator

from core.errors import SourceError
from core.store import Database
from graphs.workers.bounds import Session
from graphs.workers.dataset import Dataset, Rows, described, looked_up, opened
from tools.arguments import Arguments
from tools.context import ToolContext
from tools.discovery.answer import Discovery
from tools.discovery.discovery import discover
from tools.discovery.request import DiscoveryRequest
from tools.discovery.words import words
from tools.engine.engine import Engine

MAX_DATASETS = 25


class Scope(Arguments):
    """Which datasets to look at: those that a `query` finds in the catalog, or all at `paths`: files, folders, URLs."""

    query: str | None = Field(default=None, min_length=1, max_length=400)
    paths: tuple[str, ...] = Field(default=(), max_length=MAX_DATASETS)
    max_datasets: int = Field(default=10, ge=1, le=MAX_DATASETS)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.query is None) == (not self.paths):
            raise ValueError("give either query or paths")
        return self


@dataclass
class Inquiry:
    """One research under way, within a context. `notes` grow with what could not be had."""

    session: Session
    context: ToolContext
    database: Database
    notes: list[str] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.session.engine

    def datasets(self, query: str | None, paths: Sequence[str], limit: int) -> list[Dataset]:
        """The datasets at the paths; without any, the best that the query finds. Raises SourceError, Refused."""
        datasets, found = self._at(paths) if paths else self._named(query or "", limit)
        if found > limit:
            self.notes.append(f"{found - limit} more datasets were not looked at")
        return datasets[:limit]

    def discovered(self, query: str, limit: int, domains: Sequence[str] = ()) -> Discovery:
        """What the catalog has for a query: of all kinds of sources, of any quality, of any of these domains."""
        request = DiscoveryRequest(
            query=query, max_results=limit, source_types=[], quality_threshold=0, domains=list(domains)
        )
        return discover(request, self.context, self.database, self.session.stop)

    def rows(self, dataset: Dataset) -> Rows | None:
        """The rows of a dataset; None, with a note, where they cannot be had."""
        try:
            rows = opened(self.engine, dataset, self.context, self.database, self.session.scratch)
        except SourceError as error:
            self.notes.append(str(error))
            return None
        if rows is None:
            self.notes.append(f"{dataset.location}: its source gives no rows")
            return None
        self.notes += [f"{dataset.location}: {note}" for note in rows.notes]
        return rows

    def _at(self, paths: Iterable[str]) -> tuple[list[Dataset], int]:
        datasets: dict[str, Dataset] = {}
        for path in paths:
            there, faults = described(path, self.context, self.database, self.session.stop)
            datasets |= {dataset.location: dataset for dataset in there}
            self.notes += faults
        return list(datasets.values()), len(datasets)

    def _named(self, query: str, limit: int) -> tuple[list[Dataset], int]:
        answer = self.discovered(query, limit)
        self.notes += told(answer)
        locations = [found.description.location for found in answer.datasets]
        return looked_up(locations, self.database), answer.found


def told(answer: Discovery) -> list[str]:
    """What a discovery lacks, in notes: what could not be read, and how much is above the clearance."""
    notes = [f"{failure.part or failure.source}: {failure.reason}" for failure in answer.failures]
    return [*notes, f"{answer.withheld} datasets are above the clearance"] if answer.withheld else notes


def domain_of(dataset: Dataset, domains: Iterable[str]) -> str | None:
    """The domain that people say a dataset is of; else the first of these that its name, or its folder's, names."""
    if dataset.said.domain:
        return dataset.said.domain
    folder = dataset.location.rstrip("/").rpartition("/")[0].rpartition("/")[2]
    named = {*singular(dataset.description.name), *singular(folder)}
    return next((domain for domain in domains if named.issuperset(singular(domain))), None)


def singular(text: str) -> list[str]:
    """The words of a name, those in the plural by `s` in the singular."""
    return [word.removesuffix("s") for word in words(text)]
