"""Market research: what datasets contain, how much they cover, and how they spread over the domains of the business."""

from pydantic import BaseModel, ConfigDict, Field

from graphs.workers.columns import profiled
from graphs.workers.dataset import Dataset
from graphs.workers.inquiry import Inquiry, Scope, domain_of
from graphs.workers.summary import leading
from tools.discovery.request import DiscoveryRequest
from tools.quality.profile import ColumnProfile, Count

# Columns that are profiled of each dataset; that are shown of all together.
_PROFILED = 50
_MAX_COLUMNS = 150
_MAX_TEXT = 60


class MarketRequest(Scope):
    """Survey datasets. `domains` are those of the business, which results are counted by."""

    domains: tuple[str, ...] = Field(
        default=tuple(DiscoveryRequest.model_fields["domains"].default), min_length=1, max_length=50
    )


class Content(BaseModel):
    """A column: its type, the share of cells without a value, how many values, their range, and the most frequent."""

    model_config = ConfigDict(frozen=True)

    name: str
    type: str
    missing_share: float | None
    distinct: int | None
    min: str | None
    max: str | None
    top: list[Count]


class Surveyed(BaseModel):
    """One dataset, over the `rows` that were looked at: all of them if `whole`.

    `completeness` is the share of cells with a value. `covers` has for each column of times the first and the last.
    """

    model_config = ConfigDict(frozen=True)

    location: str
    domain: str | None
    rows: int
    whole: bool
    completeness: float | None
    covers: dict[str, tuple[str, str]]
    width: int
    columns: list[Content]


class Share(BaseModel):
    """A domain: how many datasets are of it, and of those that were surveyed their rows, and how complete they are."""

    model_config = ConfigDict(frozen=True)

    domain: str
    datasets: int
    surveyed: int
    rows: int
    completeness: float | None


class Market(BaseModel):
    """The datasets that could be surveyed, and how all that were found spread over the domains.

    A dataset is of the domain that people say, else of the first one that its name or folder names; the rest are
    counted as `other`. A domain without datasets is a gap. `quality` is the share of cells with a value, over all that
    was surveyed; None without cells.
    """

    model_config = ConfigDict(frozen=True)

    domains: list[Share]
    datasets: list[Surveyed]
    quality: float | None


_OTHER = "other"
# What discovery calls the domain of a dataset that has none.
_UNNAMED = "unknown"


def surveyed(request: MarketRequest, inquiry: Inquiry) -> Market:
    """Survey the datasets of a request; what cannot be read is counted by its domain alone."""
    datasets = inquiry.datasets(request.query, request.paths, request.max_datasets)
    shown = _MAX_COLUMNS // max(1, len(datasets))
    found, cells, filled = [], 0, 0.0
    for dataset in datasets:
        if one := _surveyed(dataset, request.domains, inquiry, shown):
            found.append(one)
            cells, filled = cells + _cells(one), filled + _cells(one) * (one.completeness or 0.0)
    counts = _counts(request, datasets, inquiry)
    return Market(
        domains=[_share(domain, n, found) for domain, n in counts.items()],
        datasets=found,
        quality=filled / cells if cells else None,
    )


def _surveyed(dataset: Dataset, domains: tuple[str, ...], inquiry: Inquiry, shown: int) -> Surveyed | None:
    rows = inquiry.rows(dataset)
    if rows is None:
        return None
    names = rows.table.columns
    found = profiled(inquiry.engine, rows.table, names[:_PROFILED])
    inquiry.notes += [f"{dataset.location}: {note}" for note in found.notes]
    profile = found.profile
    cells, missing = profile.rows * len(profile.columns), sum(column.missing for column in profile.columns)
    return Surveyed(
        location=dataset.location,
        domain=domain_of(dataset, domains),
        rows=profile.rows,
        whole=rows.whole,
        completeness=1 - missing / cells if cells else None,
        covers={c.name: (c.min, c.max) for c in profile.columns if c.name in found.times and c.min and c.max},
        width=len(names),
        columns=[_content(column, profile.rows) for column in profile.columns[:shown]],
    )


def _content(column: ColumnProfile, rows: int) -> Content:
    return Content(
        name=column.name,
        type=column.type,
        missing_share=column.missing / rows if rows else None,
        distinct=column.distinct,
        min=column.min[:_MAX_TEXT] if column.min else None,
        max=column.max[:_MAX_TEXT] if column.max else None,
        top=leading(column),
    )


def _counts(request: MarketRequest, datasets: list[Dataset], inquiry: Inquiry) -> dict[str, int]:
    """How many datasets each domain has: of all that the query finds, or of those at the paths."""
    counts = dict.fromkeys(request.domains, 0)
    if request.query is None:
        for dataset in datasets:
            domain = domain_of(dataset, request.domains) or _OTHER
            counts[domain] = counts.get(domain, 0) + 1
        return counts
    everything = inquiry.discovered(request.query, 1)
    named = inquiry.discovered(request.query, 1, request.domains)
    if everything.capped:
        inquiry.notes.append(f"the domains of the first {everything.found} datasets were counted")
    counts |= {name: n for name, n in everything.distributions.by_domain.items() if name != _UNNAMED}
    if named.matched == everything.matched:
        counts |= named.distributions.by_domain
    return counts | {_OTHER: everything.found - sum(counts.values())}


def _share(domain: str, n: int, found: list[Surveyed]) -> Share:
    own = [one for one in found if (one.domain or _OTHER) == domain]
    known = [(_cells(one), one.completeness) for one in own if one.completeness is not None]
    cells = sum(weight for weight, _ in known)
    return Share(
        domain=domain,
        datasets=n,
        surveyed=len(own),
        rows=sum(one.rows for one in own),
        completeness=sum(weight * share for weight, share in known) / cells if cells else None,
    )


def _cells(one: Surveyed) -> int:
    return one.rows * min(one.width, _PROFILED)
