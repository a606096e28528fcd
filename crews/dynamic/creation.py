"""What came of the agents that were made at run time, by the journal: how many, and how their attempts ended."""

from pydantic import BaseModel, ConfigDict

from core.store import Database


class Creation(BaseModel):
    """The agents made of one template, in all runs. `success` is the share of their attempts that were done, `seconds`
    the mean of these, `waited_s` what they waited for resources in all; None where there was nothing to measure."""

    model_config = ConfigDict(frozen=True)

    template: str
    agents: int
    runs: int
    attempts: int = 0
    success: float | None = None
    seconds: float | None = None
    waited_s: float = 0.0


def creations(database: Database) -> list[Creation]:
    """Of each template that agents were made of, what came of them."""
    rows = database.query(
        # A run that is taken up again tells its agents once more.
        "WITH made AS (SELECT DISTINCT run_id, data ->> 'id' AS agent, data ->> 'template' AS template"
        "  FROM journal WHERE kind = 'agent.specified')"
        " SELECT template, count(DISTINCT (made.run_id, agent)) AS agents, count(DISTINCT made.run_id) AS runs,"
        " count(*) FILTER (WHERE starts_with(kind, 'step.')) AS attempts,"
        " avg((kind = 'step.committed')::int) FILTER (WHERE starts_with(kind, 'step.'))::float8 AS success,"
        " avg((data ->> 'seconds')::float8) FILTER (WHERE kind = 'step.committed') AS seconds,"
        " coalesce(sum((data ->> 'seconds')::float8) FILTER (WHERE kind = 'resources.waited'), 0) AS waited_s"
        " FROM made LEFT JOIN journal AS told ON told.run_id = made.run_id AND told.actor = made.agent"
        "  AND told.kind IN ('step.committed', 'step.failed', 'resources.waited')"
        " GROUP BY template ORDER BY template"
    )
    return [Creation(**row) for row in rows]


def record_of(database: Database) -> dict[str, float]:
    """Of each template's agents, the share of attempts that were done, as far as there were any."""
    return {one.template: one.success for one in creations(database) if one.success is not None}
