"""What of a dataset the search finds, and how much each part of it weighs.

Weights are PostgreSQL's: A for the words of its name, B for its domain, tags, folder and source, C for its columns, D
for its description. What a query filters by stands in the same index as marks, which no word can be mistaken for.
"""

from datetime import datetime
from typing import Any, NamedTuple

from core.classification import Classification
from tools.discovery.annotations import Annotations
from tools.discovery.dataset import Description
from tools.discovery.words import words

SOURCE_MARK = "=source/"
DOMAIN_MARK = "=domain/"

# The values of a row of `catalog_datasets`, from an entry's `row` under the name `e`.
INDEXED = f"""
    e.location, e.source, e.source_type, e.name, e.annotations, e.classification, e.domain,
    e.quality, e.schema_completeness, e.updated_at,
    setweight(to_tsvector('english', e.names), 'A') || setweight(to_tsvector('english', e.tags), 'B')
    || setweight(to_tsvector('english', e.columns), 'C') || setweight(to_tsvector('english', e.prose), 'D')
    || array_to_tsvector(e.marks || ARRAY(
        SELECT '{DOMAIN_MARK}' || lexeme FROM unnest(tsvector_to_array(to_tsvector('english', e.domains))) AS lexeme))
"""

# A dataset with ten thousand columns is found by the first of them: an index entry has a bound of 1 MB.
_MAX_COLUMNS = 2000
_MAX_PROSE = 5000


class IndexEntry(NamedTuple):
    """The row of a dataset, and its words for the vocabulary."""

    row: dict[str, Any]
    words: list[str]


def entry(source: str, description: Description, annotations: Annotations, updated_at: datetime | None) -> IndexEntry:
    """How a dataset is found. Annotations stand over what the source says.

    Its domain is the annotated one; without one it is of every domain that its name, or the folder or schema that it
    lies in, names.
    """
    names = words(description.name)
    folder = words(description.location.rstrip("/").rpartition("/")[0].rpartition("/")[2])
    tags = [word for tag in (*description.tags, *(annotations.compliance_tags or ())) for word in words(tag)]
    domain = words(annotations.domain or "")
    columns = [word for column in description.columns[:_MAX_COLUMNS] for word in words(column.name)]
    prose = words(" ".join(filter(None, (annotations.description, description.description)))[:_MAX_PROSE])
    classification = annotations.classification or Classification.INTERNAL
    row = {
        "location": description.location,
        "source": source,
        "source_type": description.source_type,
        "name": description.name,
        "description": description.model_dump(mode="json", exclude_defaults=True),
        "annotations": annotations.model_dump(mode="json", exclude_none=True),
        "classification": classification.rank,
        "domain": annotations.domain,
        "quality": description.quality,
        "schema_completeness": description.schema_completeness,
        "updated_at": updated_at.isoformat() if updated_at else None,
        "names": " ".join(names),
        "tags": " ".join((*tags, *domain, *folder)),
        "columns": " ".join(dict.fromkeys(columns)),
        "prose": " ".join(prose),
        "domains": " ".join(domain or (*names, *folder)),
        "marks": [SOURCE_MARK + description.source_type],
    }
    vocabulary = {word for word in (*names, *folder, *tags, *domain, *columns, *prose) if not word.isdecimal()}
    return IndexEntry(row, sorted(vocabulary))
