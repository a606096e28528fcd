"""The pool of connections, and transactions that outlive a database that goes away for a while."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import psycopg
import stamina
from psycopg.conninfo import conninfo_to_dict
from psycopg.pq import TransactionStatus
from psycopg.rows import DictRow, dict_row
from psycopg_pool import ConnectionPool, PoolClosed

from core.errors import InputError, StoreUnavailable
from core.settings import Settings, settings
from core.store.migrate import migrate
from core.store.server import start_server

T = TypeVar("T")
Connection = psycopg.Connection[DictRow]

_AWAY = (psycopg.OperationalError, psycopg.InterfaceError)

# An expression that makes the server not wait for the disk when it commits this transaction: for what may be lost if
# the machine fails in the next moment. A later commit that is waited for brings it onto the disk too.
HASTEN = "set_config('synchronous_commit', 'off', true)"


# Without these, a server that vanishes from the network is noticed after a quarter of an hour or more.
_VIGILANCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


class Database:
    """The one PostgreSQL of this process. `url` is where it is; close it when done."""

    def __init__(self, url: str, *, wait_s: float) -> None:
        self.url = url
        self._wait_s = wait_s
        self._pool = ConnectionPool(
            url,
            connection_class=Connection,
            kwargs={"row_factory": dict_row, **_VIGILANCE},
            min_size=1,
            max_size=8,
            # Short: a new connection is asked for by who comes, not for who waits. `transaction` comes again.
            timeout=1,
            reconnect_timeout=0,
            configure=_configure,
            check=ConnectionPool.check_connection,
            name="crewline",
            open=False,
        )

    def open(self) -> "Database":
        """Connect and migrate. Raises StoreUnavailable, with the server's own words, if that cannot be done."""
        try:
            conninfo_to_dict(self.url)
        except psycopg.ProgrammingError:
            # The parser's words would show the whole URL, with its password.
            raise InputError(
                "CREWLINE_DATABASE_URL is not the URL of a PostgreSQL database.",
                remedy="It looks like postgresql://user:password@host:5432/database.",
            ) from None
        try:
            with psycopg.connect(self.url, connect_timeout=5, autocommit=True) as connection:
                migrate(connection)
        except psycopg.Error as error:
            raise StoreUnavailable(
                f"PostgreSQL cannot be used: {_words(error)}.",
                remedy="Start it, or correct CREWLINE_DATABASE_URL; unset it to use the embedded server.",
            ) from error
        self._pool.open()
        return self

    def close(self) -> None:
        """Give back the connections."""
        self._pool.close(timeout=2)

    def transaction(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in one transaction, and return what it returns.

        When the connection is lost, the whole is done again on a new one, until `CREWLINE_DATABASE_WAIT_S` have passed;
        then StoreUnavailable is raised. A connection can be lost after the server committed but before it said so:
        `work` must therefore be harmless to do twice.
        """

        try:
            try:
                return self._attempt(work)
            except _AWAY as error:
                if not _comes_back(error):
                    raise
            # The wait begins at the failure: a process can be stopped in mid-transaction for longer than it would wait.
            for attempt in stamina.retry_context(
                on=_comes_back, attempts=None, timeout=self._wait_s, wait_initial=0.1, wait_max=2.0
            ):
                with attempt:
                    return self._attempt(work)
        except psycopg.errors.ProgramLimitExceeded as error:
            # The driver counts it among what passes; it is about what was given, and never does.
            raise InputError(f"PostgreSQL cannot keep this: {_words(error)}.", remedy="Give less.") from error
        except PoolClosed as error:
            raise StoreUnavailable("The connection to PostgreSQL was closed by this process.") from error
        except _AWAY as error:
            raise StoreUnavailable(
                f"PostgreSQL went away and did not come back within {self._wait_s:g} s: {_words(error)}.",
                remedy="Nothing that was committed is lost. Start the server, then resume the run.",
            ) from error
        raise AssertionError("unreachable: the loop returns or raises")

    def _attempt(self, work: Callable[[Connection], T]) -> T:
        with self._pool.connection() as connection:
            return work(connection)

    def once(self, sql: str, parameters: tuple[Any, ...] = ()) -> None:
        """One statement, tried once. Raises StoreUnavailable."""
        try:
            self._attempt(lambda c: c.execute(sql.encode(), parameters))
        except _AWAY as error:
            raise StoreUnavailable(f"PostgreSQL cannot be reached: {_words(error)}.") from error

    def query(
        self,
        sql: str,
        parameters: tuple[Any, ...] | dict[str, Any] = (),
        *,
        settings: Mapping[str, str] | None = None,
        prepare: bool | None = None,
    ) -> list[DictRow]:
        """The rows of one read-only statement.

        `settings` of the server hold for it alone. With `prepare` it is parsed, and perhaps planned, once for each
        connection; by default that is done for statements that come often.
        """

        def read(connection: Connection) -> list[DictRow]:
            # One statement is a transaction by itself: to begin and end it would take as many trips again.
            connection.autocommit = True
            try:
                if not settings:
                    return connection.execute(sql.encode(), parameters, prepare=prepare).fetchall()
                # What goes there in one trip is one transaction too, at whose end the settings are gone.
                with connection.pipeline():
                    set_all = ", ".join("set_config(%s, %s, true)" for _ in settings)
                    pairs = [text for setting in settings.items() for text in setting]
                    connection.execute(f"SELECT {set_all}".encode(), pairs)
                    return connection.execute(sql.encode(), parameters, prepare=prepare).fetchall()
            finally:
                if connection.info.transaction_status == TransactionStatus.IDLE:
                    connection.autocommit = False

        return self.transaction(read)


def open_database(configuration: Settings | None = None) -> Database:
    """The database of the settings: `CREWLINE_DATABASE_URL`, or an embedded server in `CREWLINE_HOME`.

    Raises StoreUnavailable if it cannot be reached, InputError if a newer Crewline made it.
    """
    configuration = configuration or settings()
    configuration.prepare()
    if configuration.database_url:
        url = configuration.database_url.get_secret_value()
    else:
        url = start_server(configuration.root / "postgres").get_uri()
    database = Database(url, wait_s=configuration.database_wait_s)
    try:
        return database.open()
    except BaseException:
        database.close()
        raise


def _configure(connection: Connection) -> None:
    # A process that is stopped in the middle of a transaction would keep its locks, and the run, from all others.
    connection.execute("SET idle_in_transaction_session_timeout = '10s'")
    connection.commit()


def _comes_back(error: Exception) -> bool:
    return isinstance(error, _AWAY) and not isinstance(error, PoolClosed | psycopg.errors.ProgramLimitExceeded)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
