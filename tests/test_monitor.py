"""The monitor: each condition is told once, until it clears; on time, signed, and without a secret in it."""

import hmac
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr
from typer.testing import CliRunner

import crewline
from core import journal
from core import run as runs
from core.errors import InputError, WorkError
from core.report import Quality, Records, RunReport
from core.settings import Settings
from core.stop import Stop
from core.store import Database
from crewline.cli import app
from delegation import Monitor, Webhook
from delegation.monitor import webhook as webhooks
from delegation.monitor.alert import Alert, open_alerts, settle
from delegation.monitor.condition import BOUNDS, Condition, examine, exhausted, of_runs
from delegation.monitor.webhook import deliver, signature
from flows.pipeline import DataPipelineFlow
from tests import child
from tests.deadline import until

NOW = datetime(2026, 3, 14, 9, tzinfo=UTC)
PASSWORD = "never-to-be-told"

SPEC = """
name: small
sources: {o: {kind: csv, path: o.csv, columns: {n: integer}}}
validation: {o: [{check: not_null, column: n}]}
target: {path: out}
gate: {enhancements: 0, retries: 0}
"""


class HandStop(Stop):
    """A clock: instead of waiting it notes how long it would, and stops at the end of its rounds."""

    def __init__(self, rounds: int, between: Callable[[int], None] = lambda n: None) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._rounds = rounds
        self._between = between

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)
        self._between(len(self.waits))
        if len(self.waits) == self._rounds:
            self.request("a test")
        self.check()


class Receiver:
    """A webhook of the test's own: what it answers, in order (the last for ever), and what it was sent."""

    def __init__(self, *answers: int) -> None:
        self.answers = list(answers)
        self.posts: list[tuple[dict[str, str], bytes]] = []
        self.received: Callable[[], None] = lambda: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.posts.append((dict(self.headers), self.rfile.read(int(self.headers["Content-Length"]))))
                outer.received()
                self.send_response(outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0])
                self.send_header("Location", f"{outer.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/{PASSWORD}"

    def told(self) -> list[tuple[str, str]]:
        """What it was told: the change, and the subject."""
        contents = [json.loads(body) for _, body in self.posts]
        return [(content["change"], content["alert"]["subject"]) for content in contents]

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def document(tmp_path: Path, configuration: Settings) -> Path:
    (tmp_path / "small.yaml").write_text(SPEC)
    return fill(tmp_path / "small.yaml")


@pytest.fixture
def watch(database: Database, tmp_path: Path) -> Monitor:
    return Monitor(database, tmp_path)


def fill(document: Path, *gaps: int) -> Path:
    """Rows of the pipeline's source, with a gap in each of these."""
    lines = ["" if n in gaps else str(n) for n in range(100)]
    (document.parent / "o.csv").write_text("n,x\n" + "\n".join(f"{line},y" for line in lines) + "\n")
    return document


def run(document: Path, database: Database) -> RunReport:
    return DataPipelineFlow(document, database=database).kickoff()


def about(alerts: list[Alert] | list[Condition]) -> list[tuple[str, str]]:
    """What is told of pipelines; how full this machine is, is not the test's to say."""
    return [(a.kind, a.subject) for a in alerts if a.kind != "resource_exhaustion"]


def raise_some(database: Database, *subjects: str, at: datetime | None = None, host: str = "here") -> Any:
    conditions = [Condition(kind="pipeline_failure", subject=name, message=f"{name} failed") for name in subjects]
    seen_at = at or database.query("SELECT clock_timestamp() AS now")[0]["now"]
    return settle(database, conditions, seen_at=seen_at, host=host)


# --- what is measured --------------------------------------------------------------------------------------------


def test_what_runs_come_to_is_raised_once_and_cleared_by_a_better_run(
    document: Path, database: Database, watch: Monitor
) -> None:
    """A faultless run raises nothing; one that the gate stops raises failure, quality and errors, once."""
    run(document, database)
    assert about(watch.check().raised) == []
    fill(document, *range(30))
    failed = run(document, database)
    assert failed.status == "failed"
    first = watch.check()
    expected = [("pipeline_failure", "small"), ("quality_degradation", "small"), ("sla_breach", "small error_share")]
    assert about(first.raised) == about(first.open) == expected
    assert {alert.run_id for alert in first.raised if alert.kind != "resource_exhaustion"} == {failed.run_id}
    again = watch.check()
    assert (about(again.raised), about(again.cleared), about(again.open)) == ([], [], expected)
    fill(document)
    run(document, database)
    last = watch.check()
    assert (about(last.cleared), about(last.open)) == (expected, [])
    told = journal.events(database, failed.run_id, kind="alert.")
    assert [(e.kind, e.data["subject"]) for e in told] == [
        (f"alert.{change}", subject) for change in ("raised", "cleared") for _, subject in expected
    ]


def test_a_run_whose_process_was_killed_is_told_of_and_cleared_when_it_goes_on(
    document: Path, database: Database, watch: Monitor
) -> None:
    environment = {name: value for name, value in os.environ.items() if name.startswith("CREWLINE_")}
    process = child.start(environment, spec=document, kill_at=["step.commit.before validation/o/0"])
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    (alert,) = [alert for alert in watch.check().raised if alert.kind == "pipeline_failure"]
    assert "was left by its process; crewline resume" in alert.message
    assert DataPipelineFlow(run_id=alert.run_id, database=database).kickoff().status == "published"
    assert ("pipeline_failure", "small") in about(watch.check().cleared)


def past(quality: float | None, *, status: str = "published", latency_s: float = 1, **spec: Any) -> runs.Run:
    report = RunReport(run_id="r", status="published", quality=Quality(overall=quality), records=Records(rows_in=1000))
    began = NOW - timedelta(seconds=latency_s)
    return runs.Run(
        run_id="r",
        kind="pipeline",
        pipeline="p",
        spec={"sla": {"error_share": 1}, **spec},
        fingerprint="",
        document=None,
        base_dir="/",
        status=status,  # type: ignore[arg-type]
        token=1,
        holder={"host": "elsewhere", "pid": 1, "started": 0.0} if status == "running" else None,
        heartbeat_at=NOW,
        created_at=began,
        finished_at=None if status == "running" else NOW,
        report=None if status == "running" else report.model_dump(mode="json", by_alias=True),
        error=None,
    )


@pytest.mark.parametrize(
    ("qualities", "degraded"),
    [
        ([0.95], False),
        ([0.9499], True),
        ([None], False),
        ([], False),
        ([0.95, 1.0, 1.0, 1.0], False),
        ([0.951, 1.0, 1.0, 1.0], False),
        ([0.80, 0.99, 0.99], True),
    ],
)
def test_quality_has_degraded_below_what_the_gate_publishes(qualities: list[float | None], degraded: bool) -> None:
    found = of_runs([past(quality) for quality in qualities], NOW, lease_s=15) if qualities else []
    assert about(found) == ([("quality_degradation", "p")] if degraded else [])


@pytest.mark.parametrize(
    ("qualities", "degraded"),
    [
        ([0.84, 0.9, 0.9, 0.9], True),
        ([0.86, 0.9, 0.9, 0.9], False),
        ([0.84, 0.9, 0.9], False),
        ([0.84, 0.9, 0.9, None], False),
        ([0.84, 0.9, 0.2, 0.9], True),
        ([0.84, 0.2, 0.9, 0.2], False),
        ([None, 0.84, 0.9, 0.9, 0.9], False),
    ],
)
def test_quality_has_degraded_where_it_fell_from_the_median_of_three_runs_before(
    qualities: list[float | None], degraded: bool
) -> None:
    """More than 0.05, whatever the gate publishes; what was not measured counts neither way."""
    found = of_runs([past(quality, gate={"publish": 0.1}) for quality in qualities], NOW, lease_s=15)
    assert about(found) == ([("quality_degradation", "p")] if degraded else [])


@pytest.mark.parametrize(
    ("latest", "told"),
    [
        (past(1.0, latency_s=300), []),
        (past(1.0, latency_s=301), [("sla_breach", "p latency_s")]),
        (past(1.0, latency_s=361), [("sla_breach", "p latency_s"), ("sla_breach", "p records_per_hour")]),
        (past(None, status="running", latency_s=300), []),
        (past(None, status="running", latency_s=301), [("sla_breach", "p latency_s")]),
        (past(None, status="running").model_copy(update={"heartbeat_at": NOW - timedelta(seconds=15)}), []),
        (
            past(None, status="running").model_copy(update={"heartbeat_at": NOW - timedelta(seconds=16)}),
            [("pipeline_failure", "p")],
        ),
        (past(None, status="interrupted"), []),
        (past(None, status="waiting"), []),
    ],
)
def test_a_service_level_is_breached_beyond_its_bound_also_while_the_run_lasts(
    latest: runs.Run, told: list[tuple[str, str]]
) -> None:
    assert about(of_runs([latest], NOW, lease_s=15)) == told


@pytest.mark.parametrize("resource", list(BOUNDS))
def test_a_resource_is_exhausted_from_its_bound_on(resource: str) -> None:
    bound = BOUNDS[resource]
    assert exhausted({resource: bound - 0.001}, "here", None) == []
    (found,) = exhausted({resource: bound}, "here", "here")
    assert (found.kind, found.subject, found.host) == ("resource_exhaustion", f"here {resource}", "here")


def test_the_machine_and_the_database_are_measured_for_real(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With bounds that everything exceeds, everything is told, with a share that can be."""
    monkeypatch.setattr("delegation.monitor.condition.BOUNDS", dict.fromkeys(BOUNDS, 0.0))
    found = examine(database, tmp_path, lease_s=15)
    assert {condition.subject.split()[-1] for condition in found} == set(BOUNDS)
    assert all(0 < condition.measured["used"] <= 1 for condition in found)


# --- once until it clears ----------------------------------------------------------------------------------------


@hypothesis_settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(passes=st.lists(st.sets(st.sampled_from(["a", "b", "c"])), max_size=6))
def test_a_condition_is_raised_where_it_begins_and_cleared_where_it_ends(
    database: Database, passes: list[set[str]]
) -> None:
    """Whatever comes and goes in whatever order."""
    standing: set[str] = set()
    for found in [*passes, set[str]()]:
        raised, cleared = raise_some(database, *found)
        assert {alert.subject for alert in raised} == found - standing
        assert {alert.subject for alert in cleared} == standing - found
        assert {alert.subject for alert in open_alerts(database)} == found
        standing = found


def test_an_older_look_changes_nothing_that_a_newer_one_has_settled(database: Database) -> None:
    """Two monitors: the slower one neither clears what the other raised, nor raises what it cleared."""
    before = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    raise_some(database, "a")
    assert raise_some(database, at=before) == ([], [])
    raise_some(database)
    assert raise_some(database, "a", at=before) == ([], [])
    assert open_alerts(database) == []


def test_what_only_another_machine_can_tell_is_cleared_by_that_one(database: Database) -> None:
    full = exhausted({"disk": 1.0}, "there", "there")
    seen_at = database.query("SELECT clock_timestamp() AS now")[0]["now"]
    settle(database, full, seen_at=seen_at, host="there")
    assert raise_some(database, host="here") == ([], [])
    assert [alert.subject for alert in raise_some(database, host="there")[1]] == ["there disk"]


# --- time --------------------------------------------------------------------------------------------------------


def test_it_looks_every_five_minutes_and_after_an_error_again_in_one(
    database: Database, configuration: Settings, tmp_path: Path
) -> None:
    """Until it is well again; the error is told, and kills nothing."""
    store = Database(database.url, wait_s=0).open()
    seen: list[str | None] = []

    def rename(wrong: str, right: str) -> None:
        database.transaction(lambda c: c.execute(f"ALTER TABLE {wrong} RENAME TO {right}".encode()))

    def between(number: int) -> None:
        if number == 2:
            rename("alerts", "away")
        if number == 4:
            rename("away", "alerts")

    stop = HandStop(6, between)
    Monitor(store, tmp_path, stop=stop, listener=lambda found: seen.append(found.error)).run()
    store.close()
    assert stop.waits == [300, 300, 60, 60, 300, 300]
    assert [error is not None for error in seen] == [False, False, True, True, False, False]
    assert "alerts" in str(seen[2])


def test_a_store_that_is_away_is_an_error_of_the_pass(database: Database, tmp_path: Path) -> None:
    store = Database(database.url, wait_s=0).open()
    store.close()
    found = Monitor(store, tmp_path).check()
    assert found.error is not None
    assert "PostgreSQL" in found.error


def test_as_a_thread_it_works_at_once_and_is_gone_after_its_block(database: Database, tmp_path: Path) -> None:
    """It does not sit out the five minutes."""
    with Monitor(database, tmp_path) as monitor:
        until(lambda: monitor.last)
        assert "monitor" in [thread.name for thread in threading.enumerate()]
    assert "monitor" not in [thread.name for thread in threading.enumerate()]


# --- webhooks ----------------------------------------------------------------------------------------------------


def tell(database: Database, receiver: Receiver, secret: str | None = None) -> None:
    deliver(database, Webhook(receiver.url, SecretStr(secret) if secret else None), Stop())


def test_a_webhook_is_told_of_each_alert_once_and_of_its_end(database: Database) -> None:
    """One that comes later is told of what stands, and not of the end of what it never heard of."""
    with Receiver(200) as first, Receiver(204) as second:
        raise_some(database, "a", "b")
        for _ in range(2):
            tell(database, first)
        assert first.told() == [("raised", "a"), ("raised", "b")]
        raise_some(database, "b", "c")
        for receiver in (first, second, first):
            tell(database, receiver)
        assert first.told()[2:] == [("cleared", "a"), ("raised", "c")]
        assert second.told() == [("raised", "b"), ("raised", "c")]


def test_what_is_sent_is_signed_with_the_secret(database: Database) -> None:
    """By HMAC-SHA256 of the time and the body, which a receiver can work out for itself; without one it is not."""
    with Receiver(200) as receiver:
        raise_some(database, "a")
        tell(database, receiver, PASSWORD)
        (headers, body) = receiver.posts[0]
        signed = headers["X-Crewline-Timestamp"].encode() + b"." + body
        expected = "sha256=" + hmac.new(PASSWORD.encode(), signed, "sha256").hexdigest()
        assert headers["X-Crewline-Signature"] == expected
        assert signature("another", headers["X-Crewline-Timestamp"], body) != expected
        assert headers["X-Crewline-Delivery"] == f"{json.loads(body)['alert']['alert']}-raised"
        raise_some(database, "b")
        tell(database, receiver)
        assert "X-Crewline-Signature" not in receiver.posts[-1][0]


@pytest.mark.parametrize(
    ("answers", "posts", "arrived"),
    [([500, 200], 2, True), ([429, 503, 200], 3, True), ([500], 3, False), ([404], 1, False), ([302], 1, False)],
)
def test_what_does_not_arrive_is_sent_again_where_that_may_help_and_at_the_next_pass(
    database: Database, answers: list[int], posts: int, arrived: bool
) -> None:
    """A server's trouble passes, a refusal does not, and a redirect is not followed."""
    raise_some(database, "a")
    with Receiver(*answers) as receiver:
        if arrived:
            tell(database, receiver)
        else:
            with pytest.raises(WorkError, match=f"could not be delivered to the webhook at 127.0.0.1: {answers[-1]}"):
                tell(database, receiver)
        assert len(receiver.posts) == posts
        assert len({headers["X-Crewline-Delivery"] for headers, _ in receiver.posts}) == 1
        receiver.answers = [200]
        tell(database, receiver)
        assert len(receiver.posts) == posts + (not arrived)


def test_a_webhook_that_hangs_or_is_not_there_holds_nothing_up_for_long(
    database: Database, tmp_path: Path, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pass is made, its error says that it was not told, and no secret is in it or on record."""
    monkeypatch.setattr(webhooks, "PATIENCE_S", 0.1)
    fill(document, *range(30))
    run(document, database)
    hang = threading.Event()
    with Receiver(200) as receiver:
        receiver.received = lambda: hang.wait(10) and None
        hook = Webhook(receiver.url, SecretStr(PASSWORD))
        found = Monitor(database, tmp_path, webhook=hook).check()
        hang.set()
    gone = Monitor(database, tmp_path, webhook=hook).check()
    assert len(about(found.raised)) == 3
    for one in (found, gone):
        assert one.error is not None
        assert "could not be delivered to the webhook at 127.0.0.1" in one.error
    records = [database.query(f"SELECT * FROM {t}") for t in ("alerts", "alert_deliveries", "journal")]
    assert PASSWORD not in f"{records} {found} {gone} {hook!r} {vars(found)}"


def test_a_webhook_that_drips_its_answer_is_given_up_and_one_that_never_ends_it_was_told(
    database: Database, tmp_path: Path, document: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each byte comes in time, the end never: what counts is the time for the whole, and of the answer its status."""
    monkeypatch.setattr(webhooks, "PATIENCE_S", 0.3)
    fill(document, *range(30))
    run(document, database)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n"
    with dripping(head + b"X-Long: " + b"x" * 1000) as url:
        found = Monitor(database, tmp_path, webhook=Webhook(url)).check()
        assert found.error is not None
        assert "could not be delivered" in found.error
    with dripping(b"x" * 1000, at_once=head + b"\r\n") as url:
        assert Monitor(database, tmp_path, webhook=Webhook(url)).check().error is None


@contextmanager
def dripping(answer: bytes, at_once: bytes = b"") -> Iterator[str]:
    """A server that answers a byte every 20 ms."""
    over = threading.Event()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(at_once)
            for byte in answer:
                if over.wait(0.02):
                    break
                connection.sendall(bytes([byte]))

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        over.set()
        listener.shutdown(socket.SHUT_RDWR)


SENDER = """
import sys
from core.stop import Stop
from core.store import Database
from delegation import Webhook
from delegation.monitor.webhook import deliver

deliver(Database(sys.argv[1], wait_s=5).open(), Webhook(sys.argv[2]), Stop())
"""


def test_a_monitor_killed_before_it_noted_a_delivery_delivers_again_under_the_same_name(database: Database) -> None:
    """At least once; who receives it knows it by its name."""
    raise_some(database, "a")
    with Receiver(200) as receiver:
        receiver.received = lambda: process.kill()
        process = subprocess.Popen([sys.executable, "-c", SENDER, database.url, receiver.url])
        assert process.wait(30) == -signal.SIGKILL
        receiver.received = lambda: None
        tell(database, receiver)
        tell(database, receiver)
        names = [headers["X-Crewline-Delivery"] for headers, _ in receiver.posts]
        assert len(names) == 2
        assert len(set(names)) == 1


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://host/x", "http://", f"https://[{PASSWORD}", "file:///etc"])
def test_a_webhook_that_is_no_url_of_the_web_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(InputError, match="not a URL of the web") as caught:
        Webhook(url)
    assert PASSWORD not in str(caught.value)


# --- the doors ---------------------------------------------------------------------------------------------------


def test_one_pass_from_the_command_line_says_by_its_exit_code_whether_anything_stands(
    document: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("delegation.monitor.condition.BOUNDS", dict.fromkeys(BOUNDS, 2.0))
    well = CliRunner().invoke(app, ["monitor", "--once", "--json"])
    assert (well.exit_code, json.loads(well.stdout)["open"]) == (0, [])
    fill(document, *range(30))
    run(document, database)
    ill = CliRunner().invoke(app, ["monitor", "--once"])
    assert ill.exit_code == 1
    assert "raised pipeline_failure small: Run small-" in ill.stdout
    assert "3 alerts stand" in ill.stdout
    wrong = CliRunner().invoke(app, ["monitor", "--once", "--webhook", f"gopher://{PASSWORD}"])
    assert (wrong.exit_code, PASSWORD in wrong.stderr) == (2, False)


def test_the_service_tells_its_webhook_and_stops_cleanly_when_asked(document: Path, database: Database) -> None:
    """SIGTERM: exit code 0, no word of the secrets, and what it raised stands."""
    fill(document, *range(30))
    run(document, database)
    with Receiver(200) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-m", "crewline", "monitor", "--json", "--webhook", receiver.url],
            env={**os.environ, "CREWLINE_WEBHOOK_SECRET": PASSWORD},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        passed = json.loads(process.stdout.readline())
        assert ("raised", "small") in receiver.told()
        assert all("X-Crewline-Signature" in headers for headers, _ in receiver.posts)
        process.send_signal(signal.SIGTERM)
        rest, said = process.communicate(timeout=20)
    assert (process.returncode, "Traceback" in said) == (0, False)
    assert PASSWORD not in f"{passed} {rest} {said}"


def test_a_program_watches_with_a_block(document: Path, database: Database) -> None:
    fill(document, *range(30))
    run(document, database)
    with crewline.monitor() as monitor, monitor:
        until(lambda: monitor.last)
    assert monitor.last is not None
    assert ("pipeline_failure", "small") in about(monitor.last.open)
