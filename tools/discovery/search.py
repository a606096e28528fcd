"""The search: what the catalog has for some words, filtered, ranked, and counted."""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from core.classification import Classification
from core.store.database import Database
from tools.discovery.dataset import SourceType
from tools.discovery.index import DOMAIN_MARK, SOURCE_MARK
from tools.discovery.ranking import FRESHNESS_SQL, SCORE_SQL, WEIGHT_SQL
from tools.discovery.vocabulary import Word

# Ranking a hundred thousand datasets that have a common word would take seconds, and change little. Each candidate is a
# page to be read, and their number is most of what a search costs.
CAP = 1000

# The share of all datasets from which on a filter is not left to the index: it is quicker then to look at each
# candidate than to have the index intersect the words with such long lists.
_COMMON = 0.1

# What is known of these shares is looked up anew after so many seconds. A mistake costs time, and changes no count.
_KNOWN_S = 60


class Filters(NamedTuple):
    """What a dataset must be. Empty lists and None filter nothing. `roots` are folders and URL prefixes."""

    source_types: Sequence[SourceType] = ()
    domains: Sequence[str] = ()
    quality: float = 0.0
    changed_since: datetime | None = None
    roots: Sequence[str] | None = None
    clearance: Classification = Classification.RESTRICTED


class Hits(NamedTuple):
    """The best datasets, best first, and counts over all that were found.

    `found` stops at the cap of candidates; then `capped`. `withheld` are above the clearance, and counted nowhere else.
    """

    best: list[dict[str, Any]]
    found: int
    capped: bool
    withheld: int
    by_domain: dict[str, int]
    by_source: dict[str, int]
    by_quality: dict[str, int]
    quality: dict[str, float | int | None]


def search(database: Database, words: Sequence[Word], filters: Filters, limit: int, *, every: bool = True) -> Hits:
    """Datasets with these words: all of them, or any unless `every`. Without words, all that the filters leave."""
    marks = _marks(database, tuple(filters.domains), tuple(filters.source_types), int(time.monotonic() // _KNOWN_S))
    meant = (" & " if every else " | ").join(_alternatives(word) for word in words)
    query = _all(meant, *marks.rare)
    conditions = {
        "search @@ %(query)s::tsquery": query,
        "search @@ %(common)s::tsquery": marks.common,
        "source_type = ANY (%(sources)s::text[])": filters.source_types,
        "(quality >= %(quality)s OR quality IS NULL)": filters.quality,
        "updated_at >= %(since)s": filters.changed_since,
        _WITHIN: filters.roots is not None,
    }
    row = _one(
        database,
        _SEARCH.format(" AND ".join(["gone_at IS NULL", *(sql for sql, holds in conditions.items() if holds)])),
        {
            "query": query,
            "common": marks.common,
            "sources": list(filters.source_types),
            "words": meant or None,
            "domains": list(marks.domains),
            "domain_queries": list(marks.domains.values()),
            "quality": filters.quality,
            "since": filters.changed_since,
            "roots": None if filters.roots is None else [root.rstrip("/") for root in filters.roots],
            "clearance": filters.clearance.rank,
            "limit": limit,
            "cap": CAP,
        },
        indexed=bool(query),
    )
    counts = row["counts"]
    found = counts["measured"] + counts["unknown"]
    return Hits(
        best=row["best"] or [],
        found=found,
        capped=row["seen"] >= CAP,
        withheld=row["seen"] - found,
        by_domain=row["by_domain"] or {},
        by_source={source.value: counts[source] for source in SourceType if counts[source]},
        by_quality={level: counts[level] for level in _LEVELS if counts[level]},
        quality={name: counts[name] for name in ("mean", "lowest", "highest", "measured", "unknown")},
    )


def left_out(database: Database, words: Sequence[Word], filters: Filters) -> dict[str, int]:
    """How many datasets with all of these words each filter leaves out by itself, as far as the cap reaches."""
    domains = {name: _together(marks) for name, marks in _lexemes(database, filters.domains).items()}
    meant = " & ".join(_alternatives(word) for word in words)
    row = _one(
        database,
        _LEFT_OUT,
        {
            "query": meant or None,
            "sources": list(filters.source_types),
            "domains": list(domains.values()),
            "quality": filters.quality,
            "since": filters.changed_since,
            "roots": None if filters.roots is None else [root.rstrip("/") for root in filters.roots],
            "clearance": filters.clearance.rank,
            "cap": CAP,
        },
    )
    return {name: count for name, count in row.items() if count}


def _one(database: Database, sql: str, parameters: dict[str, Any], *, indexed: bool = False) -> dict[str, Any]:
    """The one row of a statement. One that is `indexed` is planned once: so that the index finds what matches."""
    # The pages are nearly always in memory; to have them fetched by the server's reading processes, as it would, takes
    # longer than to read them, and on a busy machine ten times the search.
    settings = {"effective_io_concurrency": "0"}
    if indexed:
        # To plan takes as long as to search. But a plan for any words at all would read the whole table, if it could.
        settings |= {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off"}
    return database.query(sql, parameters, settings=settings, prepare=indexed)[0]


class _Marks(NamedTuple):
    """Filters by sources and domains as queries: `rare` ones are for the index; `common` is the one by domains, if that
    is not for it. And the domains, each with its own.
    """

    rare: list[str]
    common: str | None
    domains: dict[str, str]


@lru_cache(maxsize=256)
def _marks(database: Database, domains: tuple[str, ...], sources: tuple[SourceType, ...], _: int) -> _Marks:
    lexemes = _lexemes(database, domains)
    of_domains, of_sources = list(lexemes.values()), [[SOURCE_MARK + source] for source in sources]
    shares = _shares(database, [mark for marks in (*of_domains, *of_sources) for mark in marks])

    def many(filter_: list[list[str]]) -> bool:
        return sum(min(shares.get(mark, 0.0) for mark in marks) for marks in filter_) >= _COMMON

    return _Marks(
        # What source a dataset is of, its row says too.
        rare=[_any(map(_together, filter_)) for filter_ in (of_domains, of_sources) if filter_ and not many(filter_)],
        common=_any(map(_together, of_domains)) if many(of_domains) else None,
        domains={domain: _together(marks) for domain, marks in lexemes.items()},
    )


def _lexemes(database: Database, domains: Sequence[str]) -> dict[str, list[str]]:
    """The domains with the marks in the index that their datasets have, all of them."""
    if not domains:
        return {}
    rows = database.query(
        "SELECT d, tsvector_to_array(to_tsvector('english', d)) AS lexemes FROM unnest(%s::text[]) AS d",
        (list(domains),),
    )
    return {row["d"]: [DOMAIN_MARK + lexeme for lexeme in row["lexemes"]] for row in rows if row["lexemes"]}


def _shares(database: Database, marks: list[str]) -> dict[str, float]:
    """The shares of datasets that have these marks, as far as the planner knows: those that few have are not told."""
    return {row["mark"]: row["share"] for row in database.query(_SHARES, (marks,))} if marks else {}


def _all(*queries: str) -> str | None:
    """What all of these find; None if there are none."""
    return " & ".join(f"({query})" for query in queries if query) or None


def _any(queries: Iterable[str]) -> str:
    return " | ".join(f"({query})" for query in queries)


def _together(marks: Iterable[str]) -> str:
    return " & ".join(map(_quoted, marks))


def _alternatives(word: Word) -> str:
    return "(" + " | ".join(map(_quoted, word.lexemes)) + ")"


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


# All that is of a source within a root is within it: what an API's document describes may lie beside the document.
# Which sources these are is found once; only what is of others is compared with the roots, dataset by dataset.
_WITHIN = """(source = ANY (ARRAY(
        SELECT s.source FROM catalog_sources s, unnest(%(roots)s::text[]) AS root
        WHERE s.source = root OR starts_with(s.source, root || '/')))
    OR EXISTS (
        SELECT FROM unnest(%(roots)s::text[]) AS root WHERE location = root OR starts_with(location, root || '/')))"""

# One pass over the candidates for all of these.
_SOURCES = {source: f"source_type = '{source}'" for source in SourceType}
_LEVELS = {
    "high": "quality >= 0.8",
    "medium": "quality >= 0.6 AND quality < 0.8",
    "low": "quality < 0.6",
    "unknown": "quality IS NULL",
}
_COUNTS = ", ".join(
    f'count(*) FILTER (WHERE {condition}) AS "{name}"' for name, condition in (*_SOURCES.items(), *_LEVELS.items())
)

_SHARES = """
SELECT mark, share
FROM pg_stats, unnest(most_common_elems::text::text[], most_common_elem_freqs) AS known (mark, share)
WHERE schemaname = current_schema() AND tablename = 'catalog_datasets' AND attname = 'search' AND inherited
    AND mark = ANY (%s)
"""

# Each candidate is kept for all that is asked of it: so its words, which are most of it, are left behind at once.
_SEARCH = f"""
WITH candidates AS MATERIALIZED (
    SELECT location, source, source_type, domain, annotations, quality, schema_completeness, updated_at,
        classification, ts_rank(search, %(words)s::tsquery) AS rank,
        coalesce(domain, CASE WHEN cardinality(%(domains)s::text[]) > 0 THEN (
            SELECT t.name FROM unnest(%(domains)s::text[], %(domain_queries)s::tsquery[]) AS t (name, query)
            WHERE search @@ t.query LIMIT 1) END, 'unknown') AS named
    FROM catalog_datasets
    WHERE {{}}
    LIMIT %(cap)s
), admitted AS NOT MATERIALIZED (
    SELECT * FROM candidates WHERE classification <= %(clearance)s
), highest AS MATERIALIZED (
    SELECT max(rank) AS rank FROM admitted
), weighed AS NOT MATERIALIZED (
    SELECT *, {FRESHNESS_SQL} AS freshness, {WEIGHT_SQL} AS source_weight,
        rank / nullif((SELECT rank FROM highest), 0) AS relevance
    FROM admitted
), best AS (
    SELECT location, source, domain, annotations, updated_at, {SCORE_SQL} AS score,
        quality, relevance, freshness, schema_completeness, source_weight
    FROM weighed ORDER BY score DESC, location LIMIT %(limit)s
)
SELECT
    (SELECT json_agg(row_to_json(b) ORDER BY score DESC, location) FROM (
        SELECT best.*, description FROM best JOIN catalog_descriptions USING (location)
    ) AS b) AS best,
    (SELECT row_to_json(c) FROM (
        SELECT {_COUNTS}, avg(quality) AS mean, min(quality) AS lowest, max(quality) AS highest,
            count(quality) AS measured FROM admitted) AS c) AS counts,
    (SELECT json_object_agg(named, n) FROM (
        SELECT named, count(*) AS n FROM admitted GROUP BY named ORDER BY n DESC) AS domains) AS by_domain,
    (SELECT count(*) FROM candidates) AS seen
"""

_LEFT_OUT = f"""
SELECT
    count(*) FILTER (WHERE cardinality(%(sources)s::text[]) > 0 AND source_type <> ALL (%(sources)s::text[]))
        AS source_types,
    count(*) FILTER (WHERE cardinality(%(domains)s::text[]) > 0
        AND NOT EXISTS (SELECT FROM unnest(%(domains)s::text[]) AS d WHERE search @@ d::tsquery)) AS domains,
    count(*) FILTER (WHERE quality < %(quality)s) AS quality_threshold,
    count(*) FILTER (WHERE %(since)s::timestamptz IS NOT NULL AND (updated_at < %(since)s OR updated_at IS NULL))
        AS freshness
FROM (
    SELECT source_type, quality, updated_at, search FROM catalog_datasets
    WHERE gone_at IS NULL AND (%(query)s::tsquery IS NULL OR search @@ %(query)s::tsquery)
        AND classification <= %(clearance)s AND (%(roots)s::text[] IS NULL OR {_WITHIN})
    LIMIT %(cap)s
) AS candidates
"""
