"""discover: datasets for some words, from the catalog, brought up to date where the question needs it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from typing import Any

from core.errors import InputError, Interrupted, Refused, SourceError
from core.stop import Stop
from core.store import Database
from tools.context import ToolContext
from tools.discovery import cache, catalog
from tools.discovery.adapters import adapter
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
from tools.discovery.crawler import Crawl, crawl
from tools.discovery.dataset import Description
from tools.discovery.governance import judge, summary
from tools.discovery.metrics import metrics
from tools.discovery.request import DiscoveryRequest
from tools.discovery.search import Filters, Hits, left_out, search
from tools.discovery.vocabulary import Word, understand
from tools.url import public

# Sources crawled at the same time; and the share of a call's time that they have: the rest is for the answer.
_AT_ONCE = 8
_CRAWLING = 0.8


def discover(
    request: DiscoveryRequest, context: ToolContext, database: Database, stop: Stop | None = None
) -> Discovery:
    """The datasets below the context's roots, and not above its clearance, that answer the request.

    Roots that the catalog does not know yet are crawled first; and with a freshness, so are the sources whose last
    crawl is longer ago than that. A source that fails is told in `failures`, beside the answer from the others.
    So is one whose crawl takes more than four fifths of the context's time. Raises StoreUnavailable; Interrupted when
    a stop was requested.
    """
    roots = {_source(context.path(root)): root for root in context.roots}
    failures = _refresh(request, context, roots, database, stop)
    key = cache.question(request, context)
    if answer := cache.recall(database, key):
        return answer.model_copy(update={"failures": [*answer.failures, *failures]})
    # Before the search: what changes while it runs must not be taken for known.
    version = catalog.version(database)
    answer = _answer(request, context, list(roots), database)
    cache.keep(database, key, answer, version, request.window)
    return answer.model_copy(update={"failures": [*answer.failures, *failures]})


def _source(root: str) -> str:
    """A root as the catalog calls what is below it."""
    if "://" not in root:
        return root
    try:
        return adapter(root).source
    except InputError:
        # A prefix of URLs, such as a whole server, need not be a source itself.
        return public(root)


def _refresh(
    request: DiscoveryRequest,
    context: ToolContext,
    roots: Mapping[str, str],
    database: Database,
    asked: Stop | None,
) -> list[Failure]:
    """Crawl what the question needs. What fails in a crawl is on record in the catalog; other failures are returned."""
    known = catalog.sources(database)
    window = request.window
    wanted = {place: url for place, url in roots.items() if not any(_below(place, source) for source in known)}
    for source, crawled_at in known.items():
        if _within(source, list(roots)) and (
            crawled_at is None or (window and crawled_at < datetime.now(UTC) - window)
        ):
            # With its password, where a root has it.
            wanted[source] = roots.get(source, source)
    return _crawled(wanted, context, database, asked)


def _crawled(wanted: Mapping[str, str], context: ToolContext, database: Database, asked: Stop | None) -> list[Failure]:
    """Crawl sources side by side, so that one that is slow takes no other's time. What is not through in time is told,
    and stopped."""
    patience = _CRAWLING * context.timeout_s
    failures = []
    pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="source")
    with context.deadline(asked) as stop:
        try:
            crawls = {source: pool.submit(crawl, url, database, stop) for source, url in wanted.items()}
            wait(crawls.values(), patience)
            stop.request(f"sources have {patience:g} s to be crawled")
            for source, crawled in crawls.items():
                if asked is not None:
                    asked.check()
                if (reason := _failed(crawled, patience)) is not None:
                    failures.append(Failure(source=source, reason=reason))
        finally:
            # One that hears nothing of the stop, as a server keeps it waiting, is not waited for.
            pool.shutdown(wait=False, cancel_futures=True)
    return failures


def _failed(crawled: Future[Crawl], patience: float) -> str | None:
    """Why a crawl failed, if the catalog has no record of it. Raises what is not the source's fault."""
    try:
        crawled.result(timeout=0)
    except (TimeoutError, Interrupted):
        return f"its crawl was not through after {patience:g} s."
    except SourceError:
        return None
    except InputError as error:
        return str(error)
    return None


def _answer(request: DiscoveryRequest, context: ToolContext, roots: Sequence[str], database: Database) -> Discovery:
    now = datetime.now(UTC)
    filters = Filters(
        source_types=request.source_types,
        domains=request.domains,
        quality=request.quality_threshold,
        changed_since=now - request.window if request.window else None,
        roots=roots,
        clearance=context.clearance,
    )
    words = understand(database, request.query)
    hits, matched = _hits(database, words, filters, request.max_results)
    admitted = [row for row in hits.best if _admitted(row["location"], context)]
    hidden = catalog.above(database, [place for row in admitted for place in _named(row)], context.clearance)
    datasets = [_ranked(row, hidden) for row in admitted]
    sources = [row["source"] for row in admitted]
    crawled = [at for source, at in catalog.sources(database).items() if at and _within(source, roots)]
    return Discovery(
        query=request.query,
        matched=matched,
        corrections={word.asked: word.corrected for word in words if word.corrected},
        found=hits.found,
        capped=hits.capped,
        withheld=hits.withheld + len(hits.best) - len(admitted),
        left_out=left_out(database, words, filters) if hits.found < request.max_results else {},
        datasets=[_shortened(dataset) for dataset in datasets],
        distributions=Distributions(by_domain=hits.by_domain, by_source=hits.by_source, by_quality=hits.by_quality),
        quality=QualitySummary.model_validate(hits.quality),
        compatibility=compatibility(list(zip(sources, (d.description for d in datasets), strict=True))),
        governance=summary([dataset.governance for dataset in datasets]),
        failures=[failure for failure in catalog.failures(database, context.clearance) if _told(failure, roots)],
        crawled_at=min(crawled, default=None),
        answered_at=now,
    )


def _hits(database: Database, words: Sequence[Word], filters: Filters, limit: int) -> tuple[Hits, str]:
    hits = search(database, words, filters, limit)
    if not words:
        return hits, "everything"
    if hits.found or len(words) < 2:
        return hits, "all"
    return search(database, words, filters, limit, every=False), "any"


def _named(row: dict[str, Any]) -> list[str]:
    """The other datasets that a description names."""
    description = row["description"]
    return [*description.get("upstream", ()), *(key["references"] for key in description.get("foreign_keys", ()))]


def _ranked(row: dict[str, Any], hidden: set[str]) -> RankedDataset:
    """A found dataset. What it says of `hidden` ones is left out."""
    description = Description.model_validate(row["description"])
    description = description.model_copy(
        update={
            # The catalog may know when the data changed where its source does not say it.
            "updated_at": datetime.fromisoformat(row["updated_at"]) if row["updated_at"] else None,
            "upstream": tuple(place for place in description.upstream if place not in hidden),
            "foreign_keys": tuple(key for key in description.foreign_keys if key.references not in hidden),
        }
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
    """Whether a file is within the roots still: since the crawl, a link may have come to lead elsewhere."""
    if "://" in location:
        return True
    try:
        context.path(location)
    except Refused:
        return False
    return True


def _told(failure: Failure, roots: Sequence[str]) -> bool:
    if failure.part is None:
        return _within(failure.source, roots) or any(_below(root, failure.source) for root in roots)
    return _within(failure.part, roots) or _within(failure.source, roots)


def _within(place: str, roots: Sequence[str]) -> bool:
    return any(_below(place, root) for root in roots)


def _below(place: str, root: str) -> bool:
    return place == root or place.startswith(root.rstrip("/") + "/")
