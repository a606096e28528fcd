"""Forks: runs that begin where another one was."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from core import journal
from core.errors import InputError
from core.run import Run, check_id
from core.store.database import Connection, Database


def fork_run(
    database: Database,
    run: Run,
    new_id: str,
    *,
    at: datetime,
    told: dict[str, Any],
    also: Callable[[Connection], None] | None = None,
) -> int:
    """Put a new run on record with the spec of another one, and the steps that were done there by `at`; return these.

    What they wrote stays where it is, with the first run, and is referred to by both. `told` goes to the journals of
    both; `also` is done in the same transaction. Raises InputError if the id cannot be one, or is another run's.
    """
    check_id(new_id)
    event = journal.Event(run_id=new_id, kind="run.created", actor="flow", data={"fork_of": run.run_id, **told})
    forked = journal.Event(run_id=run.run_id, kind="run.forked", actor="flow", data={"fork": new_id, **told})

    def work(connection: Connection) -> int:
        new = connection.execute(
            "INSERT INTO runs (run_id, kind, pipeline, spec, fingerprint, document, base_dir)"
            " SELECT %s, kind, pipeline, spec, fingerprint, document, base_dir FROM runs WHERE run_id = %s"
            " ON CONFLICT (run_id) DO NOTHING",
            (new_id, run.run_id),
        )
        if new.rowcount:
            connection.execute(
                "INSERT INTO steps (run_id, step_key, status, attempt, token, outcome, started_at, finished_at)"
                " SELECT %s, step_key, status, attempt, token, outcome, started_at, finished_at FROM steps"
                " WHERE run_id = %s AND status = 'done' AND finished_at <= %s",
                (new_id, run.run_id, at),
            )
            if also:
                also(connection)
            journal.write(connection, event, forked)
        elif not journal.written(connection, event):
            raise InputError(f"There is a run {new_id} already.", remedy="Give the fork another id.")
        steps = connection.execute("SELECT count(*) AS n FROM steps WHERE run_id = %s", (new_id,)).fetchone()
        assert steps is not None, "a count has a row"
        return int(steps["n"])

    return database.transaction(work)
