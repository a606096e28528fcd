"""The search: what the catalog has for some words, filtered, ranked, and counted."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from core.classification import Classification
from core.store.database import Connection, Database
from tools.discovery.dataset import SourceType
from tools.discovery.index import DOMAIN_MARK, SOURCE_MARK
from tools.discovery.ranking import FRESHNESS_SQL, SCORE_SQL, WEIGHT_SQL
from tools.discovery.vocabulary import Word

# Ranking a hundred thousand datasets that have a common word would take seconds, and change little. Each candidate is a
# page to be read, and their number is most of what a search costs.
CAP = 1000

# The share of all datasets from which on a filter by sources leaves the index alone.
_COMMON = 0.2


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
    domains = _domains(database, filters.domains)
    marked = () if _common(database, filters.source_types) else filters.source_types
    meant = (" & " if every else " | ").join(_alternatives(word) for word in words)
    row = _one(
        database,
        _SEARCH,
        {
            "query": _query(meant, marked, domains) or None,
            "sources": list(filters.source_types),
            "words": meant or None,
            "domains": list(domains),
            "domain_queries": list(domains.values()),
            "quality": filters.quality,
            "since": filters.changed_since,
            "roots": None if filters.roots is None else [root.rstrip("/") for root in filters.roots],
            "clearance": filters.clearance.rank,
            "limit": limit,
            "cap": CAP,
        },
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
    domains = _domains(database, filters.domains)
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


def _one(database: Database, sql: str, parameters: dict[str, Any]) -> dict[str, Any]:
    def work(connection: Connection) -> dict[str, Any]:
        # The pages are nearly always in memory; to have them fetched by the server's reading processes, as it would,
        # takes longer than to read them, and on a busy machine ten times the search.
        connection.execute("SET LOCAL effective_io_concurrency = 0")
        # Never prepared: a plan for any words at all would read the whole table.
        return connection.execute(sql.encode(), parameters, prepare=False).fetchall()[0]

    return database.transaction(work)


def _domains(database: Database, domains: Sequence[str]) -> dict[str, str]:
    """The domains with what finds their datasets in the index."""
    if not domains:
        return {}
    rows = database.query(
        "SELECT d, tsvector_to_array(to_tsvector('english', d)) AS lexemes FROM unnest(%s::text[]) AS d",
        (list(domains),),
    )
    return {
        row["d"]: " & ".join(_quoted(DOMAIN_MARK + lexeme) for lexeme in row["lexemes"])
        for row in rows
        if row["lexemes"]
    }


def _common(database: Database, sources: Sequence[SourceType]) -> bool:
    """Whether so many datasets are of these sources, as far as the planner knows, that it is quicker to look at each
    candidate's than to have the index intersect its words with such long lists."""
    if not sources:
        return False
    (found,) = database.query(_SHARE, (list(sources),))
    return bool(found["share"] >= _COMMON)


def _query(words: str, sources: Sequence[SourceType], domains: dict[str, str]) -> str:
    wanted = [
        words,
        " | ".join(_quoted(SOURCE_MARK + source) for source in sources),
        " | ".join(f"({lexemes})" for lexemes in domains.values()),
    ]
    return " & ".join(f"({part})" for part in wanted if part)


def _alternatives(word: Word) -> str:
    return "(" + " | ".join(map(_quoted, word.lexemes)) + ")"


def _quoted(lexeme: str) -> str:
    return "'" + lexeme.replace("\\", "\\\\").replace("'", "''") + "'"


# All that is of a source within a root is within it: what an API's document describes may lie beside the document.
# Which sources these are is found once; only what is of others is compared with the roots, dataset by dataset.
_WITHIN = """(%(roots)s::text[] IS NULL
    OR source = ANY (ARRAY(
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

_SHARE = """
SELECT coalesce(sum(share), 0) AS share
FROM pg_stats, unnest(most_common_vals::text::text[], most_common_freqs) AS known (source_type, share)
WHERE schemaname = current_schema() AND tablename = 'catalog_datasets' AND attname = 'source_type' AND inherited
    AND source_type = ANY (%s)
"""

_SEARCH = f"""
WITH candidates AS MATERIALIZED (
    SELECT location, source, source_type, domain, annotations, quality, schema_completeness, updated_at,
        classification, search
    FROM catalog_datasets
    WHERE gone_at IS NULL AND (%(query)s::tsquery IS NULL OR search @@ %(query)s::tsquery)
        AND (cardinality(%(sources)s::text[]) = 0 OR source_type = ANY (%(sources)s::text[]))
        AND (quality >= %(quality)s OR quality IS NULL)
        AND (%(since)s::timestamptz IS NULL OR updated_at >= %(since)s) AND {_WITHIN}
    LIMIT %(cap)s
), weighed AS MATERIALIZED (
    SELECT *, {FRESHNESS_SQL} AS freshness, {WEIGHT_SQL} AS source_weight,
        rank / nullif(max(rank) OVER (), 0) AS relevance
    FROM (
        SELECT *, ts_rank(search, %(words)s::tsquery) AS rank FROM candidates WHERE classification <= %(clearance)s
    ) AS ranked
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
            count(quality) AS measured FROM weighed) AS c) AS counts,
    (SELECT json_object_agg(name, n) FROM (
        SELECT coalesce(domain, CASE WHEN cardinality(%(domains)s::text[]) > 0 THEN (
            SELECT t.name FROM unnest(%(domains)s::text[], %(domain_queries)s::tsquery[]) AS t (name, query)
            WHERE search @@ t.query LIMIT 1) END, 'unknown') AS name, count(*) AS n
        FROM weighed GROUP BY 1 ORDER BY 2 DESC) AS named) AS by_domain,
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
        AND classification <= %(clearance)s AND {_WITHIN}
    LIMIT %(cap)s
) AS candidates
"""
