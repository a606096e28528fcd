"""discover: datasets for some words, from the catalog, brought up to date where the question needs it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from core.errors import InputError, Refused, SourceError
from core.store import Database
from tools.context import ToolContext
from tools.discovery import cache, catalog
from tools.discovery.annotations import Annotations
from tools.discovery.answer import (
    MAX_COLUMNS,
    Discovery,
    Distributions,
    QualitySummary,
    RankedDataset,
    Scores,
)
from tools.discovery.catalog import Failure
from tools.discovery.compatibility import compatibility
from tools.discovery.crawl import crawl
from tools.discovery.dataset import Description
from tools.discovery.governance import judge, summary
from tools.discovery.metrics import metrics
from tools.discovery.request import DiscoveryRequest
from tools.discovery.search import Filters, Hits, left_out, search
from tools.discovery.url import without_user
from tools.discovery.vocabulary import Word, understand


def discover(request: DiscoveryRequest, context: ToolContext, database: Database) -> Discovery:
    """The datasets below the context's roots, and not above its clearance, that answer the request.

    Roots that the catalog does not know yet are crawled first; and with a freshness, so are the sources whose last crawl
    is longer ago than that. A source that fails is told in `failures`, beside the answer from the others.
    Raises StoreUnavailable.
    """
    roots = [without_user(context.path(root)) for root in context.roots]
    _refresh(request, roots, database)
    key = cache.question(request, context)
    if answer := cache.recall(database, key):
        return answer
    # Before the search: what changes while it runs must not be taken for known.
    version = catalog.version(database)
    answer = _answer(request, context, roots, database)
    cache.keep(database, key, answer, version, request.window)
    return answer


def _refresh(request: DiscoveryRequest, roots: Sequence[str], database: Database) -> None:
    """Failures are on record in the catalog, from where the answer tells them."""
    known = catalog.sources(database)
    new = [root for root in roots if not any(_below(root, source) or _below(source, root) for source in known)]
    window = request.window
    old = [
        source
        for source, crawled_at in known.items()
        if window and (crawled_at is None or crawled_at < datetime.now(UTC) - window) and _within(source, roots)
    ]
    for url in (*new, *old):
        try:
            crawl(url, database)
        except (SourceError, InputError):
            continue


def _answer(request: DiscoveryRequest, context: ToolContext, roots: Sequence[str], database: Database) -> Discovery:
    now = datetime.now(UTC)
    window = request.window
    filters = Filters(
        source_types=request.source_types,
        domains=request.domains,
        quality=request.quality_threshold,
        changed_since=now - window if window else None,
        roots=roots,
        clearance=context.clearance,
    )
    words = understand(database, request.query)
    hits, matched = _hits(database, words, filters, request.max_results)
    datasets = [_ranked(row) for row in hits.best if _admitted(row["location"], context)]
    urls = {row["location"]: row["source"] for row in hits.best}
    crawled = [at for source, at in catalog.sources(database).items() if at and _within(source, roots)]
    return Discovery(
        query=request.query,
        matched=matched,
        corrections={word.asked: word.corrected for word in words if word.corrected},
        found=hits.found,
        capped=hits.capped,
        withheld=hits.withheld + len(hits.best) - len(datasets),
        left_out=left_out(database, words, filters) if hits.found < request.max_results else {},
        datasets=[_shortened(dataset) for dataset in datasets],
        distributions=Distributions(by_domain=hits.by_domain, by_source=hits.by_source, by_quality=hits.by_quality),
        quality=QualitySummary.model_validate(hits.quality),
        compatibility=compatibility([(urls[d.description.location], d.description) for d in datasets]),
        governance=summary([dataset.governance for dataset in datasets]),
        failures=[failure for failure in catalog.failures(database) if _told(failure, roots)],
        crawled_at=min(crawled, default=None),
        answered_at=now,
    )


def _hits(database: Database, words: Sequence[Word], filters: Filters, limit: int) -> tuple[Hits, str]:
    hits = search(database, words, filters, limit)
    if hits.found or len(words) < 2:
        return hits, "all"
    return search(database, words, filters, limit, every=False), "any"


def _ranked(row: dict[str, Any]) -> RankedDataset:
    description = Description.model_validate(row["description"])
    # The catalog may know when the data changed where its source does not say it.
    description = description.model_copy(
        update={"updated_at": datetime.fromisoformat(row["updated_at"]) if row["updated_at"] else None}
    )
    annotations = Annotations.model_validate(row["annotations"])
    scores = Scores.model_validate(row, from_attributes=False)
    return RankedDataset(
        score=row["score"],
        scores=scores,
        domain=row["domain"],
        columns=len(description.columns),
        description=description,
        annotations=annotations,
        metrics=metrics(description, scores.freshness),
        governance=judge(description, annotations),
    )


def _shortened(dataset: RankedDataset) -> RankedDataset:
    description = dataset.description
    shown = description.model_copy(update={"columns": description.columns[:MAX_COLUMNS]})
    return dataset.model_copy(update={"description": shown})


def _admitted(location: str, context: ToolContext) -> bool:
    """Whether the place is within the roots still: since the crawl, a link may have come to lead elsewhere."""
    try:
        context.path(location)
    except Refused:
        return False
    return True


def _told(failure: Failure, roots: Sequence[str]) -> bool:
    return _within(failure.part or failure.source, roots) or _within(failure.source, roots)


def _within(place: str, roots: Sequence[str]) -> bool:
    return any(_below(place, root) for root in roots)


def _below(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip("/") + "/")
