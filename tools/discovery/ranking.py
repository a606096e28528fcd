"""The ranking: `(0.5 quality + 0.3 relevance + 0.1 freshness + 0.1 schema completeness) x source weight`.

All four are between 0 and 1. What is not known counts as 0: of two datasets alike, the one of which more is known comes
first, and none is ranked by a guess.

- quality: measured completeness, the share of cells with a value.
- relevance: PostgreSQL's `ts_rank` with its default weights, as a share of the best one among what was found.
- freshness: halves with each week since the data last changed.
- schema completeness: the share of columns whose type is known and one.
"""

from tools.discovery.dataset import SourceType

QUALITY = 0.5
RELEVANCE = 0.3
FRESHNESS = 0.1
SCHEMA_COMPLETENESS = 0.1

SOURCE_WEIGHTS = {
    SourceType.DATA_WAREHOUSE: 1.4,
    SourceType.STREAMING: 1.3,
    SourceType.DATA_LAKE: 1.2,
    SourceType.API_ENDPOINTS: 1.0,
    SourceType.FILE_SYSTEMS: 0.8,
}

HALF_LIFE_S = 7 * 86_400

# The same in SQL, over the columns of a candidate, in floats: a decimal among them is converted for each candidate.
# After a hundred half-lives nothing is left, and at a thousand a float would come to its end.
_AGE = f"greatest(0, extract(epoch FROM now() - updated_at)::float8) / {HALF_LIFE_S}"
FRESHNESS_SQL = f"power(0.5::float8, least(100, {_AGE}))"
_WEIGHTS = " ".join(f"WHEN '{source}' THEN {weight}::float8" for source, weight in SOURCE_WEIGHTS.items())
WEIGHT_SQL = f"CASE source_type {_WEIGHTS} END"
SCORE_SQL = f"""(
    {QUALITY} * coalesce(quality, 0) + {RELEVANCE} * coalesce(relevance, 0)
    + {FRESHNESS} * coalesce(freshness, 0) + {SCHEMA_COMPLETENESS} * coalesce(schema_completeness, 0)
) * source_weight"""
