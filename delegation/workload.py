"""Workload: which agent has how many tasks at the moment, across processes (systems D3).

A task is claimed for an agent before the agent gets it, and released when it is done. A claim locks the agent's row,
so that all processes together never go beyond its capacity. Claims belong to a `Workload`, which gives a heartbeat
while it has any; those of one whose process is dead, or has been silent for its lease, count no longer.

Crash windows. Before the commit of a claim: there is none. After it: the dead holder's claim keeps its place until
somebody wants it, or opens the workload anew.
"""

import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from core import journal
from core.errors import AtCapacity, InputError, StoreUnavailable
from core.holder import dead, this_process
from core.store.database import HASTEN, Connection, Database
from core.store.value import jsonb
from delegation.card import AgentCard
from delegation.load import Claim, Loads, load_of, unknown
from delegation.rules.condition import ABSURD, kind


class Workload:
    """Claims tasks for agents, on behalf of this process, and says what agents have to do.

        with Workload(database) as workload:
            workload.register(cards)
            with workload.held(Claim(agent="validator", task="validation/orders/0")):
                ...

    Closing it releases what it still has. It may be used by several threads. A process silent for `lease_s` seconds
    loses its claims; the others may then claim in its place. Raises InputError for a lease that is none.
    """

    def __init__(self, database: Database, *, lease_s: float = 15.0) -> None:
        self._database = database
        if kind(lease_s) != "number" or not 0 < lease_s <= ABSURD:
            raise InputError(f"A lease of {lease_s!r:.40} s is none.", remedy="Give more than 0 s.")
        self._lease_s = lease_s
        self._holder = uuid.uuid4()
        self._done = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> "Workload":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Release what is still claimed. If the store is away, the lease runs out by itself."""
        self._done.set()
        with self._lock:
            if self._thread is None:
                return
        self._thread.join()
        with suppress(StoreUnavailable):
            self._database.transaction(lambda connection: _take_back(connection, [self._holder], "released"))

    def register(self, cards: Iterable[AgentCard]) -> None:
        """Put agents on record with their capacities, and take back what dead processes had."""
        known = {card.id: card.capacity for card in cards}

        def work(connection: Connection) -> None:
            connection.execute(
                "INSERT INTO workload_agents (agent, capacity) SELECT * FROM unnest(%s::text[], %s::int[])"
                " AS given (agent, capacity) ORDER BY agent"
                " ON CONFLICT (agent) DO UPDATE SET capacity = excluded.capacity",
                (list(known), list(known.values())),
            )
            _take_back(connection, _dead_holders(connection), "returned")

        self._database.transaction(work)

    def claim(self, claim: Claim) -> Claim:
        """Give the task to the agent, and return the claim.

        Raises AtCapacity if the agent has as many as it may have, InputError if it is not on record.
        """
        told = claim.model_dump(mode="json", include={"id", "task", "kind", "complexity", "volume"})
        event = journal.Event(run_id=claim.run_id, kind="workload.claimed", actor=claim.agent, data=told)

        def work(connection: Connection) -> None:
            capacity = _locked(connection, claim.agent)
            if journal.written(connection, event):
                return
            taken = _taken(connection, claim.agent)
            if taken >= capacity and _take_back(connection, _dead_holders(connection, claim.agent), "returned"):
                taken = _taken(connection, claim.agent)
            if taken >= capacity:
                raise AtCapacity(claim.agent, capacity)
            self._insert(connection, claim)
            event.data.update(tasks=taken + 1, capacity=capacity)
            journal.write(connection, event)

        self._database.transaction(work)
        self._beat()
        return claim

    def release(self, claim: Claim) -> bool:
        """The task is done, or given up. False if the claim was released or taken back before."""
        event = journal.Event(
            run_id=claim.run_id, kind="workload.released", actor=claim.agent, data={"task": claim.task}
        )

        def work(connection: Connection) -> bool:
            # Should it be lost, the claim is held until this process ends, and no longer.
            delete = f"DELETE FROM workload_claims WHERE claim = %s RETURNING claim, {HASTEN}"
            gone = connection.execute(delete.encode(), (claim.id,))
            if gone.fetchone() is None:
                # Perhaps by this very call, whose answer was lost.
                return journal.written(connection, event)
            journal.write(connection, event)
            return True

        return self._database.transaction(work)

    @contextmanager
    def held(self, claim: Claim) -> Iterator[Claim]:
        """Claim, and release in the end. Raises as `claim` does."""
        self.claim(claim)
        try:
            yield claim
        finally:
            self.release(claim)

    def load(self, agent_id: str) -> int:
        """The tasks that the agent has now; costs one query. Raises InputError if it is not on record."""
        return self.loads([agent_id]).load(agent_id)

    def loads(self, agents: list[str] | None = None) -> Loads:
        """What agents have to do now: those named, as far as they are on record, or all; costs one query."""
        rows = self._database.query(
            "SELECT a.agent, capacity, task, kind, complexity, volume, process,"
            " clock_timestamp() - heartbeat_at > make_interval(secs => lease_s) AS silent"
            " FROM workload_agents a LEFT JOIN workload_claims USING (agent) LEFT JOIN workload_holders USING (holder)"
            " WHERE %(agents)s::text[] IS NULL OR a.agent = ANY(%(agents)s) ORDER BY a.agent",
            {"agents": agents},
        )
        claims: dict[str, list[dict[str, Any]]] = {}
        capacities: dict[str, int] = {}
        alive: dict[tuple[Any, ...], bool] = {}
        for row in rows:
            capacities[row["agent"]] = row["capacity"]
            own = claims.setdefault(row["agent"], [])
            if row["task"] is None or row["silent"]:
                continue
            # Many claims, few processes.
            process = tuple(row["process"].values())
            if process not in alive:
                alive[process] = not dead(row["process"])
            if alive[process]:
                own.append(row)
        return Loads({agent: load_of(agent, capacities[agent], own) for agent, own in claims.items()})

    def _insert(self, connection: Connection, claim: Claim) -> None:
        connection.execute(
            # Its row may be gone: it was silent for too long, and others took it for dead.
            "INSERT INTO workload_holders (holder, process, lease_s) VALUES (%s, %s, %s)"
            " ON CONFLICT (holder) DO UPDATE SET heartbeat_at = clock_timestamp()",
            (self._holder, jsonb(this_process()), self._lease_s),
        )
        connection.execute(
            "INSERT INTO workload_claims (claim, agent, holder, run_id, task, kind, complexity, volume)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
            (
                claim.id,
                claim.agent,
                self._holder,
                claim.run_id,
                claim.task,
                claim.kind,
                claim.complexity,
                claim.volume,
            ),
        )

    def _beat(self) -> None:
        with self._lock:
            if self._thread is None and not self._done.is_set():
                self._thread = threading.Thread(target=self._beats, name="workload", daemon=True)
                self._thread.start()

    def _beats(self) -> None:
        while not self._done.wait(self._lease_s / 3):
            # A store that is away is told of by whoever claims or releases next.
            with suppress(StoreUnavailable):
                self._database.once(
                    "UPDATE workload_holders SET heartbeat_at = clock_timestamp() WHERE holder = %s", (self._holder,)
                )


def _locked(connection: Connection, agent: str) -> int:
    row = connection.execute(
        "SELECT capacity FROM workload_agents WHERE agent = %s FOR NO KEY UPDATE", (agent,)
    ).fetchone()
    if row is None:
        raise unknown(agent)
    return int(row["capacity"])


def _taken(connection: Connection, agent: str) -> int:
    row = connection.execute("SELECT count(*) AS n FROM workload_claims WHERE agent = %s", (agent,)).fetchone()
    return int(row["n"]) if row else 0


def _dead_holders(connection: Connection, agent: str | None = None) -> list[uuid.UUID]:
    rows = connection.execute(
        "SELECT holder, process, clock_timestamp() - heartbeat_at > make_interval(secs => lease_s) AS silent"
        " FROM workload_holders h WHERE %(agent)s::text IS NULL"
        " OR EXISTS (SELECT 1 FROM workload_claims c WHERE c.holder = h.holder AND agent = %(agent)s)",
        {"agent": agent},
    ).fetchall()
    return [row["holder"] for row in rows if row["silent"] or dead(row["process"])]


def _take_back(connection: Connection, holders: list[uuid.UUID], verb: str) -> bool:
    """Delete the holders with all their claims; whether there was any claim among them."""
    rows = connection.execute(
        "DELETE FROM workload_claims WHERE holder = ANY(%s) RETURNING run_id, agent, task", (holders,)
    ).fetchall()
    connection.execute("DELETE FROM workload_holders WHERE holder = ANY(%s)", (holders,))
    events = [
        journal.Event(run_id=row["run_id"], kind=f"workload.{verb}", actor=row["agent"], data={"task": row["task"]})
        for row in rows
    ]
    if events:
        journal.write(connection, *events)
    return bool(events)
