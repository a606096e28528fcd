"""The factory of savers, on one pool of connections, with the tables made by one process at a time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self, TypeVar

import psycopg
import stamina
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import WRITES_IDX_MAP, ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from core.errors import StoreUnavailable
from core.settings import settings
from graphs.group import Group

T = TypeVar("T")

# What a task wrote: its configuration, the channels and values, its id and path.
_Written = tuple[RunnableConfig, Sequence[tuple[str, Any]], str, str]

# Any constant will do, as long as it never changes: processes of all versions must wait for the same lock.
LOCK = 0x63726770

# What says that the server is away, for now.
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout)


class Saver(AsyncPostgresSaver):
    """A saver that waits for a database that went away, as the ledger does; all that it writes can be written twice.

    Raises StoreUnavailable after `wait_s` seconds.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[DictRow]], wait_s: float) -> None:
        super().__init__(pool)
        self.wait_s = wait_s
        self._writes: Group[_Written, None] = Group(self._put_writes)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        return await self._insist(lambda: super(Saver, self).aget_tuple(config))

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        return await self._insist(lambda: super(Saver, self).aput(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        await self._writes.add((config, writes, task_id, task_path))

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        await self._insist(lambda: super(Saver, self).aprune(thread_ids, strategy=strategy))

    async def _put_writes(self, written: Sequence[_Written]) -> Sequence[None]:
        """What the tasks of a superstep wrote, those that end together in one go."""
        special = [all(channel in WRITES_IDX_MAP for channel, _ in writes) for _, writes, _, _ in written]

        async def put() -> None:
            async with self._cursor(pipeline=True) as cursor:
                for sql, is_special in (
                    (self.UPSERT_CHECKPOINT_WRITES_SQL, True),
                    (self.INSERT_CHECKPOINT_WRITES_SQL, False),
                ):
                    rows = [
                        row
                        for (config, writes, task_id, task_path), of in zip(written, special, strict=True)
                        if of is is_special
                        for row in self._dump_writes(
                            config["configurable"]["thread_id"],
                            config["configurable"]["checkpoint_ns"],
                            config["configurable"]["checkpoint_id"],
                            task_id,
                            task_path,
                            writes,
                        )
                    ]
                    if rows:
                        await cursor.executemany(sql, rows)

        await self._insist(put)
        return [None] * len(written)

    async def _insist(self, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        except _AWAY:
            pass
        try:
            async for attempt in stamina.retry_context(
                on=_AWAY, attempts=None, timeout=self.wait_s, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    return await work()
        except _AWAY as error:
            raise StoreUnavailable(
                f"PostgreSQL went away and did not come back within {self.wait_s:g} s: {' '.join(str(error).split())}.",
                remedy="Nothing that was committed is lost. Start the server, then resume the run.",
            ) from error
        raise AssertionError("unreachable: the loop returns or raises")


class Checkpoints:
    """The checkpoints in the database at `url`: `async with Checkpoints(url) as checkpoints: checkpoints.saver()`.

    With `behind` the last ones may be lost if the server's machine fails: for graphs that a ledger tells what is done.
    """

    def __init__(self, url: str, *, wait_s: float | None = None, behind: bool = False) -> None:
        self._wait_s = settings().database_wait_s if wait_s is None else wait_s
        # What is prepared would be lost with the connection; without autocommit a checkpoint can be rolled back.
        self._pool: AsyncConnectionPool[AsyncConnection[DictRow]] = AsyncConnectionPool(
            url,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True, "prepare_threshold": 0},
            min_size=1,
            max_size=4,
            max_idle=60,
            max_lifetime=1800,
            timeout=5,
            reconnect_timeout=0,
            configure=_hasten if behind else None,
            check=AsyncConnectionPool.check_connection,
            name="checkpoints",
            open=False,
        )

    async def __aenter__(self) -> Self:
        await self._pool.open()
        try:
            async with self._pool.connection() as connection:
                await _set_up(connection)
        except BaseException:
            await self._pool.close()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._pool.close()

    def saver(self) -> Saver:
        """A saver of its own for each graph at work: a saver does one thing at a time."""
        return Saver(self._pool, self._wait_s)


async def _hasten(connection: AsyncConnection[DictRow]) -> None:
    await connection.execute("SET synchronous_commit = off")


async def _set_up(connection: AsyncConnection[DictRow]) -> None:
    """Make or upgrade the tables, in one process at a time.

    The lock is tried, not waited for: the indexes are made concurrently, which waits for all who wait in a statement.
    """
    saver = AsyncPostgresSaver(connection)
    if await _version(connection) == len(saver.MIGRATIONS) - 1:
        return
    async with _alone(connection):
        if await _version(connection) != len(saver.MIGRATIONS) - 1:
            await saver.setup()


@asynccontextmanager
async def _alone(connection: AsyncConnection[DictRow]) -> AsyncIterator[None]:
    async for attempt in stamina.retry_context(
        on=psycopg.errors.LockNotAvailable, attempts=None, timeout=60, wait_initial=0.05, wait_max=0.5
    ):
        with attempt:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s) AS got", (LOCK,))).fetchone()
            if not (row and row["got"]):
                raise psycopg.errors.LockNotAvailable("another process makes the tables of checkpoints")
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


async def _version(connection: AsyncConnection[DictRow]) -> int | None:
    """The last migration of the saver that was applied, if any."""
    there = await connection.execute("SELECT 1 FROM pg_class WHERE oid = to_regclass('checkpoint_migrations')")
    if await there.fetchone() is None:
        return None
    row = await (await connection.execute("SELECT max(v) AS v FROM checkpoint_migrations")).fetchone()
    return row["v"] if row else None
