"""The resource pool: what agents hold of this machine while they work, counted over all processes (systems C5).

Who wants more than is free waits, and nobody who comes later from the same pool overtakes. Allocations are on record,
under a lock for the machine, so that all processes on it together never go beyond what each of them may use.

Crash windows. Before the commit of an allocation: there is none. After it: a dead process's allocation stands until
somebody wants its room, or asks for the usage, and is then taken back. A process that is only stopped keeps what it
has: its memory is not free either.
"""

import threading
import uuid
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import psutil

from core import journal
from core.errors import InputError, StoreUnavailable
from core.holder import dead, this_process
from core.settings import settings
from core.stop import Stop
from core.store import Database
from core.store.database import Connection
from core.store.value import jsonb
from crews.dynamic.template import Resources
from delegation.clock import Clock, SystemClock

# How often who waits looks whether other processes have given something back, seconds.
LOOK_S = 0.25

# Sums of cores are of floats.
_CORE = 1e-9


# What this process has given up, and is perhaps still on record, by database: whoever comes next gives it back.
_OWED: dict[str, set[uuid.UUID]] = defaultdict(set)
_OWING = threading.Lock()


class Allocation(NamedTuple):
    """What an agent holds, until it is released."""

    id: uuid.UUID
    agent: str
    resources: Resources


class Usage(NamedTuple):
    """What is held on this machine by living processes: cores, megabytes, and by how many allocations."""

    cores: float
    memory_mb: int
    allocations: int


def machine() -> Resources:
    """What agents may use of this machine together: by the settings, else its cores and half of its memory."""
    own = settings()
    return Resources(cores=own.threads or psutil.cpu_count() or 1, memory_mb=own.engine_memory_mb)


class ResourcePool:
    """Allocates resources of this machine, within `capacity` (by default `machine()`), to agents of a run.

        with ResourcePool(database, run_id=run_id, budget=Resources(cores=2, memory_mb=1024)) as pool:
            with pool.held("analysis_1", Resources(cores=1, memory_mb=512)):
                ...

    `budget` is what the run's agents may hold at a time; the run is on record. May be used by several threads. Closing
    it releases what it still has. All methods raise StoreUnavailable when the database went away; what could not be
    given back then, is with the next call, or once the process has ended.
    """

    def __init__(
        self,
        database: Database,
        *,
        run_id: str | None = None,
        capacity: Resources | None = None,
        budget: Resources | None = None,
        clock: Clock | None = None,
    ) -> None:
        if budget and not run_id:
            raise InputError("A budget is a run's.", remedy="Give the run's id as well.")
        self.capacity = capacity or machine()
        self.budget = budget
        self._database = database
        self._run_id = run_id
        self._clock = clock or SystemClock()
        self._process = this_process()
        self._changed = threading.Condition()
        self._waiting: deque[uuid.UUID] = deque()
        self._mine: set[uuid.UUID] = set()
        self._owed = _OWED[database.url]

    def __enter__(self) -> "ResourcePool":
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Release all that is still held through this pool."""
        with self._changed, _OWING:
            self._owed |= self._mine
            self._mine.clear()
        self._settle()

    def fitted(self, wanted: Resources) -> Resources:
        """What of these is not more than there can ever be."""
        bounds = [self.capacity, *([self.budget] if self.budget else [])]
        return Resources(
            cores=min(wanted.cores, *(bound.cores for bound in bounds)),
            memory_mb=min(wanted.memory_mb, *(bound.memory_mb for bound in bounds)),
        )

    def allocate(self, agent: str, wanted: Resources, *, stop: Stop | None = None) -> Allocation:
        """Wait until so much is free, and hold it for the agent.

        Raises InputError for more than there can ever be, Interrupted when the stop is requested while it waits.
        """
        stop = stop or Stop()
        ticket = uuid.uuid4()
        since = self._clock.now()
        with self._changed:
            self._waiting.append(ticket)
            try:
                while self._waiting[0] != ticket or (found := self.try_allocate(agent, wanted)) is None:
                    self._clock.wait(self._changed, LOOK_S)
                    stop.check()
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()
        if (waited := self._clock.now() - since) >= LOOK_S:
            self.tell_wait(agent, wanted, waited)
        return found

    def try_allocate(self, agent: str, wanted: Resources) -> Allocation | None:
        """Hold so much for the agent if it is free now. Raises InputError for more than there can ever be."""
        if self.fitted(wanted) != wanted:
            bounds = f"{self.budget.cores:g} cores and {self.budget.memory_mb} MB" if self.budget else "no less"
            raise InputError(
                f"{agent} wants {wanted.cores:g} cores and {wanted.memory_mb} MB; this machine has"
                f" {self.capacity.cores:g} cores and {self.capacity.memory_mb} MB for agents, and the run's budget is"
                f" {bounds}.",
                remedy="Let it want less, or raise the budget, CREWLINE_THREADS or CREWLINE_MEMORY_MB.",
            )
        allocation = Allocation(uuid.uuid4(), agent, wanted)
        owed = self._debts()
        try:
            if not self._database.transaction(lambda connection: self._take(connection, allocation, owed)):
                return None
            with self._changed:
                self._mine.add(allocation.id)
        except BaseException:
            # It may be on record: the answer can have been lost.
            with self._changed, _OWING:
                self._mine.discard(allocation.id)
                self._owed.add(allocation.id)
            raise
        return allocation

    def release(self, allocation: Allocation) -> bool:
        """Give back what was held. False if it was given back before."""
        with self._changed, _OWING:
            if allocation.id not in self._mine:
                return False
            self._mine.discard(allocation.id)
            self._owed.add(allocation.id)
        self._settle()
        return True

    @contextmanager
    def held(self, agent: str, wanted: Resources, *, stop: Stop | None = None) -> Iterator[Allocation]:
        """Hold so much while the block runs, however it ends. Raises as `allocate` does."""
        allocation = self.allocate(agent, wanted, stop=stop)
        try:
            yield allocation
        finally:
            self.release(allocation)

    def tell_wait(self, agent: str, wanted: Resources, waited: float) -> None:
        """Put on record that an agent waited for resources, seconds."""
        data = {**wanted.model_dump(), "seconds": round(waited, 3)}
        event = journal.Event(run_id=self._run_id, kind="resources.waited", actor=agent, data=data)
        self._database.transaction(lambda connection: journal.write(connection, event))

    def usage(self) -> Usage:
        """What is held on this machine now."""

        owed = self._debts()

        def work(connection: Connection) -> Usage:
            self._lock(connection)
            _give_back(connection, owed)
            self._take_from_the_dead(connection)
            return self._used(connection, None)

        return self._database.transaction(work)

    def _debts(self) -> set[uuid.UUID]:
        with _OWING:
            return set(self._owed)

    def _settle(self) -> None:
        """Give back what is owed, if the store can be reached."""
        owed = self._debts()
        # Where it cannot, what is owed is given back with a later call, or by others once this process is dead.
        with suppress(StoreUnavailable):
            self._database.transaction(lambda connection: _give_back(connection, owed))
            with _OWING:
                self._owed -= owed
        with self._changed:
            self._changed.notify_all()

    def _take(self, connection: Connection, allocation: Allocation, owed: set[uuid.UUID]) -> bool:
        self._lock(connection)
        found = connection.execute("SELECT 1 FROM resource_allocations WHERE allocation = %s", (allocation.id,))
        if found.fetchone():
            return True
        _give_back(connection, owed)
        wanted = allocation.resources
        if not self._has_room(connection, wanted):
            self._take_from_the_dead(connection)
            if not self._has_room(connection, wanted):
                return False
        connection.execute(
            "INSERT INTO resource_allocations (allocation, process, host, agent, run_id, cores, memory_mb)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s)",
            (
                allocation.id,
                jsonb(self._process),
                self._process["host"],
                allocation.agent,
                self._run_id,
                wanted.cores,
                wanted.memory_mb,
            ),
        )
        return True

    def _has_room(self, connection: Connection, wanted: Resources) -> bool:
        bounds = [(self.capacity, self._used(connection, None))]
        if self.budget:
            bounds.append((self.budget, self._used(connection, self._run_id)))
        return all(
            used.cores + wanted.cores <= bound.cores + _CORE and used.memory_mb + wanted.memory_mb <= bound.memory_mb
            for bound, used in bounds
        )

    def _used(self, connection: Connection, run_id: str | None) -> Usage:
        row = connection.execute(
            "SELECT coalesce(sum(cores), 0) AS cores, coalesce(sum(memory_mb), 0)::bigint AS memory_mb, count(*) AS n"
            " FROM resource_allocations WHERE host = %s AND (%s::text IS NULL OR run_id = %s)",
            (self._process["host"], run_id, run_id),
        ).fetchone()
        assert row is not None, "an aggregation has one row"
        return Usage(row["cores"], row["memory_mb"], row["n"])

    def _lock(self, connection: Connection) -> None:
        key = f"resources of {self._process['host']}"
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (key,))

    def _take_from_the_dead(self, connection: Connection) -> None:
        rows = connection.execute(
            "SELECT DISTINCT process FROM resource_allocations WHERE host = %s", (self._process["host"],)
        ).fetchall()
        for process in [row["process"] for row in rows if dead(row["process"])]:
            connection.execute("DELETE FROM resource_allocations WHERE process = %s", (jsonb(process),))


def _give_back(connection: Connection, allocations: set[uuid.UUID]) -> None:
    if allocations:
        connection.execute("DELETE FROM resource_allocations WHERE allocation = ANY(%s)", (list(allocations),))
