"""CrewAI's FlowPersistence on Postgres, under the run's lease."""

from typing import Any

from crewai.flow.persistence import FlowPersistence
from pydantic import BaseModel, PrivateAttr

from core.errors import CrewlineError
from core.lease import Lease
from core.store.database import HASTEN, Connection, Database
from core.store.value import jsonb

# Snapshots kept per run, for inspection (systems F5).
KEPT = 10


class PostgresFlowPersistence(FlowPersistence):
    """Saves the state after each method of the flow. Bind it to the lease of the run that is worked on."""

    persistence_type: str = "crewline-postgres"
    _lease: Lease | None = PrivateAttr(default=None)

    def bind(self, lease: Lease) -> None:
        self._lease = lease

    def init_db(self) -> None:
        """Nothing to do: the tables come with the store's migrations."""

    def save_state(self, flow_uuid: str, method_name: str, state_data: dict[str, Any] | BaseModel) -> None:
        """Append a snapshot, and prune to the last `KEPT`. Raises LeaseLost, StoreUnavailable."""
        lease = self._bound()
        state = state_data.model_dump(mode="json") if isinstance(state_data, BaseModel) else state_data

        def work(connection: Connection) -> None:
            lease.guard(connection)
            # Should it be lost, the state before it is the last one, and the ledger knows what was done since.
            connection.execute(
                f"INSERT INTO flow_states (run_id, method, state) VALUES (%s, %s, %s) RETURNING {HASTEN}".encode(),
                (flow_uuid, method_name, jsonb(state)),
            )
            connection.execute(
                "DELETE FROM flow_states WHERE run_id = %s AND seq <= ("
                " SELECT seq FROM flow_states WHERE run_id = %s ORDER BY seq DESC OFFSET %s LIMIT 1)",
                (flow_uuid, flow_uuid, KEPT),
            )

        lease.database.transaction(work)

    def load_state(self, flow_uuid: str) -> dict[str, Any] | None:
        """The last snapshot, or None."""
        return last_state(self._bound().database, flow_uuid)

    def _bound(self) -> Lease:
        if self._lease is None:
            raise CrewlineError("This persistence belongs to no run.", remedy="Call bind(lease) first.")
        return self._lease


def last_state(database: Database, run_id: str) -> dict[str, Any] | None:
    """The last snapshot of a run's state, or None if there is none yet."""
    rows = database.query("SELECT state FROM flow_states WHERE run_id = %s ORDER BY seq DESC LIMIT 1", (run_id,))
    return dict(rows[0]["state"]) if rows else None


def state_before(database: Database, run_id: str, passes: int) -> int | None:
    """The number of the snapshot that a run executed its tasks from, after so many passes through the gate."""
    rows = database.query(
        "SELECT max(seq) AS seq FROM flow_states WHERE run_id = %s AND state ->> 'step' = 'execute'"
        " AND (state -> 'checkpoint_data' ->> 'passes')::int = %s",
        (run_id, passes),
    )
    found: int | None = rows[0]["seq"]
    return found
