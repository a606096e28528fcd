"""The ledger: what of a run is done. Checkpoints say where we were; this says what is finished.

A step has a key that stays the same across retries and resumes. It works under a path of its own attempt, and becomes
visible by one transaction, which records the step as done together with references to what it wrote. So a step's
effect happens once: a finished step is never performed again, its recorded outcome is returned.

Crash windows. Before the commit: the attempt's files are garbage, the step is performed again under a new path.
After it: the outcome stands, a resume returns it.
"""

import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core import journal
from core.crashpoint import reached
from core.errors import AccountingError
from core.lease import Lease
from core.spec import PipelineSpec
from core.store.database import Connection, Database
from core.store.value import dumps, json_in_order, jsonb
from core.task import Fate, Outcome


class Step:
    """An attempt at a step, begun and not yet committed. `path` is its own folder, and nobody else's."""

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
        step = self.begin_all({key: actor})[0]
        step.path.mkdir(parents=True)
        return step

    def begin_all(self, actors: Mapping[str, str]) -> list[Step]:
        """Start attempts at steps, each by its actor, in one transaction; their folders are not made yet."""
        for key in actors:
            reached(f"step.begin.before {key}")
        events = {key: self._event("step.started", key, actor, {}) for key, actor in actors.items()}

        def start(connection: Connection) -> None:
            rows = connection.execute(
                "INSERT INTO steps (run_id, step_key, status, attempt, token, started_at)"
                " SELECT %s, key, 'running', 1, %s, clock_timestamp() FROM unnest(%s::text[]) AS key"
                " ON CONFLICT (run_id, step_key) DO UPDATE SET status = 'running', attempt = steps.attempt + 1,"
                " token = excluded.token, outcome = NULL, started_at = excluded.started_at, finished_at = NULL"
                " WHERE steps.status <> 'done' RETURNING step_key, attempt",
                (self.lease.run_id, self.lease.token, list(events)),
            ).fetchall()
            for row in rows:
                events[row["step_key"]].data.update(attempt=row["attempt"], token=self.lease.token)
            if done := [key for key, event in events.items() if not event.data]:
                raise AccountingError(f"Step {', '.join(done)} is done already and cannot be begun again.")

        self.lease.write(list(events.values()), start)
        steps = []
        for key, event in events.items():
            attempt = int(event.data["attempt"])
            path = self.root / key / f"attempt-{attempt}-{self.lease.token}"
            # Attempt and token make the name nobody else's, but another database may have used it in the same home.
            if path.exists():
                shutil.rmtree(path)
            self._listener(event)
            reached(f"step.begin.after {key}")
            steps.append(Step(key, attempt, path))
        return steps

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

    def end(self, step: Step, outcome: Outcome) -> None:
        """Record a task as done, or as failed. Raises LeaseLost.

        Raises AccountingError, and records nothing, if its rows do not add up, or the attempt is not under way.
        """
        if self.end_all([(step, outcome)]):
            raise AccountingError(_not_under_way(step))

    def end_all(self, ended: Sequence[tuple[Step, Outcome]]) -> list[Step]:
        """Record tasks as done or failed, in one transaction; return the steps that were refused.

        Refused is who comes late: an attempt that is not under way, because it ended before. Raises AccountingError,
        and records nothing, if the rows of any do not add up.
        """
        for _, outcome in ended:
            check_account(outcome)
        events = [self._ending(step, outcome) for step, outcome in ended]
        told = {
            f"{step.attempt} {step.key}": (outcome.status, dumps(outcome.model_dump(mode="json")))
            for step, outcome in ended
        }
        refused: list[Step] = []

        def finish(connection: Connection) -> None:
            # By the keys, since a new database has no statistics: a join would read all steps of the run each time.
            rows = connection.execute(
                "WITH new AS MATERIALIZED (SELECT %s::jsonb AS told)"
                " UPDATE steps SET status = told -> (attempt || ' ' || step_key) ->> 0,"
                " outcome = (told -> (attempt || ' ' || step_key) ->> 1)::json, finished_at = clock_timestamp()"
                " FROM new WHERE run_id = %s AND step_key = ANY(%s) AND token = %s AND status = 'running'"
                " AND told -> (attempt || ' ' || step_key) IS NOT NULL RETURNING step_key, attempt",
                (jsonb(told), self.lease.run_id, [step.key for step, _ in ended], self.lease.token),
            ).fetchall()
            under_way = {(row["step_key"], row["attempt"]) for row in rows}
            refused[:] = [step for step, _ in ended if (step.key, step.attempt) not in under_way]
            for i, (step, outcome) in enumerate(ended):
                if (step.key, step.attempt) not in under_way:
                    events[i] = events[i].model_copy(update={"kind": "step.refused"})
                elif outcome.status == "done":
                    reached(f"step.commit.before {step.key}")

        self.lease.write(events, finish)
        for event in events:
            self._listener(event)
        for step, outcome in ended:
            if outcome.status == "done":
                reached(f"step.commit.after {step.key}")
        return refused

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
            raise AccountingError(_not_under_way(step))

    def _ending(self, step: Step, outcome: Outcome) -> journal.Event:
        if outcome.status == "done":
            told = {
                "rows": outcome.rows.model_dump(),
                "leaving": outcome.leaving,
                "notes": outcome.notes,
                "seconds": round(outcome.seconds, 4),
            }
            return self._event("step.committed", step.key, outcome.agent, {"attempt": step.attempt, **told})
        failure = outcome.failure.model_dump() if outcome.failure else {}
        return self._event("step.failed", step.key, outcome.agent, {"attempt": step.attempt, **failure})

    def _event(self, kind: str, key: str | None, actor: str, data: dict[str, Any]) -> journal.Event:
        return journal.Event(run_id=self.lease.run_id, kind=kind, actor=actor, step=key, data=data)


def _not_under_way(step: Step) -> str:
    return f"Attempt {step.attempt} at step {step.key} is not under way: it has ended already."


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
