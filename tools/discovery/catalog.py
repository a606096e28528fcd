"""The catalog: the datasets of all sources, what is known of them and what people say, in PostgreSQL."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from core.classification import Classification
from core.errors import InputError
from core.store.database import Connection, Database
from core.store.value import json_in_order
from tools.discovery.annotations import Annotations, changed
from tools.discovery.dataset import Description
from tools.discovery.index import INDEXED, entry


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


def annotate(database: Database, dataset: str, values: dict[str, str]) -> Entry:
    """Say something of a dataset, named by its location or by its name if that is unique; see Annotations.

    Raises InputError for an unknown dataset, a name that several have, or what cannot be set.
    """
    location = find(database, dataset).location

    def work(connection: Connection) -> None:
        known = entries(connection, [location])[location]
        annotations = changed(known.annotations, values)
        index(connection, known.source, [(known.description, annotations, known.updated_at)])
        grow(connection)

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


def parts(database: Database, location: str) -> list[str]:
    """The parts of its source that hold the dataset at a location, such as files, in the order of their names."""
    rows = database.query("SELECT DISTINCT part FROM catalog_pieces WHERE location = %s ORDER BY part", (location,))
    return [row["part"] for row in rows]


def failures(database: Database, clearance: Classification = Classification.RESTRICTED) -> list[Failure]:
    """The sources whose last crawl failed, and the parts that could not be read: at most 20 of each source.

    Parts of datasets above the clearance are left out.
    """
    rows = database.query(
        "SELECT source, NULL AS part, error AS reason, tried_at AS at FROM catalog_sources WHERE error IS NOT NULL"
        " UNION ALL SELECT source, part, fault, NULL FROM ("
        " SELECT p.source, part, fault, row_number() OVER (PARTITION BY p.source ORDER BY part) AS number"
        " FROM catalog_pieces p LEFT JOIN catalog_datasets d USING (location)"
        " WHERE fault IS NOT NULL AND coalesce(d.classification, 0) <= %s) AS faults WHERE number <= 20",
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


# A dataset's description, its annotations, and when it changed last.
Indexed = tuple[Description, Annotations, datetime | None]


def entries(connection: Connection, locations: Sequence[str]) -> dict[str, Entry]:
    """What the catalog has of these datasets. Nobody else changes it before the transaction's end."""
    rows = connection.execute(
        f"{_ENTRIES} WHERE location = ANY(%s) ORDER BY location FOR UPDATE".encode(), (list(locations),)
    )
    return {row["location"]: Entry.model_validate(row) for row in rows}


def index(connection: Connection, source: str, datasets: Iterable[Indexed]) -> None:
    """Write these datasets, as new ones or over what was known of them, and their words into the vocabulary."""
    made = [entry(source, *dataset) for dataset in datasets]
    rows = json_in_order([one.row for one in made])
    connection.execute(_DATASETS.encode(), (rows,))
    connection.execute(_DESCRIPTIONS.encode(), (rows,))
    connection.execute(_NEW_WORDS, (sorted({word for one in made for word in one.words}),))


def grow(connection: Connection) -> None:
    """The catalog has changed. Last in its transaction: all writers meet at this one row."""
    connection.execute("UPDATE catalog_version SET version = version + 1")


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

_NEW_WORDS = """
INSERT INTO catalog_words (word, lexeme)
SELECT w, min(lexeme) FROM unnest(%s::text[]) AS w,
    LATERAL unnest(tsvector_to_array(to_tsvector('english', w))) AS lexeme
GROUP BY w ORDER BY w ON CONFLICT DO NOTHING
"""
