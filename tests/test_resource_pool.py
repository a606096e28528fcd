"""The resource pool: never more than there is, never a leak, whatever happens to those who hold something."""

import multiprocessing
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from core import journal
from core.errors import InputError, Interrupted, StoreUnavailable
from core.stop import Stop
from core.store import Database
from crews.dynamic import ResourcePool, Resources, machine
from crews.dynamic.pool import Allocation
from tests.deadline import until

T = TypeVar("T")

CAPACITY = Resources(cores=2, memory_mb=1000)
_context = multiprocessing.get_context("spawn")


def some(cores: float = 1, memory_mb: int = 100) -> Resources:
    return Resources(cores=cores, memory_mb=memory_mb)


@pytest.fixture
def pool(database: Database) -> Iterator[ResourcePool]:
    with ResourcePool(database, capacity=CAPACITY) as pool:
        yield pool


class Faulty(Database):
    """Loses the answer of a transaction, or the connection before it, as it is told to for the next one."""

    def __init__(self, url: str) -> None:
        super().__init__(url, wait_s=0.1)
        self.fault = ""

    def transaction(self, work: Callable[[Any], T]) -> T:
        fault, self.fault = self.fault, ""
        if fault == "before":
            raise StoreUnavailable("gone before")
        done = super().transaction(work)
        if fault == "after":
            raise StoreUnavailable("gone after")
        return done


MOVES = st.tuples(
    st.integers(0, 2),
    st.sampled_from(["take", "release", "fail", "release twice", "close"]),
    st.sampled_from([0.5, 1.0, 1.5]),
    st.sampled_from([100, 400, 900]),
    st.sampled_from(["", "", "before", "after"]),
)


@seed(7)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(MOVES, max_size=25))
def test_no_sequence_of_failures_leaks_or_exceeds_what_there_is(
    database: Database, database_url: str, moves: list[tuple[int, str, float, int, str]]
) -> None:
    """By several pools, through a database that goes away before and after commits: what is on record is what is held,
    and at most what was given up and could not be given back yet, which the next call does."""
    store = Faulty(database_url).open()
    pools = [ResourcePool(store, capacity=CAPACITY) for _ in range(3)]  # type: ignore[arg-type]
    held: list[list[Allocation]] = [[] for _ in pools]
    try:
        for number, move, cores, memory_mb, fault in moves:
            pool, own = pools[number], held[number]
            store.fault = fault  # type: ignore[attr-defined]
            with suppress(StoreUnavailable, ZeroDivisionError):
                if move == "take" and (allocation := pool.try_allocate("a", some(cores, memory_mb))):
                    own.append(allocation)
                elif move == "fail":
                    free = pool.usage()
                    if free.cores + cores <= 2 and free.memory_mb + memory_mb <= 1000:
                        with pool.held("a", some(cores, memory_mb)):
                            raise ZeroDivisionError
                elif move.startswith("release") and own:
                    allocation = own.pop()
                    assert pool.release(allocation)
                    assert move == "release" or not pool.release(allocation)
                elif move == "close":
                    own.clear()
                    pool.close()
            store.fault = ""  # type: ignore[attr-defined]
            resources = [allocation.resources for of in held for allocation in of]
            used = pool.usage()
            assert used.allocations == len(resources)
            assert used.cores == sum(r.cores for r in resources) <= CAPACITY.cores
            assert used.memory_mb == sum(r.memory_mb for r in resources) <= CAPACITY.memory_mb
    finally:
        for pool in pools:
            pool.close()
        store.close()
    assert database.query("SELECT count(*) AS n FROM resource_allocations")[0]["n"] == 0


def test_threads_that_fail_and_are_stopped_leave_nothing_behind(database: Database, pool: ResourcePool) -> None:
    """Twelve of them at once; at no time is more held than there is."""
    seen: list[float] = []
    stop = Stop()

    def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(4):
            wanted = some(chance.choice([0.5, 1, 2]), chance.choice([100, 500, 1000]))
            with suppress(ValueError, Interrupted), pool.held(f"a{number}", wanted, stop=stop if number == 0 else None):
                row = database.query("SELECT sum(cores) AS c, sum(memory_mb) AS m FROM resource_allocations")[0]
                seen.append(row["c"] / 2)
                seen.append(row["m"] / 1000)
                if number == 1:
                    stop.request("the test wants it")
                if chance.random() < 0.5:
                    raise ValueError

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert max(seen) <= 1
    assert pool.usage().allocations == 0


def test_who_waits_gets_it_when_it_is_given_back_and_nobody_overtakes(database: Database, pool: ResourcePool) -> None:
    first = pool.allocate("first", some(2))
    order: list[str] = []

    def wait(name: str, cores: float) -> None:
        with pool.held(name, some(cores)):
            order.append(name)

    threads = []
    for name, cores in (("large", 2.0), ("small", 0.5)):
        threads.append(threading.Thread(target=wait, args=(name, cores)))
        threads[-1].start()
        until(lambda: len(pool._waiting) == len(threads))
    assert order == []
    pool.release(first)
    for thread in threads:
        thread.join(20)
    assert order == ["large", "small"]
    assert pool.usage().allocations == 0
    assert {event.actor for event in journal.events(database, None, kind="resources.waited")} <= {"large", "small"}


def test_a_stop_ends_the_wait_and_its_place_is_free(pool: ResourcePool) -> None:
    stop = Stop()
    with pool.held("first", some(2)):
        stop.request("the test wants it")
        with pytest.raises(Interrupted):
            pool.allocate("second", some(1), stop=stop)
    assert pool.try_allocate("third", some(2))


def test_more_than_there_can_ever_be_is_refused_at_once(database: Database, pool: ResourcePool, run_id: str) -> None:
    with pytest.raises(InputError, match=r"a wants 3 cores and 100 MB; this machine has 2 cores and 1000 MB"):
        pool.allocate("a", some(3))
    own = ResourcePool(database, run_id=run_id, capacity=CAPACITY, budget=some(1, 200))
    with pytest.raises(InputError, match="budget is 1 cores and 200 MB"):
        own.allocate("a", some(1, 300))
    assert own.fitted(some(4, 4000)) == some(1, 200)
    with own.held("a", some(1, 100)):
        # The machine has room, the run has none.
        assert own.try_allocate("b", some(0.5, 50)) is None
        assert pool.try_allocate("c", some(1, 100)) is not None
    with pytest.raises(InputError, match="A budget is a run's"):
        ResourcePool(database, budget=some())
    assert machine().cores >= 1


def hold(url: str, told: Connection) -> None:
    ResourcePool(Database(url, wait_s=5).open(), capacity=CAPACITY).allocate("other", some(2, 1000))
    told.send("held")
    told.recv()
    os._exit(0)


def test_what_a_killed_process_held_comes_back_at_once_and_what_a_stopped_one_holds_does_not(
    database: Database, pool: ResourcePool
) -> None:
    ours, theirs = _context.Pipe()
    process = _context.Process(target=hold, args=(database.url, theirs), daemon=True)
    process.start()
    assert ours.recv() == "held"
    assert process.pid is not None
    os.kill(process.pid, signal.SIGSTOP)
    assert pool.try_allocate("mine", some(1)) is None
    os.kill(process.pid, signal.SIGKILL)
    process.join(10)
    assert pool.try_allocate("mine", some(2, 1000))
    assert pool.usage().allocations == 1
