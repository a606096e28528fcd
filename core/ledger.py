"""The ledger: what of a run is done. Checkpoints say where we were; this says what is finished.

A step has a key that stays the same across retries and resumes. It works under a path of its own attempt, and becomes
visible by one transaction, which records the step as done together with references to what it wrote. So a step's
effect happens once: a finished step is never performed again, its recorded outcome is returned.

Crash windows. Before the commit: the attempt's files are garbage, the step is performed again under a new path.
After it: the outcome stands, a resume returns it.
"""

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core import journal
from core.crashpoint import reached
from core.errors import AccountingError
from core.lease import Lease
from core.spec import PipelineSpec
from core.store.database import Connection, Database
from core.store.value import json_in_order
from core.task import Fate, Outcome


class Step:
    """An attempt at a step, begun and not yet committed. `path` is its own folder, empty, and nobody else's."""

    def __init__(self, key: str, attempt: int, path: Path) -> None:
        self.key = key
        self.attempt = attempt
        self.path = path


class Ledger:
    """The steps of one run, for the holder of its lease. `root` is the folder that the run's data lies in."""

    def __init__(self, lease: Lease, root: Path, listener: journal.Listener | None = None) -> None:
        self.lease = lease
        self.root = root
        self._listener = listener or (lambda event: None)

    def recorded(self, key: str) -> dict[str, Any] | None:
        """The outcome of the step, if it is done."""
        return recorded(self.lease.database, self.lease.run_id, key)

    def outcomes(self, keys: list[str]) -> dict[str, Outcome]:
        """What came of tasks, done or failed, by key; those that are neither are left out."""
        return outcomes(self.lease.database, self.lease.run_id, keys)

    def begin(self, key: str, *, actor: str) -> Step:
        """Start a new attempt at a step that is not done. Raises LeaseLost."""
        reached(f"step.begin.before {key}")
        event = self._event("step.started", key, actor, {})

        def start(connection: Connection) -> None:
            row = connection.execute(
                "INSERT INTO steps (run_id, step_key, status, attempt, token, started_at)"
                " VALUES (%s, %s, 'running', 1, %s, clock_timestamp())"
                " ON CONFLICT (run_id, step_key) DO UPDATE SET status = 'running', attempt = steps.attempt + 1,"
                " token = excluded.token, outcome = NULL, started_at = excluded.started_at, finished_at = NULL"
                " WHERE steps.status <> 'done' RETURNING attempt",
                (self.lease.run_id, key, self.lease.token),
            ).fetchone()
            if row is None:
                raise AccountingError(f"Step {key} is done already and cannot be begun again.")
            event.data.update(attempt=row["attempt"], token=self.lease.token)

        self.lease.write(event, start)
        attempt = int(event.data["attempt"])
        path = self.root / key / f"attempt-{attempt}-{self.lease.token}"
        # Attempt and token make the name nobody else's, but another database may have used it in the same home.
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        self._listener(event)
        reached(f"step.begin.after {key}")
        return Step(key, attempt, path)

    def commit(
        self,
        step: Step,
        outcome: dict[str, Any],
        *,
        actor: str,
        effect: Callable[[], None] | None = None,
        told: dict[str, Any] | None = None,
    ) -> None:
        """Record the step as done, with its outcome, in one transaction. Raises LeaseLost.

        `effect`, if given, is called inside the transaction, after the lease was found to hold and while no other
        holder can come in; it must be quick, and harmless to do twice. `told` goes to the journal.
        """
        event = self._event("step.committed", step.key, actor, {"attempt": step.attempt, **(told or {})})

        def finish(connection: Connection) -> None:
            if effect:
                effect()
            self._finish(connection, step, "done", outcome)
            reached(f"step.commit.before {step.key}")

        self.lease.write(event, finish)
        self._listener(event)
        reached(f"step.commit.after {step.key}")

    def commit_task(self, step: Step, outcome: Outcome) -> None:
        """Record a task as done. Raises AccountingError, and records nothing, if its rows do not add up."""
        check_account(outcome)
        self.commit(
            step,
            outcome.model_dump(mode="json"),
            actor=outcome.agent,
            told={
                "rows": outcome.rows.model_dump(),
                "leaving": outcome.leaving,
                "notes": outcome.notes,
                "seconds": round(outcome.seconds, 4),
            },
        )

    def fail(self, step: Step, outcome: Outcome) -> None:
        """Record that the attempt failed, and why. Raises LeaseLost."""
        failure = outcome.failure.model_dump() if outcome.failure else {}
        event = self._event("step.failed", step.key, outcome.agent, {"attempt": step.attempt, **failure})

        self.lease.write(event, lambda c: self._finish(c, step, "failed", outcome.model_dump(mode="json")))
        self._listener(event)

    def tell(self, kind: str, *, actor: str = "flow", step: str | None = None, **data: Any) -> None:
        """Write an event that is no step, such as a decision."""
        self._listener(self.lease.record(kind, actor=actor, step=step, **data))

    def change_spec(self, spec: PipelineSpec, changes: list[str]) -> None:
        """Put another spec on record for what is still to be done. What is done stays as it is."""
        event = self._event("spec.changed", None, "flow", {"changes": changes})

        def change(connection: Connection) -> None:
            connection.execute(
                "UPDATE runs SET spec = %s, fingerprint = %s WHERE run_id = %s",
                (json_in_order(spec.content()), spec.fingerprint, self.lease.run_id),
            )

        self.lease.write(event, change)
        self._listener(event)

    def _finish(self, connection: Connection, step: Step, status: str, outcome: dict[str, Any]) -> None:
        row = connection.execute(
            "UPDATE steps SET status = %s, outcome = %s, finished_at = clock_timestamp()"
            " WHERE run_id = %s AND step_key = %s AND attempt = %s AND token = %s AND status = 'running'"
            " RETURNING attempt",
            (status, json_in_order(outcome), self.lease.run_id, step.key, step.attempt, self.lease.token),
        ).fetchone()
        if row is None:
            raise AccountingError(f"Attempt {step.attempt} at step {step.key} is not under way: it has ended already.")

    def _event(self, kind: str, key: str | None, actor: str, data: dict[str, Any]) -> journal.Event:
        return journal.Event(run_id=self.lease.run_id, kind=kind, actor=actor, step=key, data=data)


def recorded(database: Database, run_id: str, key: str) -> dict[str, Any] | None:
    """The outcome of a step of any run, if it is done."""
    rows = database.query(
        "SELECT outcome FROM steps WHERE run_id = %s AND step_key = %s AND status = 'done'", (run_id, key)
    )
    return dict(rows[0]["outcome"]) if rows else None


def outcomes(database: Database, run_id: str, keys: list[str]) -> dict[str, Outcome]:
    """What came of tasks of any run, done or failed, by key."""
    rows = database.query(
        "SELECT step_key, outcome FROM steps WHERE run_id = %s AND step_key = ANY(%s) AND outcome IS NOT NULL",
        (run_id, keys),
    )
    return {row["step_key"]: Outcome.model_validate(row["outcome"]) for row in rows}


def check_account(outcome: Outcome) -> None:
    """Raise AccountingError unless every row of a task is accounted for, in the counts and in the files alike."""
    rows = outcome.rows
    if not rows.balanced:
        raise AccountingError(
            f"Task {outcome.task}: {rows.rows_in} rows in, but {rows.rows_out} out + {rows.quarantined} quarantined"
            f" + {rows.merged} merged + {rows.filtered} filtered = {rows.rows_out + rows.left}."
        )
    expected = rows.rows_out if outcome.groups is None else outcome.groups
    if outcome.output is not None and outcome.output.rows != expected:
        raise AccountingError(
            f"Task {outcome.task}: {expected} rows should be on file as its output, but {outcome.output.rows} are."
        )
    if outcome.left is not None and outcome.left.rows != rows.left:
        raise AccountingError(
            f"Task {outcome.task}: {rows.left} rows left, but {outcome.left.rows} are on file as having left."
        )
    ruled: Counter[str] = Counter()
    for key, number in outcome.leaving.items():
        ruled[key.partition(":")[0]] += number
    for fate in sorted({*Fate, *ruled}):
        counted = getattr(rows, fate) if fate in set(Fate) else 0
        if ruled[fate] != counted:
            raise AccountingError(
                f"Task {outcome.task}: {counted} rows left as {fate}, but {ruled[fate]} have a rule to it."
            )
