"""The catalog: what was found of each source, in PostgreSQL.

A crawl writes pieces (what a part of a source holds), and marks their datasets as stale in the same transaction; then
stale datasets are put together anew from all their pieces. A crawl that is killed in between leaves them marked, and
the next one goes on.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from core.classification import Classification
from core.errors import InputError
from core.store.database import Connection, Database
from core.store.value import json_in_order, text
from tools.discovery.adapters import Part
from tools.discovery.annotations import Annotations, changed
from tools.discovery.dataset import Description, merge
from tools.discovery.index import INDEXED, entry

# How many datasets are put together in one transaction: enough to be fast, few enough to keep no one waiting.
_BATCH = 500


class Found(NamedTuple):
    """What reading a part gave: pieces of datasets, or the reason why it could not be read."""

    part: Part
    pieces: Sequence[Description]
    fault: str | None


class Entry(BaseModel):
    """A dataset of the catalog: what its source says, and what people say of it."""

    model_config = ConfigDict(frozen=True)

    location: str
    source: str
    description: Description
    annotations: Annotations
    updated_at: datetime | None
    found_at: datetime
    described_at: datetime
    gone_at: datetime | None


class Failure(BaseModel):
    """A source, or a part of one, that could not be read, when and why."""

    model_config = ConfigDict(frozen=True)

    source: str
    part: str | None = None
    reason: str
    at: datetime | None = None


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
        _grow(connection)

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
    database.transaction(lambda c: c.execute("SELECT gin_clean_pending_list('catalog_search')"))
    if many:
        database.transaction(lambda c: c.execute("ANALYZE catalog_datasets"))


def annotate(database: Database, dataset: str, values: dict[str, str]) -> Entry:
    """Say something of a dataset, named by its location or by its name if that is unique; see Annotations.

    Raises InputError for an unknown dataset, a name that several have, or what cannot be set.
    """
    location = find(database, dataset).location

    def work(connection: Connection) -> None:
        known = _known(connection, [location])[location]
        annotations = changed(known.annotations, values)
        _index(connection, known.source, [(known.description, annotations, known.updated_at)])
        _grow(connection)

    database.transaction(work)
    return find(database, location)


def find(database: Database, dataset: str) -> Entry:
    """The dataset at a location, or the only one of this name. Raises InputError if there is none, or several."""
    rows = database.query(_ENTRIES + " WHERE location = %s", (dataset,)) or database.query(
        _ENTRIES + " WHERE name = %s AND gone_at IS NULL ORDER BY location LIMIT 10", (dataset,)
    )
    if not rows:
        raise InputError(
            f"The catalog has no dataset '{dataset}'.", remedy="Find its location with: crewline discover WORDS"
        )
    if len(rows) > 1:
        raise InputError(
            f"Several datasets have the name '{dataset}': {', '.join(row['location'] for row in rows)}.",
            remedy="Give the location.",
        )
    return Entry.model_validate(rows[0])


def failures(database: Database, clearance: Classification = Classification.RESTRICTED) -> list[Failure]:
    """The sources whose last crawl failed, and the parts that could not be read: at most 20 of each source.

    Parts of datasets above the clearance are left out.
    """
    rows = database.query(
        "SELECT source, NULL AS part, error AS reason, tried_at AS at FROM catalog_sources WHERE error IS NOT NULL"
        " UNION ALL SELECT s.source, f.part, f.fault, NULL FROM catalog_sources s, LATERAL ("
        " SELECT part, fault FROM catalog_pieces p LEFT JOIN catalog_datasets d USING (location)"
        " WHERE p.source = s.source AND fault IS NOT NULL AND coalesce(d.classification, 0) <= %s LIMIT 20) f",
        (clearance.rank,),
    )
    return [Failure.model_validate(row) for row in rows]


def above(database: Database, locations: Sequence[str], clearance: Classification) -> set[str]:
    """Which of these datasets are classified above the clearance."""
    rows = database.query(
        "SELECT location FROM catalog_datasets WHERE location = ANY(%s) AND classification > %s",
        (list(locations), clearance.rank),
    )
    return {row["location"] for row in rows}


def sources(database: Database) -> dict[str, datetime | None]:
    """The sources of the catalog, and when the last crawl of each began that came to its end."""
    rows = database.query("SELECT source, crawled_at FROM catalog_sources ORDER BY source")
    return {row["source"]: row["crawled_at"] for row in rows}


def version(database: Database) -> int:
    """A number that grows with each change of the catalog."""
    return int(database.query("SELECT version FROM catalog_version")[0]["version"])


_ENTRIES = (
    "SELECT location, source, description, annotations, updated_at, found_at, described_at, gone_at"
    " FROM catalog_datasets JOIN catalog_descriptions USING (location)"
)

_ROWS = """
FROM json_to_recordset(%s::json) AS e (location text, source text, source_type text, name text, description json,
    annotations json, classification smallint, domain text, quality real, schema_completeness real,
    updated_at timestamptz, names text, tags text, columns text, prose text, domains text, marks text[])
"""

_DATASETS = f"""
INSERT INTO catalog_datasets (location, source, source_type, name, annotations, classification, domain, quality,
    schema_completeness, updated_at, search)
SELECT {INDEXED} {_ROWS}
ON CONFLICT (location) DO UPDATE SET
    source = excluded.source, source_type = excluded.source_type, name = excluded.name,
    annotations = excluded.annotations, classification = excluded.classification, domain = excluded.domain,
    quality = excluded.quality, schema_completeness = excluded.schema_completeness, updated_at = excluded.updated_at,
    search = excluded.search, described_at = clock_timestamp(), gone_at = NULL
"""

_DESCRIPTIONS = f"""
INSERT INTO catalog_descriptions SELECT e.location, e.description {_ROWS}
ON CONFLICT (location) DO UPDATE SET description = excluded.description
"""

_FAULTS = """
WITH unread AS (SELECT * FROM unnest(%s::text[], %s::text[]) AS u (part, fault)),
known AS (
    UPDATE catalog_pieces p SET fault = u.fault, version = NULL FROM unread u
    WHERE p.source = %s AND p.part = u.part RETURNING p.part
)
INSERT INTO catalog_pieces (source, part, location, fault)
SELECT %s, part, '', fault FROM unread WHERE part NOT IN (SELECT part FROM known)
"""

_NEW_WORDS = """
INSERT INTO catalog_words (word, lexeme)
SELECT w, min(lexeme) FROM unnest(%s::text[]) AS w,
    LATERAL unnest(tsvector_to_array(to_tsvector('english', w))) AS lexeme
GROUP BY w ORDER BY w ON CONFLICT DO NOTHING
"""


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
    known = _known(connection, stale)
    there = [_renewed(merge(found), known.get(location)) for location, found in pieces.items() if found]
    _index(connection, source, there)
    gone = connection.execute(
        "UPDATE catalog_datasets d SET gone_at = clock_timestamp() WHERE location = ANY(%s) AND gone_at IS NULL"
        " AND NOT EXISTS (SELECT FROM catalog_pieces p WHERE p.location = d.location)",
        ([location for location, found in pieces.items() if not found],),
    ).rowcount
    _grow(connection)
    return Tally(len(there), gone)


# A dataset's description, its annotations, and when it changed last.
_Indexed = tuple[Description, Annotations, datetime | None]


def _renewed(description: Description, known: Entry | None) -> _Indexed:
    """A dataset as it was now found, with what people said of it before.

    A source that does not say when a dataset changed, but shows that it has, gives the time of the crawl that noticed.
    """
    if known is None:
        return description, Annotations(), description.updated_at
    noticed = datetime.now(UTC) if known.description != description else known.updated_at
    return description, known.annotations, description.updated_at or noticed


def _known(connection: Connection, locations: Sequence[str]) -> dict[str, Entry]:
    """What the catalog has of these datasets. Nobody else changes it before the transaction's end."""
    rows = connection.execute(
        f"{_ENTRIES} WHERE location = ANY(%s) ORDER BY location FOR UPDATE".encode(), (list(locations),)
    )
    return {row["location"]: Entry.model_validate(row) for row in rows}


def _index(connection: Connection, source: str, datasets: Iterable[_Indexed]) -> None:
    entries = [entry(source, *dataset) for dataset in datasets]
    rows = json_in_order([e.row for e in entries])
    connection.execute(_DATASETS.encode(), (rows,))
    connection.execute(_DESCRIPTIONS.encode(), (rows,))
    connection.execute(_NEW_WORDS, (sorted({word for e in entries for word in e.words}),))


def _facts(pieces: Sequence[Description]) -> list[tuple[str, str | None]]:
    """Locations and facts. A part without any still stands in the catalog, so that it is not read again."""
    if not pieces:
        return [("", None)]
    # Defaults are left out: a hundred thousand files would say a hundred thousand times that nothing is known.
    return [(text(piece.location), text(piece.model_dump_json(exclude_defaults=True))) for piece in pieces]


def _lock(connection: Connection, source: str) -> None:
    """One writer at a time for each source: two crawls of it would put datasets together from each other's halves."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (source,))


def _grow(connection: Connection) -> None:
    # Last in its transaction: all writers meet at this one row.
    connection.execute("UPDATE catalog_version SET version = version + 1")
