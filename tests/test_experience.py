"""Runs teach those that come after them: a later one decides better, by a measured figure; gates stay as they are."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from core import journal
from core.errors import InputError, OutOfMemory
from core.settings import Settings, settings
from core.stop import Stop
from core.store import Database
from core.task import Outcome, Stage, Task
from crewline.cli import app
from crews import AGENTS, Agent, Work
from crews.experience import Lessons, Memory, Observation
from crews.experience.memory import KEPT, MOST, remember
from crews.experience.observation import Repairing, Share, Trouble
from crews.experience.pattern import REMEMBERED, patterns
from crews.experience.trend import trends
from flows import DataPipelineFlow, RunReport
from flows.audit import audit

SPEC = """
name: days
sources: {days: {kind: csv, path: days.csv, columns: {id: integer, day: date}}}
validation: {days: [{check: not_null, column: day}, {check: unique, columns: [id]}]}
target: {path: out}
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """A pipeline of two tasks, in whose data every fifth day is written otherwise."""
    days = [f"{n},{f'{n:02}.03.2026' if n % 5 == 0 else f'2026-03-{n:02}'}" for n in range(1, 21)]
    (tmp_path / "days.csv").write_text("\n".join(["id,day", *days]) + "\n")
    (tmp_path / "days.yaml").write_text(SPEC)
    return tmp_path / "days.yaml"


def run(document: Path, database: Database) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database).kickoff()
    return report


def applied(database: Database, report: RunReport, kind: str) -> list[dict[str, Any]]:
    """What of a kind the run went by, as its journal tells."""
    told = journal.events(database, report.run_id, kind="experience.applied")
    return [event.data for event in told if event.data["pattern"].startswith(f"{kind}:")]


def observed(database: Database, report: RunReport) -> Observation:
    (found,) = [each for each in Memory(database).observations("days") if each.run_id == report.run_id]
    return found


def test_the_second_run_repairs_at_once_and_saves_a_round_until_that_is_undone(
    document: Path, database: Database, configuration: Settings
) -> None:
    first = run(document, database)
    before = observed(database, first)
    published = pq.read_table(document.parent / "out").to_pylist()
    second = run(document, database)
    after = observed(database, second)
    assert (first.route, second.route) == ("enhance", "publish")
    assert (before.rounds, before.attempts, before.rows_read) == (2, 3, 60)
    assert (after.rounds, after.attempts, after.rows_read) == (1, 2, 40)
    # Only sooner: the same rows, the same account, the same proof.
    assert pq.read_table(document.parent / "out").to_pylist() == published
    assert (second.records, second.quality) == (first.records, first.quality)
    assert audit(database, second.run_id, configuration).balanced
    (told,) = applied(database, second, "repair")
    assert told["pattern"] == "repair:days/days"
    assert told["evidence"] == [{"run_id": first.run_id, "figures": {"round": 1, "rows": 20, "cells": 4, "merged": 0}}]
    (expected,) = applied(database, second, "estimate")
    assert expected["expected_s"] == pytest.approx(first.duration_s)
    shown = CliRunner().invoke(app, ["experience", "--json"], catch_exceptions=False)
    (known,) = [p for p in json.loads(shown.stdout)["patterns"] if p["pattern"]["kind"] == "repair"]
    assert [seen["run_id"] for seen in known["pattern"]["evidence"]] == [second.run_id, first.run_id]
    undone = CliRunner().invoke(app, ["experience", "--undo", told["pattern"]], catch_exceptions=False)
    assert "runs do not go by it" in undone.stdout
    third = run(document, database)
    assert (third.route, applied(database, third, "repair")) == ("enhance", [])
    # It was learned once more, and stays undone until a person says otherwise.
    assert not Lessons.of(database, "days").repairs(["days"])
    redone = CliRunner().invoke(app, ["experience", "--redo", told["pattern"]], catch_exceptions=False)
    assert "runs go by it" in redone.stdout
    assert Lessons.of(database, "days").repairs(["days"])


def test_a_gate_that_may_not_enhance_is_not_loosened_by_what_was_learned(document: Path, database: Database) -> None:
    run(document, database)
    document.write_text(SPEC + "gate: {enhancements: 0}\n")
    report = run(document, database)
    assert (report.status, applied(database, report, "repair")) == ("failed", [])


@dataclass
class Moody:
    """An agent that fails as it is told: without the whole machine, or so many times."""

    agent: Agent
    hungry: bool = False
    away: int = 0

    @property
    def id(self) -> str:
        return self.agent.id

    @property
    def stages(self) -> frozenset[Stage]:
        return self.agent.stages

    @property
    def profile(self) -> Any:
        return self.agent.profile

    def perform(self, task: Task, work: Work) -> Outcome:
        if self.hungry and work.limits.memory_mb < settings().engine_memory_mb:
            raise OutOfMemory("Too little memory.")
        if self.away:
            self.away -= 1
            raise ConnectionError("The share is away.")
        return self.agent.perform(task, work)


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Moody:
    """The agent of validation."""
    agent = Moody(AGENTS["validation_agent"])
    monkeypatch.setitem(AGENTS, agent.id, agent)
    return agent


def test_a_task_that_needed_the_whole_machine_gets_it_at_once_the_next_time(
    document: Path, database: Database, moody: Moody
) -> None:
    moody.hungry = True
    before = observed(database, run(document, database))
    report = run(document, database)
    after = observed(database, report)
    # Enhanced, it failed once more, as it was not alone then.
    assert (before.attempts, after.attempts) == (5, 2)
    assert (before.rounds, after.rounds) == (4, 1)
    (told,) = applied(database, report, "alone")
    assert (told["pattern"], told["evidence"][0]["figures"]) == ("alone:days/validation/days/0", {"failures": 2})


def test_the_first_pause_is_as_long_as_it_took_before(
    document: Path, database: Database, moody: Moody, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(Stop, "wait", lambda stop, seconds: waited.append(seconds))
    moody.away = 2
    before = observed(database, run(document, database))
    assert [seconds for seconds in waited if seconds >= 1] == [1, 2]
    waited.clear()
    moody.away = 1
    report = run(document, database)
    assert [seconds for seconds in waited if seconds >= 1] == [3]
    assert (before.rounds, observed(database, report).rounds) == (4, 2)
    (told,) = applied(database, report, "pause")
    assert told["evidence"][0]["figures"] == {"paused_s": 3.0, "failures": 2}


def test_a_failure_to_reflect_is_on_record_and_fails_no_run(
    document: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("no thought")

    monkeypatch.setattr("flows.experience.reflect", broken)
    report = run(document, database)
    assert report.status == "published"
    (told,) = journal.events(database, report.run_id, kind="experience.failed")
    assert told.data["reason"] == "ValueError: no thought"


def seen(number: int, **more: Any) -> Observation:
    """A run of `p` in which nothing was amiss, but for what is given."""
    usual: dict[str, Any] = {
        "run_id": f"p-{number}",
        "pipeline": "p",
        "status": "published",
        "whole": True,
        "seconds": 10.0,
        "quality": 1.0,
        "rows": 100,
        "rounds": 1,
        "attempts": 2,
        "rows_read": 200,
        "lets_pass": 0.02,
    }
    return Observation(**usual | more)


def kinds(*newest_first: Observation) -> list[str]:
    return [pattern.id for pattern in patterns(newest_first) if pattern.kind != "estimate"]


def repaired(number: int, round_: int | None, cells: int) -> Observation:
    return seen(number, repairs={"d": Repairing(round=round_, rows=100, cells=cells)})


def test_a_repair_is_forgotten_when_the_data_hardly_needs_it_any_more() -> None:
    needed = repaired(1, 1, 9)
    assert kinds(needed) == ["repair:p/d"]
    assert kinds(repaired(2, 0, 9), needed) == ["repair:p/d"]
    assert kinds(repaired(3, 0, 2), repaired(2, 0, 9), needed) == []
    assert kinds(repaired(4, None, 0), needed) == []
    # A run that failed before it came to repair says nothing.
    assert kinds(repaired(4, None, 0).model_copy(update={"status": "failed"}), needed) == ["repair:p/d"]


def test_trouble_is_remembered_for_some_runs_and_then_tried_again() -> None:
    trouble = seen(0, troubles=(Trouble(place="validation/d/0", kinds={"resource": 1}, recovered=True),))
    quiet = [seen(n) for n in range(1, REMEMBERED + 1)]
    assert kinds(*quiet[: REMEMBERED - 1], trouble) == ["alone:p/validation/d/0"]
    assert kinds(*quiet, trouble) == []


def test_what_an_agent_failed_at_counts_less_in_teams() -> None:
    runs = [seen(1, agents={"a": {"validation": Share(done=3, failed=2)}, "b": {"validation": Share(done=5)}})]
    lessons = Lessons(tuple(patterns(runs)))
    assert lessons.factor("a", Stage.VALIDATION) == lessons.factor("a") == round(4 / 6, 4)
    assert (lessons.factor("a", Stage.INGESTION), lessons.factor("b")) == (1.0, 1.0)


def test_times_are_expected_by_the_median_and_only_of_runs_of_about_that_size() -> None:
    lessons = Lessons(tuple(patterns([seen(n, seconds=s) for n, s in enumerate((10.0, 12.0, 500.0))])))
    assert lessons.expected_s(200) == pytest.approx(24)
    assert lessons.expected_s(1_001) is None
    assert Lessons(tuple(patterns([seen(1, whole=False)]))).expected_s(100) is None


def test_trends_compare_the_older_half_with_the_newer() -> None:
    found = {trend.figure: trend for trend in trends([seen(n, rounds=r) for n, r in enumerate((1, 1, 2, 2))])}
    assert (found["rounds"].before, found["rounds"].now, found["rounds"].change) == (2, 1, -0.5)
    assert trends([seen(1)]) == []


@given(st.lists(st.tuples(st.sampled_from([None, 0, 1]), st.integers(0, 6)), max_size=6))
def test_a_pattern_rests_on_the_runs_that_it_names_and_the_newest_that_tells_decides(
    runs: list[tuple[int | None, int]],
) -> None:
    given_ = [repaired(n, round_, cells if round_ is not None else 0) for n, (round_, cells) in enumerate(runs)]
    found = {pattern.kind: pattern for pattern in patterns(given_)}
    needed = bool(runs) and runs[0][0] is not None and runs[0][1] > (2 if runs[0][0] == 0 else 0)
    assert ("repair" in found) == needed
    ids = [run.run_id for run in given_]
    for pattern in found.values():
        named = [each.run_id for each in pattern.evidence]
        assert named == [run_id for run_id in ids if run_id in named] != []


def test_the_oldest_observations_are_pruned(database: Database) -> None:
    database.query(
        "INSERT INTO runs (run_id, kind, pipeline, spec, fingerprint, base_dir)"
        " SELECT 'p-' || n, 'pipeline', 'p', '{}', '', '' FROM generate_series(0, %s) AS n RETURNING run_id",
        (MOST,),
    )
    document = json.dumps(seen(0).model_dump(mode="json"))
    database.query(
        "INSERT INTO experiences (run_id, pipeline, observation) SELECT 'p-' || n, 'p', %s::jsonb"
        " FROM generate_series(1, %s) AS n ORDER BY n RETURNING run_id",
        (document, MOST),
    )
    left = database.transaction(lambda connection: remember(connection, seen(0)))
    assert len(left) == KEPT
    assert left[0].run_id == "p-0"
    # Once more, as after a resume, it is the same one.
    assert len(database.transaction(lambda connection: remember(connection, seen(0, status="failed")))) == KEPT


@pytest.mark.parametrize("arguments", [["--undo", "repair:p/none"], ["--undo", "a", "--redo", "a"]])
def test_what_is_not_known_cannot_be_undone(database: Database, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["experience", *arguments])
    assert done.exit_code == 2
    with pytest.raises(InputError, match="no pattern"):
        Memory(database).redo("repair:p/none")
