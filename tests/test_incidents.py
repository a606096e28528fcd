"""The incidents that the examples play: each ends well, and the journal tells how."""

import importlib
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import journal
from core import run as runs
from core.journal import Event
from core.store import Database

INCIDENTS = Path(__file__).parent.parent / "examples" / "incidents"


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """The scripts find each other, and play in this test's folder."""
    monkeypatch.syspath_prepend(str(INCIDENTS))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    yield
    for name in ("scene", "load", *(script.stem for script in INCIDENTS.glob("*.py"))):
        sys.modules.pop(name, None)


def played(incident: str, database: Database) -> dict[str, list[Event]]:
    """Play it; what the journal tells of each of its runs, oldest first."""
    importlib.import_module(incident).main()
    found = runs.newest(database, 50)
    return {run.run_id: journal.events(database, run.run_id) for run in reversed(found)}


def test_the_page_names_every_incident() -> None:
    page = (INCIDENTS.parent.parent / "docs" / "incidents.md").read_text()
    named = set(re.findall(r"^python examples/incidents/(\w+)\.py", page, flags=re.MULTILINE))
    assert named == {script.stem for script in INCIDENTS.glob("*.py")} - {"scene"}


def kinds(events: list[Event]) -> list[str]:
    return [event.kind for event in events if event.kind.partition(".")[0] in ("run", "source", "approval")]


def test_a_column_that_is_called_otherwise_is_mapped_and_one_that_is_gone_waits_for_a_person(
    database: Database,
) -> None:
    first, mapped, broken = played("changed_schema", database).values()
    assert kinds(first)[-1] == "run.published"
    (changed,) = [event for event in mapped if event.kind == "source.changed"]
    assert changed.data["action"] == "map"
    assert kinds(mapped)[-1] == "run.published"
    told = kinds(broken)
    assert told.index("source.waits") < told.index("run.waiting") < told.index("approval.denied")
    assert told.index("approval.denied") < told.index("run.failed") < told.index("run.published")


def test_damaged_lines_go_to_quarantine_and_a_file_that_is_no_text_stops_the_run_until_it_is_mended(
    database: Database,
) -> None:
    damaged, stopped = played("corrupted_file", database).values()
    ingested = next(event for event in damaged if event.kind == "step.committed" and event.step == "ingestion/orders/0")
    assert ingested.data["rows"]["quarantined"] >= 1
    assert kinds(damaged)[-1] == "run.published"
    (failed,) = [event for event in stopped if event.kind == "run.failed"]
    assert "binary" in failed.data["error"]
    assert kinds(stopped)[-1] == "run.published"


def test_a_run_whose_source_comes_late_goes_on_when_it_has_come_and_reads_what_changes_meanwhile(
    database: Database,
) -> None:
    (events,) = played("late_source", database).values()
    assert kinds(events)[-1] == "run.published"
    assert any("products" in str(event.data) for event in events if event.kind == "run.failed")
    (made,) = [event for event in events if event.kind == "replan.made"]
    assert "with customer_id from CustomerID" in made.data["change"]


def test_a_publication_waits_for_a_person_who_sees_what_is_published(database: Database) -> None:
    (events,) = played("approval", database).values()
    told = kinds(events)
    assert told.index("run.waiting") < told.index("approval.approved") < told.index("run.published")


def test_what_a_killed_worker_had_finished_is_not_done_again_and_the_result_is_the_same(
    database: Database, capfd: pytest.CaptureFixture[str]
) -> None:
    _, killed = played("dead_worker", database).values()
    assert kinds(killed).count("run.claimed") == 2
    committed = Counter(event.step for event in killed if event.kind == "step.committed")
    assert set(committed.values()) == {1}
    assert "the same as of the run that nobody disturbed" in capfd.readouterr().out
