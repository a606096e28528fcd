"""Processes killed with SIGKILL at every step boundary and at random moments, and what a resume makes of it."""

import hashlib
import os
import random
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core import journal
from core import run as runs
from core.settings import Settings
from core.store import Database
from flows.audit import audit
from tests import child, shop
from tests.deadline import until

# The steps of the shop's run and of its flow; `test_the_run_passes_all_its_crash_points` keeps the lists true.
STEPS = [
    "plan",
    "assignment",
    "ingestion/orders/0",
    "ingestion/orders/1",
    "ingestion/products/0",
    *(
        f"{stage}{round_}"
        for round_ in ("", "@1")
        for stage in (
            "validation/orders/0",
            "validation/products/0",
            "transformation/orders/0",
            "enrichment/orders/0",
            "aggregation/orders/0",
        )
    ),
    "gate/0",
    "gate/1",
    "publish",
]
FLOW_STEPS = ["orchestrate_teams", "execute", "quality_gate", "enhance", "publish", "end"]
MOMENTS = ["begin.before", "begin.after", "commit.before", "commit.after"]
POINTS = [
    *(f"step.{moment} {step}" for step in STEPS for moment in MOMENTS),
    *(f"flow.{step}" for step in FLOW_STEPS),
]
# The long run kills a run of its own at each of them, and more at random.
CHAOS = "CREWLINE_CHAOS" in os.environ
RANDOM_KILLS = 300 if CHAOS else 8
SEED = 20260314


@dataclass(frozen=True)
class Result:
    """What a run leaves that must not depend on what happened on the way."""

    target: dict[str, str]
    left: str
    repairs: str
    account: dict[str, int]


class Shop:
    """The shop's pipeline in its folder, nothing published yet, and the processes that work on it."""

    def __init__(self, folder: Path, configuration: Settings, database: Database) -> None:
        self.document = folder / "shop.yaml"
        self.target = folder / "out" / "revenue"
        shutil.rmtree(folder / "out", ignore_errors=True)
        self.database = database
        self.configuration = configuration
        url = configuration.database_url
        assert url is not None
        self.environment = {
            "CREWLINE_HOME": str(configuration.home),
            "CREWLINE_DATABASE_URL": url.get_secret_value(),
            "CREWLINE_LEASE_S": "1",
            "CREWLINE_THREADS": "2",
        }

    def work(self, **options: Any) -> int:
        """Run a process to its end; its exit code, negative if a signal ended it."""
        process = child.start(self.environment, **options)
        process.join(60)
        assert process.exitcode is not None, "the process hangs"
        return process.exitcode

    def newest(self) -> runs.Run | None:
        return next(iter(runs.newest(self.database)), None)

    def finish(self) -> str:
        """Resume the run, or start it if nothing was on record yet; its id, once it is published."""
        run = self.newest()
        if run is None or run.status != "published":
            assert self.work(run_id=run.run_id) == 0 if run else self.work(spec=self.document) == 0
            run = self.newest()
        assert run is not None
        assert run.status == "published"
        return run.run_id

    def result(self, run_id: str) -> Result:
        found = audit(self.database, run_id, self.configuration)
        assert found.balanced, found.checks
        return Result(
            target={str(f.relative_to(self.target)): _digest(f) for f in sorted(self.target.rglob("*")) if f.is_file()},
            left=_digest(Path(found.left[0])),
            repairs=_digest(Path(found.repairs[0])),
            account=found.records.model_dump(),
        )


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all runs of a worker: the evidence names the files, and is compared byte by byte."""
    return shop.build(tmp_path_factory.mktemp("shop") / "shop").parent


@pytest.fixture
def small_shop(folder: Path, configuration: Settings, database: Database) -> Shop:
    return Shop(folder, configuration, database)


_undisturbed: dict[Path, Result] = {}


def undisturbed(small_shop: Shop) -> Result:
    """The result of a run that nobody kills, in the same folder."""
    folder = small_shop.document.parent
    if folder not in _undisturbed:
        assert small_shop.work(spec=small_shop.document) == 0
        _undisturbed[folder] = small_shop.result(small_shop.finish())
    return _undisturbed[folder]


def test_the_run_passes_all_its_crash_points(small_shop: Shop, tmp_path: Path) -> None:
    """The kills below are at every crash point there is, and the run takes the course that they are meant for."""
    assert small_shop.work(spec=small_shop.document, trace=tmp_path / "trace") == 0
    passed = lines(tmp_path / "trace")
    moments = ("begin.before", "begin.after", "commit.before", "commit.after")
    of_steps = [f"step.{moment} {step}" for step in STEPS for moment in moments]
    assert sorted(name for name in passed if name.startswith("step.")) == sorted(of_steps)
    assert {name for name in passed if name.startswith("flow.")} == {f"flow.{step}" for step in FLOW_STEPS}


def check_resumption(small_shop: Shop) -> None:
    """After the kill: the same bytes, quarantine and account as undisturbed, and no finished step done again."""
    run_id = small_shop.finish()
    events = journal.events(small_shop.database, run_id, kind="step.")
    committed: set[str] = set()
    for event in events:
        assert event.step is not None
        if event.kind == "step.started":
            assert event.step not in committed, f"{event.step} was performed again after it had committed"
        elif event.kind == "step.committed":
            assert event.step not in committed
            committed.add(event.step)
    assert small_shop.result(run_id) == undisturbed(small_shop)


def test_a_run_killed_at_every_crash_point_resumes_to_the_same_end(small_shop: Shop, tmp_path: Path) -> None:
    """Each process is killed at the first commit or step of the flow at which none was killed yet.

    A begin leaves what a crash just before the commit leaves, or nothing: the long run kills there too.
    """
    trace = tmp_path / "trace"
    to_come = {point for point in POINTS if ".begin." not in point}
    while to_come:
        run = small_shop.newest()
        doing: dict[str, Any] = {"run_id": run.run_id} if run else {"spec": small_shop.document}
        code = small_shop.work(**doing, kill_at=to_come, trace=trace)
        if code == 0:
            break
        assert code == -9
        to_come.remove(lines(trace)[-1])
    # What ended together is committed together, and the first of them was killed for all.
    together = {f"step.commit.after {step}" for step in STEPS if step.startswith(("ingestion", "validation"))}
    assert to_come <= together
    check_resumption(small_shop)


@pytest.mark.parametrize("point", POINTS if CHAOS else [POINTS[0], "flow.enhance", POINTS[-1]])
def test_a_run_killed_at_one_crash_point_resumes_to_the_same_end(small_shop: Shop, point: str) -> None:
    """Killed just before or just after what it did became visible."""
    assert small_shop.work(spec=small_shop.document, kill_at=[point]) == -9
    check_resumption(small_shop)


@pytest.mark.parametrize("number", range(RANDOM_KILLS))
def test_a_run_killed_at_random_moments_resumes_to_the_same_end(small_shop: Shop, number: int) -> None:
    """Killed up to three times in a row, wherever it is."""
    chance = random.Random(SEED + number)
    print(f"seed {SEED + number}")  # noqa: T201 - shown by pytest when the test fails
    small_shop.work(spec=small_shop.document, kill_after_s=chance.uniform(0.05, 2.0))
    for _ in range(chance.randint(0, 2)):
        run = small_shop.newest()
        if run and run.status != "published":
            small_shop.work(run_id=run.run_id, kill_after_s=chance.uniform(0.05, 1.5))
    check_resumption(small_shop)


def lines(trace: Path) -> list[str]:
    return trace.read_text().splitlines() if trace.exists() else []


def test_of_two_processes_that_resume_one_run_one_works_and_the_other_is_refused_by_name(
    small_shop: Shop, tmp_path: Path
) -> None:
    """The refusal names the process that works."""
    assert small_shop.work(spec=small_shop.document, kill_at=["step.commit.after ingestion/products/0"]) == -9
    run = small_shop.newest()
    assert run is not None
    first, second = tmp_path / "first", tmp_path / "second"
    works = child.start(small_shop.environment, run_id=run.run_id, slow_s=0.05, trace=first)
    until(lambda: len(lines(first)) > 2, 60)
    assert small_shop.work(run_id=run.run_id, trace=second) == 2
    assert lines(second)[-1].startswith(f"RunHeld: Run {run.run_id} is being worked on by process {works.pid} on ")
    works.join(60)
    assert works.exitcode == 0
    check_resumption(small_shop)


def test_a_process_that_was_only_stopped_is_taken_over_and_refused_when_it_wakes(
    small_shop: Shop, tmp_path: Path
) -> None:
    """It may stop anywhere, in a transaction too; when its lease has run out, another one finishes the run."""
    trace = tmp_path / "trace"
    sleeper = child.start(small_shop.environment, spec=small_shop.document, slow_s=0.02, trace=trace)
    until(lambda: len(lines(trace)) > 20, 60)
    assert sleeper.pid is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    run = small_shop.newest()
    assert run is not None
    until(lambda: small_shop.work(run_id=run.run_id) == 0, 60)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(60)
    assert sleeper.exitcode == 2
    assert lines(trace)[-1].startswith("LeaseLost: ")
    check_resumption(small_shop)
