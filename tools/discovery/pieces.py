"""What crawls found: pieces of datasets, one for each part of a source, and how they become datasets.

A crawl writes pieces (what a part of a source holds), and marks their datasets as stale in the same transaction; then
stale datasets are put together anew from all their pieces. A crawl that is killed in between leaves them marked, and
the next one goes on.
"""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from core.store.database import Connection, Database
from core.store.value import text
from tools.discovery.adapters import Part
from tools.discovery.annotations import Annotations
from tools.discovery.catalog import Entry, Indexed, entries, grow, index
from tools.discovery.dataset import Description, merge

# How many datasets are put together in one transaction: enough to be fast, few enough to keep no one waiting.
_BATCH = 500


class Found(NamedTuple):
    """What reading a part gave: pieces of datasets, or the reason why it could not be read."""

    part: Part
    pieces: Sequence[Description]
    fault: str | None


class Tally(NamedTuple):
    """How many datasets a crawl changed."""

    described: int
    gone: int


def begin(database: Database, source: str) -> None:
    """A crawl of the source begins."""
    database.transaction(
        lambda c: c.execute(
            "INSERT INTO catalog_sources (source, tried_at) VALUES (%s, clock_timestamp())"
            " ON CONFLICT (source) DO UPDATE SET tried_at = excluded.tried_at",
            (source,),
        )
    )


def end(database: Database, source: str, error: str | None) -> None:
    """The crawl has ended: all parts were seen, or `error` is why not."""

    def work(connection: Connection) -> None:
        connection.execute(
            "UPDATE catalog_sources SET error = %s, crawled_at = CASE WHEN %s THEN tried_at ELSE crawled_at END"
            " WHERE source = %s",
            (text(error) if error else None, error is None, source),
        )
        grow(connection)

    database.transaction(work)


def versions(database: Database, source: str) -> dict[str, str | None]:
    """The parts of the source as they were last read, with their versions."""
    rows = database.query("SELECT DISTINCT part, version FROM catalog_pieces WHERE source = %s", (source,))
    return {row["part"]: row["version"] for row in rows}


def store(database: Database, source: str, found: Sequence[Found], vanished: Sequence[str]) -> None:
    """Replace what is known of these parts, and forget those that vanished. Marks their datasets as stale.

    A part that could not be read keeps what was known of it, with the fault; it is read again in the next crawl.
    """
    read = [(part, pieces, fault) for part, pieces, fault in found if pieces or not fault]
    unread = {part.name: text(fault) for part, pieces, fault in found if fault and not pieces}
    parts = [part.name for part, _, _ in read] + list(vanished)
    rows = [
        (source, part.name, location, part.version, facts, text(fault) if fault else None)
        for part, pieces, fault in read
        for location, facts in _facts(pieces)
    ]

    def work(connection: Connection) -> None:
        _lock(connection, source)
        connection.execute(
            "WITH old AS (DELETE FROM catalog_pieces WHERE source = %s AND part = ANY(%s) RETURNING location)"
            " INSERT INTO catalog_stale SELECT DISTINCT %s, location FROM old WHERE location <> ''"
            " ON CONFLICT DO NOTHING",
            (source, parts, source),
        )
        with connection.cursor() as cursor:
            with cursor.copy("COPY catalog_pieces (source, part, location, version, facts, fault) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            cursor.execute(
                "INSERT INTO catalog_stale SELECT %s, unnest(%s::text[]) ON CONFLICT DO NOTHING",
                (source, sorted({row[2] for row in rows if row[2]})),
            )
        connection.execute(_FAULTS, (list(unread), list(unread.values()), source, source))

    database.transaction(work)


def assemble(database: Database, source: str) -> Tally:
    """Put the stale datasets of the source together from their pieces; those without any are marked as gone."""
    described = gone = 0
    while tally := database.transaction(lambda c: _assemble(c, source)):
        described += tally.described
        gone += tally.gone
    return Tally(described, gone)


def settle(database: Database, *, many: bool) -> None:
    """After changes: sort the new entries into the search index; after many, renew what the planner knows of it."""
    # Until then, each search reads all new entries one by one.
    database.transaction(
        lambda c: c.execute(
            "SELECT gin_clean_pending_list(relid) FROM pg_partition_tree('catalog_search') WHERE isleaf"
        )
    )
    if many:
        database.transaction(lambda c: c.execute("ANALYZE catalog_datasets, catalog_pieces, catalog_words"))


def _assemble(connection: Connection, source: str) -> Tally | None:
    """A batch of stale datasets; None when there are none left."""
    _lock(connection, source)
    stale = [
        row["location"]
        for row in connection.execute(
            "DELETE FROM catalog_stale WHERE ctid = ANY (ARRAY(SELECT ctid FROM catalog_stale"
            " WHERE source = %s LIMIT %s)) RETURNING location",
            (source, _BATCH),
        )
    ]
    if not stale:
        return None
    pieces: dict[str, list[Description]] = {location: [] for location in sorted(stale)}
    for row in connection.execute(
        "SELECT location, facts FROM catalog_pieces WHERE location = ANY(%s) AND source = %s ORDER BY location, part",
        (stale, source),
    ):
        pieces[row["location"]].append(Description.model_validate(row["facts"]))
    known = entries(connection, stale)
    there = [_renewed(merge(found), known.get(location)) for location, found in pieces.items() if found]
    index(connection, source, there)
    gone = connection.execute(
        "UPDATE catalog_datasets d SET gone_at = clock_timestamp() WHERE location = ANY(%s) AND gone_at IS NULL"
        " AND NOT EXISTS (SELECT FROM catalog_pieces p WHERE p.location = d.location)",
        ([location for location, found in pieces.items() if not found],),
    ).rowcount
    grow(connection)
    return Tally(len(there), gone)


def _renewed(description: Description, known: Entry | None) -> Indexed:
    """A dataset as it was now found, with what people said of it before.

    A source that does not say when a dataset changed, but shows that it has, gives the time of the crawl that noticed.
    """
    if known is None:
        return description, Annotations(), description.updated_at
    noticed = datetime.now(UTC) if known.description != description else known.updated_at
    return description, known.annotations, description.updated_at or noticed


def _facts(pieces: Sequence[Description]) -> Collection[tuple[str, str | None]]:
    """Locations and facts. A part without any still stands in the catalog, so that it is not read again."""
    if not pieces:
        return [("", None)]
    # Defaults are left out: a hundred thousand files would say a hundred thousand times that nothing is known.
    return {text(piece.location): text(piece.model_dump_json(exclude_defaults=True)) for piece in pieces}.items()


def _lock(connection: Connection, source: str) -> None:
    """One writer at a time for each source: two crawls of it would put datasets together from each other's halves."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (source,))


_FAULTS = """
WITH unread AS (SELECT * FROM unnest(%s::text[], %s::text[]) AS u (part, fault)),
known AS (
    UPDATE catalog_pieces p SET fault = u.fault, version = NULL FROM unread u
    WHERE p.source = %s AND p.part = u.part RETURNING p.part
)
INSERT INTO catalog_pieces (source, part, location, fault)
SELECT %s, part, '', fault FROM unread WHERE part NOT IN (SELECT part FROM known)
"""
