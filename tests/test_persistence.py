"""The contract of FlowPersistence, on what is configured: CrewAI's own flows can use it too."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from core import run as runs
from core.errors import CrewlineError, LeaseLost
from core.lease import Lease, claim
from core.settings import Settings
from core.spec import load
from core.store import Database
from core.task import Dimension, Severity, Violation
from flows import DataPipelineFlow
from flows.persistence import KEPT, PostgresFlowPersistence, last_state
from flows.state import Checkpoint, PipelineState
from tests import shop


@pytest.fixture
def lease(tmp_path: Path, database: Database, configuration: Settings) -> Lease:
    spec = load(shop.build(tmp_path / "shop"))
    run_id = runs.new_id(spec.name)
    runs.create(database, run_id, spec, base_dir=str(tmp_path), document=None)
    held = claim(database, run_id, lease_s=60)
    yield held
    held.abandon()


@pytest.fixture
def persistence(lease: Lease) -> PostgresFlowPersistence:
    made = PostgresFlowPersistence()
    made.bind(lease)
    return made


def state(run_id: str) -> PipelineState:
    """One with something in every kind of field."""
    violation = Violation(
        check="not_null(x)", dataset="d", dimension=Dimension.ACCURACY, severity=Severity.MAJOR, rows=3
    )
    return PipelineState(
        id=run_id,
        step="execute",
        quality_violations=[violation],
        quality_metrics={"completeness": 0.5, "accuracy": None},
        team_assignments={"validation/d/0": "validation_agent"},
        checkpoint_data=Checkpoint(passes=2, repaired=[["d"], ["e", "f"]], route=["enhance"]),
    )


def test_what_is_saved_last_is_loaded_and_equal(persistence: PostgresFlowPersistence, lease: Lease) -> None:
    """Through JSON and back, as a model and as a dict."""
    saved = state(lease.run_id)
    persistence.save_state(lease.run_id, "initiate", PipelineState(id=lease.run_id))
    persistence.save_state(lease.run_id, "execute", saved)
    loaded = persistence.load_state(lease.run_id)
    assert loaded is not None
    assert PipelineState.model_validate(loaded) == saved
    persistence.save_state(lease.run_id, "gate", {"id": lease.run_id, "other": [1, None, "ü"]})
    assert persistence.load_state(lease.run_id) == {"id": lease.run_id, "other": [1, None, "ü"]}


def test_an_unknown_run_has_no_state(persistence: PostgresFlowPersistence) -> None:
    """None, as CrewAI's contract says; not an empty one."""
    assert persistence.load_state("nobody") is None


def test_snapshots_are_pruned_to_the_last_ten_of_each_run(
    persistence: PostgresFlowPersistence, lease: Lease, database: Database
) -> None:
    """The newest stay."""
    for number in range(KEPT + 5):
        persistence.save_state(lease.run_id, f"method_{number}", {"id": lease.run_id, "number": number})
    rows = database.query("SELECT state FROM flow_states WHERE run_id = %s ORDER BY seq", (lease.run_id,))
    assert [row["state"]["number"] for row in rows] == list(range(5, KEPT + 5))


def test_a_holder_that_was_taken_over_saves_nothing(persistence: PostgresFlowPersistence, lease: Lease) -> None:
    """Its snapshot would send the new holder back."""
    persistence.save_state(lease.run_id, "a", {"id": lease.run_id, "by": "old"})
    lease.database.transaction(lambda c: c.execute("UPDATE runs SET token = token + 1"))
    with pytest.raises(LeaseLost):
        persistence.save_state(lease.run_id, "b", {"id": lease.run_id, "by": "stale"})
    assert last_state(lease.database, lease.run_id) == {"id": lease.run_id, "by": "old"}


def test_it_must_be_bound_to_a_run() -> None:
    """CrewAI makes instances of its own; one that belongs to no run is of no use."""
    with pytest.raises(CrewlineError, match="bind"):
        PostgresFlowPersistence().load_state("x")


def test_a_flow_of_crewai_saves_through_it(persistence: PostgresFlowPersistence, lease: Lease) -> None:
    """The hooks that our flow relies on: a save after each method, routers and loops included."""
    from crewai.flow.flow import Flow, listen, or_, router, start
    from crewai.flow.persistence import persist

    class Count(BaseModel):
        id: str = ""
        n: int = 0

    @persist(persistence)
    class Loop(Flow[Count]):
        _skip_auto_memory = True

        @start()
        def begin(self) -> None:
            self.state.n = 1

        @router(or_(begin, "again"))
        def count(self) -> str:
            self.state.n += 1
            return "again_please" if self.state.n < 4 else "enough"

        @router("again_please")
        def loop(self) -> str:
            return "again"

        @listen("enough")
        def end(self) -> int:
            return self.state.n

    flow = Loop(initial_state=Count(id=lease.run_id), suppress_flow_events=True)
    assert flow.kickoff() == 4
    rows = lease.database.query("SELECT method, state FROM flow_states WHERE run_id = %s ORDER BY seq", (lease.run_id,))
    assert [row["method"] for row in rows] == ["begin", "count", "loop", "count", "loop", "count", "end"]
    assert [row["state"]["n"] for row in rows] == [1, 2, 2, 3, 3, 4, 4]


def test_the_flow_goes_to_the_step_that_its_state_names(tmp_path: Path, database: Database) -> None:
    """And only there: the ledger has what came before."""
    report = DataPipelineFlow(shop.build(tmp_path / "other"), database=database).kickoff()
    methods = [
        row["method"]
        for row in database.query("SELECT method FROM flow_states WHERE run_id = %s ORDER BY seq", (report.run_id,))
    ]
    assert methods == [
        "begin",
        "course",
        "initiate",
        "orchestrate_teams",
        "execute",
        "quality_gate",
        "enhance",
        "execute",
        "quality_gate",
        "publish",
    ]
