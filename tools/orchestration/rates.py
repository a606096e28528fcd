"""What the stages of all pipelines took so far, and how often they succeeded: what estimates are made of."""

from pydantic import BaseModel, ConfigDict

from core.store import Database
from core.task import Stage

# Before anything is on record, and beside it: so many attempts of which this share was done.
PRIOR_ATTEMPTS = 10
PRIOR_DONE = 0.98
# Where nothing is on record: seconds for any task, and rows a second beyond that (the retail example on two cores).
PRIOR_TASK_S = 0.3
PRIOR_RATE = 100_000.0
# Where no run is on record: seconds that it takes beside its first round of tasks.
PRIOR_RUN_S = 1.0


class Rate(BaseModel):
    """Of a stage, or of one kind of source in it: attempts, and those done; of these the mean seconds and rows, and the
    line through them (`base_s + row_s * rows`), where they differ in rows."""

    model_config = ConfigDict(frozen=True)

    attempts: int = 0
    done: int = 0
    mean_s: float | None = None
    mean_rows: float | None = None
    base_s: float | None = None
    row_s: float | None = None

    @property
    def success(self) -> float:
        """The share of attempts that were done, among these and the ten that are assumed before any is on record."""
        return (self.done + PRIOR_ATTEMPTS * PRIOR_DONE) / (self.attempts + PRIOR_ATTEMPTS)

    def duration_s(self, rows: int) -> float:
        """How long so many rows take, seconds: as the line says, where there is one that rises; else the mean, and what
        is assumed for each row beyond its rows."""
        if self.mean_s is None or self.mean_rows is None:
            return PRIOR_TASK_S + rows / PRIOR_RATE
        if self.base_s is not None and self.row_s is not None and self.row_s > 0 and self.base_s >= 0:
            return self.base_s + self.row_s * rows
        return self.mean_s + max(0.0, rows - self.mean_rows) / PRIOR_RATE

    @property
    def told(self) -> str:
        """What it was learned from."""
        if not self.attempts:
            return "nothing of its kind is on record"
        return f"{self.done} of {self.attempts} attempts on record were done"


class Rates(BaseModel):
    """Rates by stage, and by stage and kind of source. `beside_s` is what the median run took that published at once,
    beside its first round of tasks: planning, later rounds, publication."""

    model_config = ConfigDict(frozen=True)

    found: dict[str, Rate] = {}
    beside_s: float = PRIOR_RUN_S

    def of(self, stage: Stage, kind: str | None = None) -> Rate:
        return self.found.get(f"{stage}/{kind}" if kind else str(stage), Rate())


def measured(database: Database) -> Rates:
    """The rates of all that is on record."""
    rows = database.query(_RATES)
    found = {row.pop("name"): Rate.model_validate(row) for row in rows}
    [[beside_s]] = [row.values() for row in database.query(_BESIDE)]
    return Rates(found=found, beside_s=PRIOR_RUN_S if beside_s is None else max(0.0, beside_s))


# A step that was taken up again counts as one attempt more; what is running now as none.
_RATES = """
WITH tasks AS (
    SELECT split_part(step_key, '/', 1) AS stage,
        runs.spec -> 'sources' -> split_part(step_key, '/', 2) ->> 'kind' AS kind,
        steps.status = 'done' AS done, steps.attempt - (steps.status = 'running')::int AS attempts,
        CASE WHEN steps.status = 'done' THEN (outcome -> 'rows' ->> 'rows_in')::bigint END AS rows,
        CASE WHEN steps.status = 'done' THEN (outcome ->> 'seconds')::float END AS seconds
    FROM steps JOIN runs USING (run_id)
    WHERE runs.kind = 'pipeline'
        AND split_part(step_key, '/', 1) IN ('ingestion', 'validation', 'transformation', 'enrichment', 'aggregation')
)
SELECT CASE WHEN GROUPING(kind) = 0 THEN stage || '/' || coalesce(kind, '') ELSE stage END AS name,
    sum(attempts)::int AS attempts, count(*) FILTER (WHERE done) AS done,
    avg(seconds) AS mean_s, avg(rows)::float AS mean_rows,
    regr_intercept(seconds, rows) AS base_s, regr_slope(seconds, rows) AS row_s
FROM tasks GROUP BY GROUPING SETS ((stage, kind), (stage))
"""

# A run that changed hands also took the time in which nobody worked on it.
_BESIDE = """
WITH rounds AS (
    SELECT run_id, extract(epoch FROM max(finished_at) - min(started_at))::float AS seconds FROM steps
    WHERE split_part(step_key, '/', 1) IN ('ingestion', 'validation', 'transformation', 'enrichment', 'aggregation')
        AND step_key NOT LIKE '%%@%%'
    GROUP BY run_id
)
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY (report ->> 'duration_s')::float - rounds.seconds) AS beside_s
FROM runs JOIN rounds USING (run_id)
WHERE runs.kind = 'pipeline' AND status = 'published' AND token = 1
"""
