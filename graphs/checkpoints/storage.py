"""How much room checkpoints take, by run and in all."""

from pydantic import BaseModel

from core.store.database import Database

TABLES = ("checkpoints", "checkpoint_blobs", "checkpoint_writes")


class TableSize(BaseModel):
    """What a table takes on disk, in bytes, with what was deleted and not yet reused; `indexes` is part of it."""

    table: str
    bytes: int
    indexes: int


class RunSize(BaseModel):
    """What a run's checkpoints take: `bytes` are those of its rows, without indexes.

    `run_id` and `status` are None for threads of which no run is on record, such as those of staged pipelines.
    """

    run_id: str | None
    status: str | None
    threads: list[str]
    checkpoints: int
    bytes: int


class Storage(BaseModel):
    """The room that all checkpoints take, and what of it each run has, the largest first."""

    bytes: int
    threads: int
    checkpoints: int
    tables: list[TableSize]
    runs: list[RunSize]


def storage(database: Database) -> Storage:
    """Measure it. Each table is read once."""
    tables = [TableSize(**row) for row in database.query(_TABLES, (list(TABLES),))]
    runs = sizes(database) if len(tables) == len(TABLES) else []
    return Storage(
        bytes=sum(table.bytes for table in tables),
        threads=sum(len(run.threads) for run in runs),
        checkpoints=sum(run.checkpoints for run in runs),
        tables=tables,
        runs=runs,
    )


def sizes(database: Database) -> list[RunSize]:
    """What each run's checkpoints take, the largest first; nothing if there were never any."""
    if len(database.query(_TABLES, (list(TABLES),))) < len(TABLES):
        return []
    by_run: dict[tuple[str | None, str | None], RunSize] = {}
    for row in database.query(_THREADS):
        size = by_run.setdefault(
            (row["run_id"], row["status"]),
            RunSize(run_id=row["run_id"], status=row["status"], threads=[], checkpoints=0, bytes=0),
        )
        size.threads.append(row["thread_id"])
        size.checkpoints += int(row["checkpoints"])
        size.bytes += int(row["bytes"])
    return sorted(by_run.values(), key=lambda size: (-size.bytes, size.run_id or ""))


def threads_of(database: Database, run_id: str) -> list[str]:
    """The threads of a run that have a checkpoint: of a pipeline's, one for each pass, the last first."""
    if len(database.query(_TABLES, (list(TABLES),))) < len(TABLES):
        return []
    rows = database.query(
        "SELECT DISTINCT thread_id FROM checkpoints WHERE split_part(thread_id, '/', 1) = %s", (run_id,)
    )
    return sorted((row["thread_id"] for row in rows), key=lambda thread: (len(thread), thread), reverse=True)


_TABLES = (
    'SELECT relname AS "table", pg_total_relation_size(oid) AS bytes, pg_indexes_size(oid) AS indexes FROM pg_class'
    " WHERE relname = ANY(%s) AND oid = to_regclass(relname::text) ORDER BY bytes DESC"
)

# A graph's run has a thread of its own name, a pipeline's one for each pass: RUN/0, RUN/1, ...
_THREADS = """
SELECT thread_id, run_id, status, checkpoints, bytes FROM (
    SELECT thread_id, sum(checkpoints) AS checkpoints, sum(bytes) AS bytes FROM (
        SELECT thread_id, count(*) AS checkpoints, sum(pg_column_size(t.*)) AS bytes FROM checkpoints t GROUP BY 1
        UNION ALL
        SELECT thread_id, 0, sum(pg_column_size(t.*)) FROM checkpoint_blobs t GROUP BY 1
        UNION ALL
        SELECT thread_id, 0, sum(pg_column_size(t.*)) FROM checkpoint_writes t GROUP BY 1
    ) AS of_table GROUP BY thread_id
) AS of_thread LEFT JOIN runs ON run_id = split_part(thread_id, '/', 1) ORDER BY thread_id
"""
