"""The catalog: brought up to date, searched, annotated."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crewline.facade.store import database

if TYPE_CHECKING:
    from tools.context import ToolContext
    from tools.discovery import Crawl, Discovery, Entry


def crawl(url: str) -> Crawl:
    """Bring the catalog up to date with a source: a folder, or the URL of an object store, a PostgreSQL database, a
    Kafka broker, an OpenAPI document; or the path of a `.duckdb` file. What has not changed is not read.

    Raises SourceError when the source cannot be listed, InputError for a URL that nothing reads, StoreUnavailable.
    """
    from tools.discovery import crawl as bring_up_to_date

    with database() as store:
        return bring_up_to_date(url, store)


def sources() -> list[str]:
    """The sources that the catalog knows."""
    from tools.discovery import catalog

    with database() as store:
        return list(catalog.sources(store))


def discover(query: str, *, context: ToolContext | None = None, **filters: Any) -> Discovery:
    """Datasets of the catalog for some words, the best first.

    `filters` are the other fields of a `DiscoveryRequest`; here no source type, domain or quality is left out unless
    asked for. With a `context`, what lies outside of its roots or above its clearance is left out. Raises InputError
    for filters that are none, and for an empty catalog; StoreUnavailable.
    """
    from pydantic import ValidationError

    from core.classification import Classification
    from core.errors import InputError
    from tools.arguments import problems
    from tools.context import ToolContext
    from tools.discovery import DiscoveryRequest, catalog
    from tools.discovery import discover as find

    everything = {"source_types": [], "domains": [], "quality_threshold": 0.0}
    try:
        request = DiscoveryRequest.model_validate({"query": query, **everything, **filters})
    except ValidationError as error:
        raise InputError(f"That cannot be asked for: {problems(error)}.", remedy="Correct it.") from error
    with database() as store:
        if context is None:
            sources = tuple(catalog.sources(store))
            if not sources:
                raise InputError("The catalog is empty.", remedy="Fill it with: crewline crawl URL")
            context = ToolContext(agent="crewline", roots=sources, clearance=Classification.RESTRICTED)
        return find(request, context, store)


def annotate(dataset: str, **values: str) -> Entry:
    """Say of a dataset what its source does not: `annotate("orders", owner="sales", classification="confidential")`.

    `dataset` is a location, or a name that is unique. An empty value takes the annotation away. Raises InputError.
    """
    from tools.discovery import annotate as say

    with database() as store:
        return say(store, dataset, values)
