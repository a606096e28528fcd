"""Workers for data, and what all workers have in common: kinds, payloads, the bound of a result."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.errors import InputError, Interrupted, Refused
from core.ledger import check_account
from core.stop import Stop
from core.store import Database
from core.task import Outcome
from graphs.branch import Branch
from graphs.worker import Attempt, Worker
from graphs.workers import default_workers
from graphs.workers.analysis import AnalysisWorker
from graphs.workers.bounds import MAX_BYTES, bounded
from graphs.workers.data import DataWorker
from tests.attempts import performed
from tools.context import ToolContext

values = st.dictionaries(
    st.text("abc", min_size=1),
    st.one_of(
        st.integers(),
        st.lists(st.text(max_size=20_000), max_size=40),
        st.dictionaries(st.text(), st.text(max_size=9_000)),
    ),
    max_size=6,
)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """Ten orders: one without an amount, one with a negative one, and a line that is none."""
    folder = tmp_path / "lake"
    folder.mkdir()
    amounts = [*(str(n) for n in range(1, 9)), "", "-5"]
    lines = ["order_id,state,amount", *(f"{n},open,{amount}" for n, amount in enumerate(amounts)), "x,y"]
    (folder / "orders.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def worker(lake: Path, database: Database) -> DataWorker:
    return DataWorker(database, ToolContext(roots=(str(lake),)))


def transformed(worker: DataWorker, folder: Path, stop: Stop | None = None, **payload: Any) -> Outcome:
    branch = Branch(key="clean", kind="transformation", payload={"source": "orders.csv", "output": "out", **payload})
    answer = worker.perform(branch, Attempt(run_id="r", number=1, stop=stop or Stop(), folder=folder))
    assert isinstance(answer, Outcome)
    return Outcome.model_validate_json(answer.model_dump_json())


def test_there_is_a_worker_for_each_kind_and_two_for_analysis(database: Database) -> None:
    workers: list[Worker] = default_workers(database, ToolContext())
    kinds = {worker.name: worker.kinds for worker in workers}
    assert kinds == {
        "data": {"discovery", "transformation", "quality"},
        "research": {"research.technical", "research.market", "research.competitive"},
        "primary_analysis": {"analysis"},
        "secondary_analysis": {"analysis"},
    }
    assert all(worker.capacity > 0 for worker in workers)


@pytest.mark.parametrize("kind", ["discovery", "transformation", "quality", "research.technical", "research.market"])
def test_a_field_that_a_payload_must_not_have_is_named(
    kind: str, database: Database, lake: Path, tmp_path: Path
) -> None:
    context = ToolContext(roots=(str(lake),))
    worker = next(worker for worker in default_workers(database, context) if kind in worker.kinds)
    with pytest.raises(InputError, match=rf"branch {kind}/1 \({kind}\) is wrong: .*colour: unknown argument") as caught:
        performed(worker, kind, tmp_path / "attempt", colour="red")
    assert "Its fields are" in caught.value.remedy
    assert not (tmp_path / "attempt").exists()


@pytest.mark.parametrize(
    ("kind", "payload", "told"),
    [
        ("analysis", {"dataset": "a\0b"}, "dataset: there is a NUL character"),
        ("research.market", {"query": "a", "domains": ["b", "\0"]}, "domains: there is a NUL character"),
        ("transformation", {"source": "a", "output": "b", "datasets": {"\0": "c"}}, "datasets: there is a NUL"),
        ("analysis", {"path": "\ud800"}, "half of a surrogate pair"),
        ("quality", {"path": "a", "checks": "x" * 200_000}, "200,0.. bytes of JSON, more than 65,536"),
    ],
)
def test_texts_that_nothing_can_hold_are_told_by_their_field(
    kind: str, payload: dict[str, Any], told: str, database: Database, tmp_path: Path
) -> None:
    worker = next(worker for worker in default_workers(database, ToolContext()) if kind in worker.kinds)
    with pytest.raises(InputError, match=told):
        performed(worker, kind, tmp_path / "attempt", **payload)


def test_a_payload_that_is_nested_too_deeply_is_told(database: Database, tmp_path: Path) -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    worker = AnalysisWorker("primary_analysis", database, ToolContext())
    branch = Branch.model_construct(key="a", kind="analysis", payload={"columns": nested})
    with pytest.raises(InputError, match="nested too deeply"):
        worker.perform(branch, Attempt(run_id="r", number=1, stop=Stop(), folder=tmp_path))


def test_a_discovery_answers_with_what_was_found_and_its_measured_completeness(
    worker: DataWorker, tmp_path: Path
) -> None:
    result = performed(worker, "discovery", tmp_path, query="orders", source_types=[], domains=[], quality_threshold=0)
    assert [dataset["description"]["name"] for dataset in result.values["datasets"]] == ["orders"]
    assert result.quality == result.values["quality"]["mean"] == pytest.approx(1 - 1 / 30)
    assert any("orders.csv" in note for note in result.notes)


def test_a_check_answers_with_verdicts_and_no_rows(worker: DataWorker, tmp_path: Path) -> None:
    result = performed(
        worker,
        "quality",
        tmp_path,
        path="orders.csv",
        columns={"amount": {"type": "integer"}},
        checks=[{"check": "not_null", "column": "amount"}, {"check": "between", "column": "amount", "min": 0}],
    )
    assert not result.values["passed"]
    failed = {verdict["check"]: verdict["failed"] for verdict in result.values["verdicts"] if not verdict["passed"]}
    assert sorted(failed.values()) == [1, 1, 1]
    assert result.quality == min(result.values["quality"].values())
    assert not any(verdict.get("sample") for verdict in result.values["verdicts"])


def test_a_transformation_accounts_for_every_row_and_refers_to_its_files(worker: DataWorker, tmp_path: Path) -> None:
    outcome = transformed(
        worker,
        tmp_path / "attempt",
        rules=[{"rule": "cast", "columns": {"amount": "integer"}}, {"rule": "filter", "where": "amount > 0"}],
    )
    assert (outcome.task, outcome.status, outcome.rows.rows_in, outcome.rows.rows_out) == ("clean", "done", 11, 8)
    assert outcome.rows.balanced
    assert outcome.output is not None
    assert (outcome.output.rows, list(outcome.output.columns)) == (8, ["order_id", "state", "amount"])
    assert sum(pq.read_metadata(path).num_rows for path in outcome.output.paths) == 8
    assert outcome.left is not None
    assert outcome.left.rows == outcome.rows.left == 3
    assert sum(outcome.leaving.values()) == 3


def test_a_transformation_that_filters_groups_is_accounted_for_up_to_them(worker: DataWorker, tmp_path: Path) -> None:
    """What became of the groups is in the result, as are the files: no reference to them fits the rows' account."""
    rules = [
        {"rule": "cast", "columns": {"amount": "integer"}},
        {"rule": "aggregate", "group_by": ["amount"], "aggregates": {"n": "count(*)"}},
        {"rule": "filter", "where": "amount > 3"},
    ]
    outcome = transformed(worker, tmp_path / "attempt", rules=rules)
    check_account(outcome)
    assert outcome.output is None
    assert outcome.groups is not None
    result = outcome.result or {}
    assert 0 < result["records"] < outcome.groups
    assert result["files"]


def test_what_a_transformation_made_can_be_analysed_by_the_next_branch(
    worker: DataWorker, database: Database, lake: Path, tmp_path: Path
) -> None:
    transformed(worker, tmp_path / "attempt", rules=[{"rule": "cast", "columns": {"amount": "integer"}}])
    analysis = AnalysisWorker("primary_analysis", database, ToolContext(roots=(str(lake),)))
    result = performed(analysis, "analysis", tmp_path / "next", path="out")
    assert result.values["rows"] == 10


def test_of_rows_that_are_grouped_those_before_are_accounted_for(worker: DataWorker, tmp_path: Path) -> None:
    group = {"rule": "aggregate", "group_by": ["state"], "aggregates": {"orders": "count(*)"}}
    outcome = transformed(worker, tmp_path / "attempt", type="aggregation", rules=[group])
    assert (outcome.rows.rows_in, outcome.rows.rows_out, outcome.groups) == (11, 10, 1)
    assert outcome.output is not None
    assert outcome.output.rows == 1
    assert outcome.result is not None
    assert [stretch["rows_in"] for stretch in outcome.result["account"]] == [11, 1]


def test_a_transformation_that_is_done_twice_leaves_the_same_rows(worker: DataWorker, tmp_path: Path) -> None:
    first, second = (transformed(worker, tmp_path / f"attempt-{n}") for n in (1, 2))
    assert first.output is not None
    assert second.output is not None
    assert pq.read_table(list(first.output.paths)) == pq.read_table(list(second.output.paths))
    assert pq.read_table(tmp_path / "lake" / "out").num_rows == 10


def test_files_that_one_reference_cannot_name_are_in_the_result(worker: DataWorker, tmp_path: Path) -> None:
    outcome = transformed(worker, tmp_path / "attempt", partition_by=["state"])
    assert outcome.output is None
    assert outcome.result is not None
    assert [Path(file).parent.name for file in outcome.result["files"]] == ["state=open"]


def test_what_is_outside_of_the_roots_is_refused(worker: DataWorker, tmp_path: Path) -> None:
    with pytest.raises(Refused):
        transformed(worker, tmp_path / "attempt", output="/etc/out")
    with pytest.raises(Refused):
        performed(worker, "quality", tmp_path, path="/etc/passwd", checks=[{"check": "not_null", "column": "a"}])


def test_a_stop_ends_a_transformation_and_nothing_is_committed(worker: DataWorker, tmp_path: Path) -> None:
    stop = Stop()
    stop.request("the run stops")
    with pytest.raises(Interrupted, match="the run stops"):
        transformed(worker, tmp_path / "attempt", stop)
    assert not (tmp_path / "lake" / "out").exists()


@given(values, st.lists(st.text(max_size=1000), max_size=100))
@example({}, [""] * 41)
def test_a_result_has_a_bound_and_what_is_shown_of_a_list_are_its_first_entries(
    given: dict[str, Any], notes: list[str]
) -> None:
    result = bounded(given, 0.5, notes)
    assert len(json.dumps(result.values)) <= MAX_BYTES
    assert result.values.keys() == given.keys()
    assert len(result.notes) <= 40
    for name, value in given.items():
        shown = result.values[name]
        if isinstance(value, list):
            assert shown == value[: len(shown)]
        elif isinstance(value, dict):
            assert list(shown.items()) == list(value.items())[: len(shown)]
        else:
            assert shown == value
        if shown != value and len(notes) < 30:
            assert any(note.startswith(f"{len(value) - len(shown)} more {name[:50]}") for note in result.notes)
