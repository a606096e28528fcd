"""History: what agents were measured to do, and what formation makes of it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import run as runs
from core.lease import claim as take_run
from core.ledger import Ledger
from core.spec import loads
from core.store import Database
from core.task import Failure, Outcome, RowCount, Stage
from crews import Level, Profile, candidates, records
from crews.formation.candidate import UNMEASURED, moved
from delegation import AgentCard, Claim, Workload
from delegation.performance import WINDOW
from tools.orchestration.rates import measured

SPEC = "{name: small, sources: {o: {kind: csv, path: o.csv, columns: {a: string}}}, target: {path: out}}"
PROFILE = Profile(primary={"etl": Level.EXPERT})


class Past:
    """Runs on record, as if they had happened."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self._runs = 0

    def run(self, status: runs.Status, *tasks: tuple[str, str, float | None], seconds: float = 1.0) -> None:
        """A run that ended so, with tasks: agent, stage, and the quality, or None for one that failed."""
        self._runs += 1
        run_id = f"small-{self._runs}"
        runs.create(self.database, run_id, loads(SPEC), base_dir="/data", document=None)
        lease = take_run(self.database, run_id, lease_s=60)
        ledger = Ledger(lease, self._folder)
        keys = {f"{stage}/o/{n}": agent for n, (agent, stage, _) in enumerate(tasks)}
        steps = sorted(ledger.begin_all(keys), key=lambda step: list(keys).index(step.key))
        ended = [
            Outcome(task=step.key, status="done", agent=agent, quality=quality, seconds=seconds, rows=ROWS)
            if quality is not None
            else Outcome(task=step.key, status="failed", agent=agent, failure=Failure(error="E", message="m"))
            for step, (agent, _, quality) in zip(steps, tasks, strict=True)
        ]
        ledger.end_all(list(zip(steps, ended, strict=True)))
        lease.release(status)


ROWS = RowCount(rows_in=100, rows_out=100)


@pytest.fixture
def past(database: Database, tmp_path: Path) -> Past:
    return Past(database, tmp_path)


def test_a_record_has_what_was_done_what_failed_and_what_it_was_worth(past: Past) -> None:
    past.run("published", ("a", "validation", 0.8), ("a", "ingestion", None), ("b", "validation", 1.0))
    past.run("failed", ("a", "validation", 0.6), ("b", "validation", 1.0))
    past.run("published", ("a", "validation", 1.0))
    found = records(past.database, ["a", "b", "nobody"])
    assert sorted(found["a"].worths[:2]) == [0.0, 0.8]
    assert found["a"].worths[2:] == (0.6, 1.0)
    assert (found["a"].tasks, found["a"].success_rate, found["a"].quality) == (4, 0.75, pytest.approx(0.8))
    # The last run it did alone: that says nothing of how it works with others.
    assert found["a"].runs == found["b"].runs == (1.0, 0.0)
    assert found["a"].specialisation == {"validation": pytest.approx(0.0)}
    assert (found["nobody"].tasks, found["nobody"].success_rate, found["nobody"].throughput_rps) == (0, None, None)


def test_only_the_last_tasks_count(past: Past) -> None:
    past.run("failed", *[("a", "validation", None)] * 5)
    past.run("published", *[("a", "validation", 1.0)] * (WINDOW - 1))
    found = records(past.database, ["a"])["a"]
    assert (found.tasks, found.done) == (WINDOW, WINDOW - 1)


def test_an_attempt_that_failed_counts_though_the_next_one_was_done(past: Past, tmp_path: Path) -> None:
    runs.create(past.database, "again", loads(SPEC), base_dir="/data", document=None)
    ledger = Ledger(take_run(past.database, "again", lease_s=60), tmp_path)
    failure = Failure(error="E", message="m")
    for agent, status in (("a", "failed"), ("b", "failed"), ("b", "done")):
        step = ledger.begin("validation/o/0", actor=agent)
        outcome = Outcome(task=step.key, status="done", agent=agent, seconds=1.0, rows=ROWS, quality=0.5)
        failed = Outcome(task=step.key, status="failed", agent=agent, failure=failure)
        ledger.end(step, outcome if status == "done" else failed)
    found = records(past.database, ["a", "b"])
    assert (found["a"].worths, found["b"].worths) == ((0.0,), (0.0, 0.5))
    rate = measured(past.database).of(Stage.VALIDATION)
    assert (rate.attempts, rate.done) == (3, 1)


def test_candidates_are_measured_from_history_and_workload(past: Past) -> None:
    past.run("published", ("a", "validation", 1.0), ("b", "validation", None), seconds=2.0)
    with Workload(past.database) as workload:
        workload.register([AgentCard(id="a", capacity=4), AgentCard(id="b", capacity=0)])
        workload.claim(Claim(agent="a", task="elsewhere"))
        slow = PROFILE.model_copy(update={"availability": 0.5})
        a, b, c = candidates(past.database, {"b": PROFILE, "a": slow, "c": PROFILE})
    assert (a.performance, b.performance, c.performance) == (pytest.approx(0.55), pytest.approx(0.45), UNMEASURED)
    assert (a.collaboration, c.collaboration) == (pytest.approx(0.82), 0.8)
    assert (a.capacity, a.free, b.capacity, b.free) == (0.375, 3, 0.0, 0)
    assert (a.measured, c.measured, c.capacity) == (1, 0, 1.0)


@given(
    start=st.floats(0, 1),
    rate=st.floats(0.01, 1),
    measured=st.lists(st.floats(0, 1), max_size=20),
    better=st.integers(0, 19),
)
def test_what_is_thought_of_an_agent_stays_a_share_and_grows_with_each_measurement(
    start: float, rate: float, measured: list[float], better: int
) -> None:
    thought = moved(start, measured, rate)
    assert -1e-9 <= thought <= 1 + 1e-9
    if measured:
        raised = [1.0 if n == better % len(measured) else value for n, value in enumerate(measured)]
        assert moved(start, raised, rate) >= thought - 1e-12
