"""The store: migrations, and transactions that outlive a lost connection."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core import journal, lease
from core import run as runs
from core.errors import InputError, StoreUnavailable
from core.ledger import Ledger
from core.settings import Settings
from core.spec import loads
from core.store import Database, migrate, open_database
from core.store.server import start_server
from core.task import Failure, Outcome
from tests.deadline import until

MIGRATIONS = [name for name, _ in migrate.migrations()]
SPEC = loads("{name: other, sources: {o: {kind: csv, path: o.csv, columns: {a: string}}}, target: {path: out}}")


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database in which nothing is."""
    name = f"empty_{os.getpid()}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(server_url, dbname=name)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Proxy:
    """Stands between a client and the server: cuts connections, refuses new ones, loses the answer to a commit."""

    def __init__(self, url: str) -> None:
        there = conninfo_to_dict(url)
        self._server = f"{there['host']}/.s.PGSQL.{there.get('port') or 5432}"
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = make_conninfo(url, host="127.0.0.1", port=port, sslmode="disable", gssencmode="disable")
        self.refusals = 0  # how many of the next connections are refused
        self.refused = 0
        self.losing: bytes | None = None  # of the next transaction that mentions it, the answer to its commit is lost
        self.lost = 0
        self.late: threading.Event | None = None  # with it, the server gets that commit only when this is set
        self._links: set[tuple[socket.socket, socket.socket]] = set()
        # A connection is refused, or among those that are cut: the pool makes some while others are at work.
        self._deciding = threading.Lock()
        self._start(self._accept)

    def cut(self, *, refusals: int = 0) -> None:
        """Break all connections, and refuse the next ones."""
        with self._deciding:
            self.refusals = refusals
            links = list(self._links)
        for link in links:
            self._close(link)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with self._deciding:
                    if self.refusals:
                        self.refusals -= 1
                        self.refused += 1
                        client.close()
                        continue
                    server = socket.socket(socket.AF_UNIX)
                    server.connect(self._server)
                    self._links.add((client, server))
                self._start(self._serve, client, server)

    def _serve(self, client: socket.socket, server: socket.socket) -> None:
        deaf = threading.Event()
        self._start(self._answer, client, server, deaf)
        marked = False
        with contextlib.suppress(OSError):
            while message := client.recv(1 << 16):
                marked = marked or (self.losing is not None and self.losing in message)
                if marked and b"COMMIT\0" in message:
                    self.losing = None
                    deaf.set()
                    if self.late:
                        client.shutdown(socket.SHUT_RDWR)
                        self.late.wait(20)
                server.sendall(message)
        self._close((client, server))

    def _answer(self, client: socket.socket, server: socket.socket, deaf: threading.Event) -> None:
        with contextlib.suppress(OSError):
            # The server answers a commit when it has committed; so what is lost here is the answer alone.
            while (message := server.recv(1 << 16)) and not deaf.is_set():
                client.sendall(message)
            self.lost += deaf.is_set()
        self._close((client, server))

    def _close(self, link: tuple[socket.socket, socket.socket]) -> None:
        self._links.discard(link)
        for end in link:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    proxy = Proxy(database_url)
    yield proxy
    proxy.close()


@pytest.fixture
def through(proxy: Proxy, configuration: Settings) -> Iterator[Database]:
    """The fresh database, opened through the proxy."""
    store = Database(proxy.url, wait_s=configuration.database_wait_s).open()
    yield store
    store.close()


def test_a_fresh_database_has_all_migrations(database: Database) -> None:
    """The template that tests start from is what `open` makes of an empty database."""
    assert [row["name"] for row in database.query("SELECT name FROM migrations ORDER BY name")] == MIGRATIONS
    assert sorted(MIGRATIONS) == MIGRATIONS


def test_many_may_open_an_empty_database_at_once(empty_url: str) -> None:
    """Each migration is applied by exactly one of them, and all find the database whole."""
    start = threading.Barrier(8)

    def migrated(_: int) -> list[str]:
        with psycopg.connect(empty_url, autocommit=True) as connection:
            start.wait(20)
            applied = migrate.migrate(connection)
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (0,)
            return applied

    with ThreadPoolExecutor(8) as pool:
        applied = list(pool.map(migrated, range(8)))
    assert sorted(applied)[-1] == MIGRATIONS
    assert list(itertools.chain.from_iterable(applied)) == MIGRATIONS


def test_opening_again_changes_nothing(empty_url: str) -> None:
    for _ in range(2):
        Database(empty_url, wait_s=1).open().close()
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT name FROM migrations ORDER BY name").fetchall() == [(n,) for n in MIGRATIONS]


def test_migrations_are_applied_all_or_none(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = [("0001_good", "CREATE TABLE good ()"), ("0002_bad", "CREATE TABLE bad (); SELECT no_such_column")]
    monkeypatch.setattr(migrate, "migrations", lambda: broken)
    with pytest.raises(StoreUnavailable, match="no_such_column"):
        Database(empty_url, wait_s=1).open()
    with psycopg.connect(empty_url) as connection:
        assert connection.execute("SELECT to_regclass('good'), to_regclass('migrations')").fetchone() == (None, None)


def test_a_database_of_the_first_version_is_brought_up_with_what_stands_in_it(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = migrate.migrations()
    with monkeypatch.context() as patch, psycopg.connect(empty_url, autocommit=True) as connection:
        patch.setattr(migrate, "migrations", lambda: known[:1])
        assert migrate.migrate(connection) == MIGRATIONS[:1]
        connection.execute(
            "INSERT INTO runs (run_id, pipeline, spec, fingerprint, base_dir) VALUES ('r', 'p', '{\"b\": 1}', 'f', '/')"
        )
    store = Database(empty_url, wait_s=1).open()
    assert runs.get(store, "r").spec == {"b": 1}
    assert [row["name"] for row in store.query("SELECT name FROM migrations ORDER BY name")] == MIGRATIONS
    store.close()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "INSERT INTO migrations (name, digest) VALUES ('9999_future', 'x')",
            r"made by a newer Crewline \(it has 9999_future\)",
        ),
        ("UPDATE migrations SET digest = 'x' WHERE name = '0001_runs'", "0001_runs was applied .* in another form"),
    ],
)
def test_a_database_of_another_version_is_refused(database: Database, change: str, problem: str) -> None:
    database.transaction(lambda connection: connection.execute(change.encode()))
    with pytest.raises(InputError, match=problem) as caught:
        Database(database.url, wait_s=1).open()
    assert "CREWLINE_DATABASE_URL" in caught.value.remedy


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"host": "127.0.0.1", "port": "1"}, "refused"),
        ({"host": "/nowhere"}, "No such file"),
        ({"dbname": "no_such_database"}, 'database "no_such_database" does not exist'),
        ({"user": "nobody_here", "dbname": "postgres"}, 'role "nobody_here" does not exist'),
    ],
)
def test_a_server_that_cannot_be_used_is_told_with_its_own_words_and_a_way_out(
    server_url: str, change: dict[str, str], words: str
) -> None:
    with pytest.raises(StoreUnavailable, match=words) as caught:
        Database(make_conninfo(server_url, **change), wait_s=1).open()
    assert caught.value.remedy.startswith("Start it, or correct CREWLINE_DATABASE_URL;")


@pytest.mark.parametrize("url", ["not a url", "postgresql://ada:secret@[host/x"])
def test_a_url_that_is_none_is_told_without_its_password(url: str) -> None:
    with pytest.raises(InputError, match="is not the URL of a PostgreSQL database") as caught:
        Database(url, wait_s=1).open()
    assert "secret" not in str(caught.value)


def test_the_settings_name_the_database(configuration: Settings, database_url: str) -> None:
    store = open_database()
    assert store.url == database_url
    assert store.query("SELECT 1 AS one") == [{"one": 1}]
    store.close()


def test_an_embedded_server_that_does_not_start_is_told_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match=f"{tmp_path}/file/postgres does not start: ") as caught:
        start_server(tmp_path / "file" / "postgres")
    assert "CREWLINE_DATABASE_URL" in caught.value.remedy


@pytest.mark.parametrize("name", ["ho me", "it's", 'quo"te', "do$$ar"])
def test_a_home_that_the_embedded_server_cannot_live_in_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot live in") as caught:
        start_server(tmp_path / name / "postgres")
    assert "CREWLINE_HOME" in caught.value.remedy


def test_an_embedded_server_starts_again_although_its_pid_is_another_programs_now() -> None:
    """After a crash of the machine, the pid file stays, and its number may belong to anyone."""
    home = Path(tempfile.gettempdir()) / f"crewline-tests-again-{os.getpid()}"
    try:
        server = start_server(home / "postgres")
        left = (home / "postgres/postmaster.pid").read_text().split("\n", 1)[1]
        server.cleanup()
        (home / "postgres/postmaster.pid").write_text(f"1\n{left}")
        server = start_server(home / "postgres")
        with psycopg.connect(server.get_uri()) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.cleanup()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def halfway(home: Path) -> list[str]:
    """What the pid file of a running server has while it starts: another state in its last line, then no such line."""
    lines = (home / "postgres/postmaster.pid").read_text().splitlines()
    return ["\n".join([*lines[:-1], "starting"]) + "\n", "\n".join(lines[:-1]) + "\n"]


def test_an_embedded_server_that_somebody_starts_just_now_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    home = Path(tempfile.gettempdir()) / f"crewline-tests-starting-{os.getpid()}"
    written = home / "postgres/postmaster.pid"
    try:
        server = start_server(home / "postgres")
        ready = written.read_text()
        for state in halfway(home):
            written.write_text(state)
            soon = threading.Timer(0.2, written.write_text, [ready])
            soon.start()
            with psycopg.connect(start_server(home / "postgres").get_uri()) as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
            soon.join()
        monkeypatch.setattr("core.store.server._PATIENCE_S", 0.2)
        written.write_text(halfway(home)[0])
        with pytest.raises(StoreUnavailable, match=r"it is neither ready nor gone, after 0\.2 s"):
            start_server(home / "postgres")
        written.write_text(ready)
        server.cleanup()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_an_embedded_server_has_memory_by_the_machines_at_its_next_start_too() -> None:
    """One that an earlier version made has the server's own default; what somebody has set by hand stays."""
    home = Path(tempfile.gettempdir()) / f"crewline-tests-memory-{os.getpid()}"
    fair = round(min(max(psutil.virtual_memory().total / 2**20 / 4, 128), 1024))
    shown = "SELECT setting::int * 8 / 1024 FROM pg_settings WHERE name = 'shared_buffers'"
    try:
        server = start_server(home / "postgres")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            assert connection.execute(shown).fetchall() == [(fair,)]
            connection.execute("ALTER SYSTEM SET shared_buffers = '200MB'")
        server.cleanup()
        configuration = home / "postgres/postgresql.conf"
        configuration.write_text(configuration.read_text().replace("include_if_exists = 'crewline.conf'\n", ""))
        (home / "postgres/crewline.conf").unlink()
        server = start_server(home / "postgres")
        with psycopg.connect(server.get_uri()) as connection:
            assert connection.execute(shown).fetchall() == [(200,)]
            given = "SELECT setting FROM pg_file_settings WHERE name = 'shared_buffers' ORDER BY seqno"
            assert connection.execute(given).fetchall() == [("128MB",), (f"{fair}MB",), ("200MB",)]
        server.cleanup()
    finally:
        shutil.rmtree(home, ignore_errors=True)


USER = """
import sys
from core.store import open_database
for command in sys.stdin:
    if command == "use\\n":
        database = open_database()
        database.query("SELECT 1")
        database.close()
        print("used", flush=True)
"""


@pytest.fixture
def users() -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Processes that use the embedded server of one home, each time they are told to."""
    home = Path(tempfile.gettempdir()) / f"crewline-tests-users-{os.getpid()}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("CREWLINE_")}
    environment["CREWLINE_HOME"] = str(home)
    made: list[subprocess.Popen[str]] = []

    def make() -> subprocess.Popen[str]:
        made.append(
            subprocess.Popen(
                [sys.executable, "-c", USER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
        )
        return made[-1]

    yield make
    for process in made:
        end(process)
    assert not (home / "postgres" / "postmaster.pid").exists(), "the server runs on, although nobody uses it"
    shutil.rmtree(home)


def use(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("use\n")
    process.stdin.flush()
    assert process.stdout.readline() == "used\n"


def end(process: subprocess.Popen[str]) -> None:
    with process:
        # Leaving closes what it reads from, which ends it.
        pass
    assert process.returncode in (0, -9)


def test_the_embedded_server_stays_for_a_process_that_uses_it_again_and_again(
    users: Callable[[], subprocess.Popen[str]],
) -> None:
    """It is stopped neither by another process that ends, nor by a database that is closed."""
    one, other = users(), users()
    use(other)
    use(one)
    use(one)
    end(other)
    use(one)


def test_a_new_process_waits_for_an_embedded_server_that_starts_just_now(
    users: Callable[[], subprocess.Popen[str]],
) -> None:
    one, other = users(), users()
    use(one)
    home = Path(tempfile.gettempdir()) / f"crewline-tests-users-{os.getpid()}"
    written = home / "postgres/postmaster.pid"
    ready = written.read_text()
    written.write_text(halfway(home)[0])
    soon = threading.Timer(1.0, written.write_text, [ready])
    soon.start()
    use(other)
    soon.join()


def test_the_embedded_server_stops_with_its_last_user_although_another_was_killed(
    users: Callable[[], subprocess.Popen[str]],
) -> None:
    """Who was killed never said that it left."""
    killed, last = users(), users()
    use(killed)
    use(last)
    killed.kill()
    killed.wait(60)
    end(last)


@pytest.mark.parametrize("sql", ["SELECT current_setting('work_mem') AS kept", "SELECT 1 / 0 AS kept"])
def test_settings_hold_for_one_statement_and_leave_the_connection_as_it_was(database: Database, sql: str) -> None:
    before = database.query("SELECT current_setting('work_mem') AS kept")
    try:
        assert database.query(sql, settings={"work_mem": "64kB"}, prepare=True) == [{"kept": "64kB"}]
    except psycopg.errors.DivisionByZero:
        assert "/ 0" in sql
    # There is one connection in the pool, and what is not committed on it is still undone.
    assert database.query("SELECT current_setting('work_mem') AS kept") == before
    with pytest.raises(psycopg.errors.DivisionByZero):
        database.transaction(lambda c: (c.execute("CREATE TABLE kept (n int)"), c.execute("SELECT 1 / 0")))
    assert database.query("SELECT to_regclass('kept') AS kept") == [{"kept": None}]


def test_what_fails_in_a_transaction_is_raised_at_once_and_leaves_nothing(database: Database) -> None:
    calls = []

    def work(connection: lease.Connection) -> None:
        calls.append(1)
        connection.execute("CREATE TABLE half_done ()")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        database.transaction(work)
    with pytest.raises(psycopg.errors.UndefinedTable):
        database.query("SELECT * FROM half_done")
    assert len(calls) == 1


def test_a_transaction_that_is_cut_in_mid_work_is_done_again_as_a_whole(through: Database, proxy: Proxy) -> None:
    through.transaction(lambda connection: connection.execute("CREATE TABLE seen (number integer)"))
    calls = []

    def work(connection: lease.Connection) -> int:
        calls.append(1)
        connection.execute("INSERT INTO seen VALUES (%s)", (len(calls),))
        if len(calls) == 1:
            proxy.cut()
        return len(connection.execute("SELECT number FROM seen").fetchall())

    assert through.transaction(work) == 1
    assert through.query("SELECT number FROM seen") == [{"number": 2}]


def test_the_wait_begins_at_the_failure_however_long_the_work_took(proxy: Proxy, configuration: Settings) -> None:
    """As for a process that was stopped in mid-transaction, and finds its connection closed when it wakes."""
    store = Database(proxy.url, wait_s=0.3).open()
    calls = []

    def work(connection: lease.Connection) -> int:
        calls.append(1)
        if len(calls) == 1:
            time.sleep(0.5)
            proxy.cut()
        connection.execute("SELECT 1")
        return len(calls)

    assert store.transaction(work) == 2
    store.close()


@pytest.mark.parametrize("refusals", [1, 4])
def test_a_server_that_comes_back_in_time_is_waited_for(through: Database, proxy: Proxy, refusals: int) -> None:
    through.query("SELECT 1")
    proxy.cut(refusals=refusals)
    assert through.query("SELECT 1 AS one") == [{"one": 1}]
    assert proxy.refused == refusals


def test_a_server_that_comes_back_after_seconds_is_found(proxy: Proxy, configuration: Settings) -> None:
    """Who waits for a connection does not wait for one that was refused before: it is asked for anew."""
    store = Database(proxy.url, wait_s=20).open()
    store.query("SELECT 1")
    proxy.cut(refusals=10**9)
    began = time.monotonic()

    def work(connection: lease.Connection) -> float:
        return time.monotonic() - began

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.transaction, work)
        until(lambda: time.monotonic() - began > 2)
        proxy.refusals = 0
        assert 2 <= waiting.result() < 4.9
    store.close()


def test_a_server_that_stays_away_is_given_up_after_the_wait(proxy: Proxy, configuration: Settings) -> None:
    store = Database(proxy.url, wait_s=0.5).open()
    store.query("SELECT 1")
    proxy.cut(refusals=10**9)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match=r"did not come back within 0\.5 s") as caught:
        store.query("SELECT 1")
    assert time.monotonic() - began < 4
    assert caught.value.resumable
    assert "resume the run" in caught.value.remedy
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.once("SELECT 1")
    proxy.refusals = 0
    assert store.query("SELECT 1 AS one") == [{"one": 1}]
    store.close()


def test_a_database_that_was_closed_says_so_at_once(database_url: str) -> None:
    store = Database(database_url, wait_s=60).open()
    store.close()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="was closed by this process"):
        store.query("SELECT 1")
    assert time.monotonic() - began < 5


LIFE = [
    "run.created",
    "run.claimed",
    "step.started",
    "step.committed",
    "step.started",
    "step.failed",
    "decision.made",
    "spec.changed",
    "run.interrupted",
]


@pytest.mark.parametrize("losing", [None, *dict.fromkeys(LIFE)])
def test_a_commit_whose_answer_is_lost_has_happened_once(
    through: Database, proxy: Proxy, tmp_path: Path, losing: str | None
) -> None:
    """The window: the server has committed, the client does not know. It does the work again, and nothing doubles."""
    proxy.losing = losing.encode() if losing else None
    runs.create(through, "r", SPEC, base_dir="/", document=None)
    held = lease.claim(through, "r", lease_s=60)
    ledger = Ledger(held, tmp_path)
    effects = []
    step = ledger.begin("a", actor="me")
    ledger.commit(step, {"is": "done"}, actor="me", effect=lambda: effects.append(1))
    failed = ledger.begin("b", actor="me")
    ledger.end(failed, Outcome(task="b", status="failed", failure=Failure(error="E", message="no")))
    ledger.tell("decision.made", why="because")
    ledger.change_spec(SPEC, ["nothing"])
    held.release("interrupted", error="enough")

    assert proxy.lost == (0 if losing is None else 1)
    assert (held.token, step.attempt, failed.attempt, effects) == (1, 1, 1, [1])
    events = journal.events(through, "r")
    assert [event.kind for event in events] == LIFE
    assert [event.data.get("attempt") for event in events if event.step] == [1, 1, 1, 1]
    assert through.query("SELECT step_key, status, attempt, token FROM steps ORDER BY step_key") == [
        {"step_key": "a", "status": "done", "attempt": 1, "token": 1},
        {"step_key": "b", "status": "failed", "attempt": 1, "token": 1},
    ]
    run = runs.get(through, "r")
    assert (run.status, run.token, run.holder, run.error) == ("interrupted", 1, None, "enough")


def test_a_commit_that_is_still_on_its_way_is_waited_for(
    through: Database, proxy: Proxy, database: Database, tmp_path: Path
) -> None:
    """The window: the connection is lost, the work is begun again, and only then the server gets to the commit."""
    runs.create(through, "r", SPEC, base_dir="/", document=None)
    ledger = Ledger(lease.claim(through, "r", lease_s=60), tmp_path)
    step = ledger.begin("a", actor="me")
    proxy.losing, proxy.late = b"step.committed", threading.Event()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    with ThreadPoolExecutor(1) as pool:
        commit = pool.submit(ledger.commit, step, {"is": "done"}, actor="me")
        until(lambda: database.query(waiting))
        proxy.late.set()
        commit.result()
    assert ledger.recorded("a") == {"is": "done"}
    assert [event.kind for event in journal.events(database, "r")][2:] == ["step.started", "step.committed"]
    ledger.lease.abandon()


def test_a_heartbeat_goes_on_when_its_connection_was_cut(through: Database, proxy: Proxy, database: Database) -> None:
    runs.create(through, "r", SPEC, base_dir="/", document=None)
    held = lease.claim(through, "r", lease_s=0.3)
    proxy.cut(refusals=2)
    until(lambda: proxy.refused == 2)
    before = runs.get(database, "r").heartbeat_at
    until(lambda: runs.get(database, "r").heartbeat_at != before)
    held.release("interrupted")
