"""The lease: one holder works on a run at a time, and the run knows whom to believe.

Each holder gets a fencing token, greater than any before. Whatever it writes carries the token, and the store refuses
writes whose token is no longer the run's. So a holder that was taken for dead, and wakes up, changes nothing.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from core import journal
from core.errors import AwaitingApproval, Interrupted, LeaseLost, RunFinished, RunHeld, RunNotFound, StoreUnavailable
from core.holder import dead, this_process
from core.run import FINISHED, Status
from core.store.database import Connection, Database
from core.store.value import jsonb, text


class Lease:
    """The right to work on one run, kept alive by a heartbeat until released. Made by `claim`."""

    def __init__(self, database: Database, run_id: str, token: int, lease_s: float) -> None:
        self.database = database
        self.run_id = run_id
        self.token = token
        self._lease_s = lease_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{run_id}", daemon=True)
        self._thread.start()

    def guard(self, connection: Connection) -> None:
        """Lock the run for the rest of the transaction; raise LeaseLost unless this lease is still the run's."""
        if not self._holds(connection):
            raise LeaseLost(self.run_id)

    def write(
        self, events: journal.Event | list[journal.Event], change: Callable[[Connection], None] | None = None
    ) -> None:
        """Make a change and write the events that tell of it, in one transaction. Raises LeaseLost.

        The change is made once, even when the connection is lost after the commit and before its answer. It may put
        others into the list of events, of the same identity: what is told can depend on what it finds.
        """
        told = [events] if isinstance(events, journal.Event) else events

        def work(connection: Connection) -> None:
            holds = self._holds(connection)
            if journal.written(connection, told[0]):
                return
            if not holds:
                raise LeaseLost(self.run_id)
            if change:
                change(connection)
            journal.write(connection, *told)

        self.database.transaction(work)

    def record(self, kind: str, *, actor: str = "flow", step: str | None = None, **data: Any) -> journal.Event:
        """Write an event to the run's journal, if the lease still holds."""
        event = journal.Event(run_id=self.run_id, kind=kind, actor=actor, step=step, data=data)
        self.write(event)
        return event

    def release(self, status: Status, *, report: dict[str, Any] | None = None, error: str | None = None) -> None:
        """End the lease, and leave the run in `status`. Raises LeaseLost if another holder has it by now."""
        self._stop_beating()
        ended = status == "failed" or status in FINISHED
        event = journal.Event(
            run_id=self.run_id, kind=f"run.{status}", actor="flow", data={"error": error} if error else {}
        )

        def end(connection: Connection) -> None:
            connection.execute(
                "UPDATE runs SET status = %s, holder = NULL, report = coalesce(%s, report), error = %s,"
                " finished_at = CASE WHEN %s THEN clock_timestamp() END WHERE run_id = %s",
                (
                    status,
                    jsonb(report) if report is not None else None,
                    text(error) if error is not None else None,
                    ended,
                    self.run_id,
                ),
            )

        self.write(event, end)

    def give_up(self, error: BaseException) -> None:
        """Leave a run that cannot go on now, because of `error`, in a state from which it can be resumed."""
        if isinstance(error, (LeaseLost, StoreUnavailable)):
            # There is nobody to tell, or nothing to tell.
            self.abandon()
            return
        status: Status = "failed"
        if isinstance(error, Interrupted):
            status = "interrupted"
        if isinstance(error, AwaitingApproval):
            status = "waiting"
        try:
            self.release(status, error=str(error))
        except (LeaseLost, StoreUnavailable):
            self.abandon()

    def abandon(self) -> None:
        """Stop the heartbeat without a word to the store, which may be away. The lease runs out by itself."""
        self._stop_beating()

    def _holds(self, connection: Connection) -> bool:
        row = connection.execute(
            "SELECT token, holder IS NOT NULL AS held FROM runs WHERE run_id = %s FOR UPDATE", (self.run_id,)
        ).fetchone()
        if row is None:
            raise RunNotFound(self.run_id)
        # Should a thread still be at work when its run was let go of, nothing keeps its files from being collected.
        return bool(row["held"]) and row["token"] == self.token

    def _stop_beating(self) -> None:
        self._done.set()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _beat(self) -> None:
        while not self._done.wait(self._lease_s / 3):
            # A store that is away is the worker's to report; a lease that is lost shows at its next write.
            with suppress(StoreUnavailable):
                self.database.once(
                    "UPDATE runs SET heartbeat_at = clock_timestamp() WHERE run_id = %s AND token = %s",
                    (self.run_id, self.token),
                )


def claim(database: Database, run_id: str, *, lease_s: float) -> Lease:
    """Take the run to work on. A holder that is dead, or silent for `lease_s` seconds, is taken over.

    Raises RunHeld, naming the holder, while another one is alive; RunNotFound; RunFinished if it ended well.
    """
    me = this_process()
    event = journal.Event(run_id=run_id, kind="run.claimed", actor="flow", data=dict(me))

    def work(connection: Connection) -> int:
        row = connection.execute(
            "SELECT status, token, holder, extract(epoch FROM clock_timestamp() - heartbeat_at)::float AS age"
            " FROM runs WHERE run_id = %s FOR UPDATE",
            (run_id,),
        ).fetchone()
        if row is None:
            raise RunNotFound(run_id)
        if journal.written(connection, event):
            return int(event.data["token"])
        if row["status"] in FINISHED:
            raise RunFinished(run_id, row["status"], remedy=f"See what it did with: crewline status {run_id}")
        holder = row["holder"]
        if holder and row["age"] < lease_s and not dead(holder):
            raise RunHeld(run_id, f"process {holder['pid']} on {holder['host']}", row["age"])
        token = int(row["token"]) + 1
        connection.execute(
            "UPDATE runs SET token = %s, holder = %s, heartbeat_at = clock_timestamp(), status = 'running',"
            " error = NULL, finished_at = NULL WHERE run_id = %s",
            (token, jsonb(me), run_id),
        )
        event.data.update(token=token, **({"from": holder} if holder else {}))
        journal.write(connection, event)
        return token

    return Lease(database, run_id, database.transaction(work), lease_s)


def fence(connection: Connection, run_id: str, lease_s: float) -> bool:
    """Whether nobody works on the run; then nobody can, until the transaction ends.

    A holder that is dead, or silent for `lease_s` seconds, loses its lease here.
    """
    row = connection.execute(
        "SELECT holder, extract(epoch FROM clock_timestamp() - heartbeat_at)::float AS age FROM runs"
        " WHERE run_id = %s FOR UPDATE",
        (run_id,),
    ).fetchone()
    if row is None or not row["holder"]:
        return True
    if row["age"] < lease_s and not dead(row["holder"]):
        return False
    connection.execute(
        "UPDATE runs SET token = token + 1, holder = NULL, status = 'interrupted' WHERE run_id = %s", (run_id,)
    )
    return True
