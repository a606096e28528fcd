"""The page of a run: what it shows, in every state of a run, whatever the data says; and that it stays small."""

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import crewline
from core import run as runs
from core.lease import claim
from core.ledger import Ledger
from core.store import Database
from core.task import Failure, Outcome, RowCount
from crewline.cli import app
from crewline.page.attempts import arranged
from crewline.page.departures import SAMPLE, departures
from crewline.page.scale import Scale
from crewline.page.wording import percent, shown, span
from delegation import StageAssigner
from flows import DataPipelineFlow
from tests import browser, shop
from tools.orchestration.history import read

NASTY = "</td></script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
TURNED = "abc\u202egpj.exe"


class Reader(HTMLParser):
    """The texts, tags and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def page_of(run_id: str, folder: Path) -> Reader:
    written = crewline.report(run_id, folder / "page.html")
    content = Path(written.path).read_bytes()
    assert len(content) == written.bytes
    return Reader(content.decode())


@browser.needed
def test_a_browser_shows_all_of_a_published_run_from_the_file_alone(database: Database, tmp_path: Path) -> None:
    """With its script run; nothing on the page leads out of it."""
    ended = crewline.run(shop.build(tmp_path))
    assert ended.status == "published"
    assert "repair mended" in crewline.investigate(ended.run_id).conclusion
    page = tmp_path / "page.html"
    crewline.report(ended.run_id, page)
    seen = Reader(browser.dom(page))
    headings = [
        "summary",
        "course",
        "timeline",
        "rows",
        "quality",
        "quarantine",
        "teams",
        "plan",
        "investigation",
        "lineage",
        "journal",
    ]
    assert [name for name in seen.ids if name in headings] == headings
    rows = ended.records
    numbers = f"rows in {rows.rows_in} out {rows.out} quarantined {rows.quarantined} merged {rows.merged}"
    assert f"{numbers} filtered {rows.filtered}" in seen.text
    for words in (
        "Gate enhance", "Gate publish", "validation/orders/0@1", "not_null(amount)", "amount is missing",
        "date notation", "orders.day", "stage_coordinator", "what each published column is made of".capitalize(),
        "published in 3 groups", "The team that was formed", "run.published",
    ):  # fmt: skip
        assert words in seen.text, words
    # The script has run: the filter is there, and says how many events it shows.
    assert re.search(r"(\d+) of \1 ", seen.text)
    assert seen.tags.count("svg") == 3
    assert seen.tags.count("table") == seen.tags.count("caption") > 5
    assert seen.tags.count("h1") == 1
    led_out = [
        value for name, value in seen.attributes if name in ("href", "src") and not (value or "").startswith("#")
    ]
    assert led_out == []
    # Of a blank page it would be some kilobytes.
    assert len(browser.screenshot(page)) > 40_000
    # Of rows whose file is gone, the counts are still on record.
    (left,) = crewline.audit(ended.run_id).left
    Path(left).unlink()
    seen = page_of(ended.run_id, tmp_path)
    assert f"The rows cannot be shown: {left} is no longer there." in seen.text
    assert "not_null(amount)" in seen.text


def test_rows_that_a_rule_filtered_are_shown_as_they_were_read(database: Database, tmp_path: Path) -> None:
    """The evidence tells their place; where that is gone too, the page still tells it."""
    run_id = crewline.run(shop.build(tmp_path)).run_id
    (rule,) = [r for r in departures(read(database, run_id), samples=True).rules if r.stage == "transformation"]
    assert (rule.fate, len(rule.samples)) == ("filtered", min(rule.rows, SAMPLE))
    assert all(s.cells and float(s.cells["amount"] or 0) <= 20 for s in rule.samples)
    for outcome in read(database, run_id).outcomes().values():
        if outcome.task.startswith("ingestion/orders") and outcome.output:
            Path(outcome.output.paths[0]).unlink()
    (again,) = [r for r in departures(read(database, run_id), samples=True).rules if r.stage == "transformation"]
    assert [(s.place, s.cells) for s in again.samples] == [(s.place, None) for s in rule.samples]


def ended(task: str, *, failed: bool = False) -> Outcome:
    rows = RowCount() if failed else RowCount(rows_in=3, rows_out=3)
    failure = Failure(error="DataError", message=f"cannot read {NASTY}") if failed else None
    return Outcome(
        task=task, status="failed" if failed else "done", agent="hand", rows=rows, failure=failure, seconds=0.1
    )


def begun(database: Database, run_id: str, *, task: str = "hand/work/0") -> Ledger:
    """A run under way: one step has failed once and is done now, another is being worked on."""
    ledger = Ledger(claim(database, run_id, lease_s=30), Path("/nowhere"))
    for failed in (True, False):
        (step,) = ledger.begin_all({task: "hand"})
        ledger.end(step, ended(task, failed=failed))
    ledger.begin_all({"open/work/0": "other hand"})
    return ledger


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        ("running", None, "It is being worked on."),
        ("interrupted", "Stopped: Ctrl-C.", "Nothing is lost. Go on with: crewline resume small-1"),
        ("waiting", None, "It waits for a person"),
        ("failed", f"no file matches {NASTY}", "Why, and what to change: crewline investigate small-1"),
    ],
)
def test_the_page_tells_of_a_run_that_is_not_published_how_far_it_came_and_what_to_do(
    database: Database, run_id: str, tmp_path: Path, status: Any, error: str | None, words: str
) -> None:
    ledger = begun(database, run_id)
    if status != "running":
        ledger.lease.release(status, error=error)
    seen = page_of(run_id, tmp_path)
    assert words in seen.text
    assert (error or status) in seen.text
    assert "hand/work/0, attempt 1: failed" in seen.text
    assert "hand/work/0, attempt 2: done" in seen.text
    open_now = "open/work/0, attempt 1: " + ("running, still under way" if status == "running" else "lost")
    assert open_now in seen.text
    if status == "running":
        ledger.lease.release("interrupted")


def test_a_run_that_nobody_has_begun_has_a_page(database: Database, run_id: str, tmp_path: Path) -> None:
    assert "Nobody works on it yet." in page_of(run_id, tmp_path).text


def test_whatever_stands_in_data_and_names_is_only_text(database: Database, tmp_path: Path) -> None:
    """Markup does nothing, and what turns the direction of a text around is made visible."""
    column = f"n<i onclick=alert(1)>{TURNED}"
    lines = [f'"{column}",amount', f'"{NASTY.replace(chr(34), chr(34) * 2)}",x', f"{TURNED},y", "ok,1"]
    (tmp_path / "o.csv").write_text("\n".join(lines) + "\n")
    spec = {
        "name": "nasty",
        "sources": {"o": {"kind": "csv", "path": "o.csv", "columns": {column: "string", "amount": "integer"}}},
        "validation": {"o": [{"check": "in_set", "column": column, "values": ["ok", NASTY]}]},
        "gate": {"publish": 0, "enhance": 0, "critical_margin": 1, "thresholds": {"accuracy": 0, "consistency": 0}},
        "target": {"path": "out"},
    }
    (tmp_path / "p.yaml").write_text(json.dumps(spec))
    ended = crewline.run(tmp_path / "p.yaml")
    assert ended.records.quarantined > 0
    seen = page_of(ended.run_id, tmp_path)
    assert seen.tags.count("script") == 1
    assert "img" not in seen.tags
    assert not [name for name, _ in seen.attributes if name.startswith("on")]
    assert NASTY in seen.text
    assert "\u202e" not in seen.text
    assert "abc\\u202egpj.exe" in seen.text
    if browser.CHROMIUM:
        assert f"<title>{ended.run_id}" in browser.dom(tmp_path / "page.html")


def test_of_data_that_is_not_for_everyone_no_cell_and_no_message_is_shown(database: Database, tmp_path: Path) -> None:
    """The pipeline's governance says so; the rows are counted all the same."""
    document = shop.build(tmp_path, spec=shop.SPEC + "governance: {classification: confidential}\n")
    file = tmp_path / "data" / "orders-1.csv"
    file.write_text(file.read_text() + "secret-7,p1,2025-01-01,hush-hush\n")
    # The policy would hand such data to none of the built-in agents.
    ended = DataPipelineFlow(document, assigner=StageAssigner()).kickoff()
    seen = page_of(ended.run_id, tmp_path)
    assert "confidential" in seen.text
    assert "type(amount)" in seen.text
    assert f"quarantined {ended.records.quarantined}" in seen.text
    assert "secret-7" not in seen.text
    assert "hush" not in seen.text
    assert "amount is missing" not in seen.text
    assert "hush" not in crewline.investigate(ended.run_id).model_dump_json()
    assert "hush" not in page_of(ended.run_id, tmp_path).text


def test_the_page_of_thousands_of_tasks_stays_small_and_says_what_it_leaves_out(
    database: Database, tmp_path: Path
) -> None:
    runs.create_graph(database, "many-1", "parallel", {"graph": "parallel", "workers": {}, "options": {}, "review": ()})
    ledger = Ledger(claim(database, "many-1", lease_s=30), tmp_path)
    keys = [f"work/{n}" for n in range(3000)]
    for first in range(0, len(keys), 500):
        steps = ledger.begin_all({key: f"agent {n % 30}" for n, key in enumerate(keys[first : first + 500])})
        ledger.end_all([(s, ended(s.key, failed=s.key.endswith("77"))) for s in steps])
    ledger.lease.release("done")
    written = crewline.report("many-1", tmp_path / "page.html")
    assert written.bytes < 300_000
    seen = Reader((tmp_path / "page.html").read_text())
    assert "30 failed" in seen.text
    assert "7 others" in seen.text
    assert "2,960 of step.started" in seen.text


def test_the_command_writes_the_page_beside_and_tells_what_cannot_be_done(
    database: Database, run_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["report", run_id, "--json"])
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout) == {
        "run_id": run_id,
        "path": "small-1.html",
        "bytes": (tmp_path / "small-1.html").stat().st_size,
    }
    for arguments, words in (
        ([run_id, "--out", "no/such/folder.html"], "The page cannot be written to no/such/folder.html"),
        ([run_id, "--out", str(tmp_path)], "The page cannot be written"),
        (["nobody"], "There is no run 'nobody'"),
    ):
        wrong = CliRunner().invoke(app, ["report", *arguments])
        assert (wrong.exit_code, words in wrong.stderr) == (2, True), wrong.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
moments = st.floats(0, 1e6).map(lambda s: EPOCH + timedelta(seconds=s))


@given(st.lists(st.tuples(moments, moments).map(sorted), min_size=1, max_size=12), st.lists(moments, max_size=12))
def test_the_time_axis_never_runs_backwards_nor_out_of_the_picture(busy: Any, asked: list[datetime]) -> None:
    """However long the pauses between times of work are."""
    scale = Scale([tuple(times) for times in busy], 100.0, 900.0)
    places = [scale.at(moment) for moment in sorted([*asked, *(at for times in busy for at in times)])]
    assert all(one <= other + 1e-6 for one, other in pairwise(places))
    assert all(100.0 - 1e-6 <= x <= 900.0 + 1e-6 for x in places)
    assert len(scale.ticks()) < 40


kinds = st.sampled_from(
    ["run.claimed", "run.interrupted", "run.waiting", "step.started", "step.committed", "step.failed"]
)


@given(st.lists(st.tuples(kinds, st.sampled_from("abc")), max_size=40), st.booleans())
def test_every_attempt_is_told_once_and_ends_after_it_began(events: list[tuple[str, str]], live: bool) -> None:
    """In whatever order a journal tells of beginnings, ends and takeovers."""
    rows = [
        {"at": EPOCH + timedelta(seconds=n), "kind": kind, "step": step, "actor": "x", "attempt": "1", "message": None}
        for n, (kind, step) in enumerate(events)
    ]
    course = arranged(rows, live=live, now=EPOCH + timedelta(seconds=100))
    assert [a.start for a in course.attempts] == [row["at"] for row in rows if row["kind"] == "step.started"]
    assert all(a.end is None or a.end >= a.start for a in course.attempts)
    assert all((a.end is None) == (a.state == "running") for a in course.attempts)
    if not live:
        assert all(a.state != "running" for a in course.attempts)


@given(st.text(max_size=400))
def test_a_shown_text_has_nothing_in_it_that_cannot_be_seen_or_written(text: str) -> None:
    found = shown(text)
    found.encode()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]", found)


def test_numbers_are_worded_without_rounding_a_fault_away() -> None:
    assert [percent(share) for share in (None, 0.9996, 1.0, 0.5)] == ["not measured", "> 99.9%", "100.0%", "50.0%"]
    assert [span(s) for s in (None, 0.5, 61, 7300, 200_000)] == ["-", "0.50 s", "1 min 1 s", "2 h 1 min", "2 d 7 h"]
