"""The course of a run: enhance, retry, fail, wait, stop, resume; and what a target looks like meanwhile."""

import threading
from collections.abc import Callable
from pathlib import Path

import psycopg
import pyarrow.parquet as pq
import pytest
from psycopg.conninfo import make_conninfo

from core import journal
from core import run as runs
from core.errors import (
    InputError,
    Interrupted,
    LeaseLost,
    RunFinished,
    RunHeld,
    SourceError,
    SpecChanged,
    SpecError,
    TargetError,
)
from core.journal import Event
from core.lease import claim
from core.settings import Settings
from core.spec import load
from core.stop import Stop
from core.store import Database
from flows import DataPipelineFlow, RunReport
from flows.audit import audit
from flows.gc import collect
from flows.persistence import KEPT, last_state
from tests import shop
from tests.deadline import until


def run(document: Path, database: Database, listener: Callable[[Event], None] | None = None) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database, listener=listener).kickoff()
    return report


def resume(run_id: str, database: Database, **options: object) -> RunReport:
    report: RunReport = DataPipelineFlow(run_id=run_id, database=database, **options).kickoff()  # type: ignore[arg-type]
    return report


def when(kind: str, step: str, do: Callable[[], None]) -> Callable[[Event], None]:
    """A listener that acts once, at the first event of a kind and step."""
    done = threading.Event()

    def listener(event: Event) -> None:
        if event.kind == kind and (event.step or "").startswith(step) and not done.is_set():
            done.set()
            do()

    return listener


def newest(database: Database) -> runs.Run:
    return runs.newest(database)[0]


def published(document: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(document.parent / "out" / "revenue").to_pylist()
    return rows


def test_a_run_enhances_what_deserves_it_and_publishes(tmp_path: Path, database: Database) -> None:
    """The journal tells who got what, and why the gate decided as it did."""
    report = run(shop.build(tmp_path / "shop"), database)
    assert (report.status, report.route) == ("published", "enhance")
    assert report.records.held == 0
    assert report.quality.overall is not None
    assert report.throughput_rps > 0
    events = journal.events(database, report.run_id)
    gates = [e for e in events if e.kind == "step.committed" and e.actor == "gate"]
    assert [gate.data["route"] for gate in gates] == ["enhance", "publish"]
    assert all(gate.data["reason"] for gate in gates)
    assignment = next(e for e in events if e.kind == "step.committed" and e.step == "assignment")
    given = {a["task"]: a["agent"] for a in assignment.data["assignments"]}
    performed = {e.step.partition("@")[0]: e.actor for e in events if e.kind == "step.started" and e.step in given}
    assert performed == {task: agent for task, agent in given.items() if task in performed}
    assert len(given) == 8


def test_enhancing_repeats_only_what_it_concerns(tmp_path: Path, database: Database) -> None:
    """Ingestion is done once; the second round is validation with repair, and what builds on it."""
    report = run(shop.build(tmp_path / "shop"), database)
    started = [e.step for e in journal.events(database, report.run_id, kind="step.started")]
    assert len(started) == len(set(started))
    assert sum((step or "").startswith("ingestion/") for step in started) == 3
    assert {step for step in started if step and step.endswith("@1")} == {
        "validation/orders/0@1",
        "validation/products/0@1",
        "transformation/orders/0@1",
        "enrichment/orders/0@1",
        "aggregation/orders/0@1",
    }


def test_a_sharded_run_comes_to_the_same_result(tmp_path: Path, database: Database, configuration: Settings) -> None:
    """The number of tasks is a matter of budget, not of meaning."""
    plain = run(shop.build(tmp_path / "a", rows=400), database)
    spec = shop.SPEC.replace("name: shop", "name: shop\ncomplexity: complex")
    sharded = run(shop.build(tmp_path / "b", rows=400, spec=spec), database)
    assert sharded.tasks.completed > plain.tasks.completed
    assert sharded.records == plain.records
    assert sharded.quality == plain.quality
    assert published(tmp_path / "a" / "shop.yaml") == published(tmp_path / "b" / "shop.yaml")
    assert audit(database, sharded.run_id, configuration).balanced


def test_rows_can_be_published_without_being_grouped(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """In the order of the source, with all columns of the last stage."""
    aggregation = shop.SPEC[shop.SPEC.index("aggregation:") : shop.SPEC.index("target:")]
    document = shop.build(tmp_path / "shop", spec=shop.SPEC.replace(aggregation, ""))
    report = run(document, database)
    rows = published(document)
    assert len(rows) == audit(database, report.run_id, configuration).datasets["orders"].out
    assert set(rows[0]) == {"id", "product", "day", "amount", "category"}
    assert audit(database, report.run_id, configuration).balanced


def test_a_failed_task_does_not_sink_its_siblings_and_nothing_is_published(tmp_path: Path, database: Database) -> None:
    """A file that went after the plan fails its task for good; the target keeps the version it had."""
    document = shop.build(tmp_path / "shop")
    run(document, database)
    before = published(document)
    file = tmp_path / "shop" / "data" / "products.jsonl"
    report = run(document, database, when("round.started", "", file.unlink))
    assert (report.status, report.route) == ("failed", "fail")
    assert published(document) == before
    assert report.records.out == 0
    committed = {e.step for e in journal.events(database, report.run_id, kind="step.committed")}
    assert {"ingestion/orders/0", "validation/orders/0", "transformation/orders/0"} <= committed
    failed = journal.events(database, report.run_id, kind="step.failed")
    assert [e.step for e in failed] == ["ingestion/products/0"]
    assert "products.jsonl is gone" in failed[0].data["message"]
    assert report.tasks.completed == 4
    assert report.tasks.failed == 4


def test_a_source_that_is_away_for_a_while_is_tried_again(
    tmp_path: Path, database: Database, server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what failed is retried, alone on the machine and after a pause; the rest is not done again."""
    products = """
  products:
    kind: postgres
    table: products
    url_env: SHOP_URL
    columns: {code: string, category: string}
validation:"""
    spec = shop.SPEC[: shop.SPEC.index("  products:")] + products.lstrip("\n") + shop.SPEC.partition("validation:")[2]
    document = shop.build(tmp_path / "shop", spec=spec)
    with psycopg.connect(server_url, autocommit=True) as admin:
        here = f"{psycopg.conninfo.conninfo_to_dict(database.url)['dbname']}_shop"
        admin.execute(f'CREATE DATABASE "{here}"')
        url = make_conninfo(server_url, dbname=here)
        with psycopg.connect(url) as connection:
            connection.execute("CREATE TABLE products (code text PRIMARY KEY, category text)")
            connection.execute("INSERT INTO products SELECT 'p' || n, 'toys' FROM generate_series(0, 7) n")
        monkeypatch.setenv("SHOP_URL", url)
        rename = f'ALTER DATABASE "{here}" RENAME TO "{here}_away"'
        back = f'ALTER DATABASE "{here}_away" RENAME TO "{here}"'
        leave = when("round.started", "", lambda: admin.execute(rename))
        come = when("step.committed", "gate/0", lambda: admin.execute(back))

        def listener(event: Event) -> None:
            leave(event)
            come(event)

        report = run(document, database, listener)
        admin.execute(f'DROP DATABASE "{here}" WITH (FORCE)')
    assert report.status == "published"
    assert report.route.startswith("retry")
    started = [e.step for e in journal.events(database, report.run_id, kind="step.started")]
    assert started.count("ingestion/products/0") == 2
    assert started.count("ingestion/orders/0") == 1


def test_a_run_whose_quality_is_spent_fails_and_keeps_its_evidence(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """The rows that left are on file, with their rule; the account holds, with the rows that were held back."""
    document = shop.build(tmp_path / "shop", spec=shop.SPEC + "gate: {enhancements: 0, retries: 0}\n")
    report = run(document, database)
    assert (report.status, report.route) == ("failed", "fail")
    assert not (tmp_path / "shop" / "out" / "revenue").exists()
    assert report.records.held > 0
    proof = audit(database, report.run_id, configuration)
    assert proof.balanced, proof.checks
    assert pq.read_table(proof.left[0]).num_rows == report.records.quarantined + report.records.filtered
    again = resume(report.run_id, database)
    assert again.status == "failed"


def test_a_run_waits_for_a_person_where_the_spec_says_so(tmp_path: Path, database: Database) -> None:
    """It stays waiting until somebody approves by name, which is on record; then it publishes what it had."""
    document = shop.build(tmp_path / "shop", spec=shop.SPEC + "gate: {enhancements: 0, retries: 0, spent: approval}\n")
    report = run(document, database)
    assert (report.status, report.route) == ("waiting", "wait")
    assert newest(database).status == "waiting"
    assert resume(report.run_id, database).status == "waiting"
    done = resume(report.run_id, database, approved_by="Ada Lovelace")
    assert done.status == "published"
    assert published(document)
    reasons = [e.data.get("reason", "") for e in journal.events(database, report.run_id, kind="step.committed")]
    assert any("approved by Ada Lovelace" in reason for reason in reasons)


def test_a_stopped_run_goes_on_where_it_was(tmp_path: Path, database: Database) -> None:
    """What had committed is returned, not done again."""
    stop = Stop()
    document = shop.build(tmp_path / "shop")
    listener = when("step.started", "validation/orders/0", lambda: stop.request("a test"))
    with pytest.raises(Interrupted, match="a test"):
        DataPipelineFlow(document, database=database, stop=stop, listener=listener).kickoff()
    run_id = newest(database).run_id
    assert newest(database).status == "interrupted"
    assert newest(database).holder is None
    assert resume(run_id, database).status == "published"
    events = journal.events(database, run_id, kind="step.")
    for number, event in enumerate(events):
        if event.kind == "step.committed":
            assert event.step not in [e.step for e in events[number + 1 :]]


def test_a_run_that_somebody_works_on_is_refused_by_name(tmp_path: Path, database: Database) -> None:
    """Two resumes at once: one works, the other is told who does."""
    document = shop.build(tmp_path / "shop")
    stop, refused = Stop(), []

    def intrude() -> None:
        with pytest.raises(RunHeld, match=r"process \d+ on ") as caught:
            resume(newest(database).run_id, database)
        refused.append(caught.value)
        stop.request("seen enough")

    with pytest.raises(Interrupted):
        DataPipelineFlow(
            document, database=database, stop=stop, listener=when("step.started", "ingestion", intrude)
        ).kickoff()
    assert len(refused) == 1


def test_a_holder_that_was_taken_over_changes_nothing_more(tmp_path: Path, database: Database) -> None:
    """Its token is stale: its next write is refused, and the run belongs to the one that came after."""
    document = shop.build(tmp_path / "shop")

    def taken_over() -> bool:
        database.transaction(lambda c: c.execute("UPDATE runs SET heartbeat_at = now() - interval '1 hour'"))
        try:
            claim(database, newest(database).run_id, lease_s=1).abandon()
        except RunHeld:  # its heart beat in between
            return False
        return True

    with pytest.raises(LeaseLost):
        run(document, database, when("step.started", "validation/products", lambda: until(taken_over)))
    state = newest(database)
    assert state.status == "running"
    assert state.token == 2
    assert not (tmp_path / "shop" / "out" / "revenue").exists()


def test_a_published_run_cannot_be_resumed(tmp_path: Path, database: Database) -> None:
    """There is nothing left to do."""
    report = run(shop.build(tmp_path / "shop"), database)
    with pytest.raises(RunFinished, match="published"):
        resume(report.run_id, database)


def test_a_spec_that_changed_is_refused_with_the_difference_unless_declared_compatible(
    tmp_path: Path, database: Database
) -> None:
    """The finished work stands as it is; the changed spec holds for the rest, and the change is on record."""
    document = shop.build(tmp_path / "shop", spec=shop.SPEC + "gate: {enhancements: 0, retries: 0}\n")
    failed = run(document, database)
    document.write_text(shop.SPEC + "gate: {enhancements: 0, retries: 0, publish: 0.5, critical_margin: 1}\n")
    with pytest.raises(SpecChanged, match=r"gate\.publish: 0\.95 -> 0\.5") as caught:
        resume(failed.run_id, database)
    assert len(caught.value.changes) == 2
    done = resume(failed.run_id, database, compatible=True)
    assert done.status == "published"
    changed = journal.events(database, failed.run_id, kind="spec.changed")
    assert changed[0].data["changes"] == caught.value.changes


def test_a_spec_may_be_corrected_as_long_as_nothing_is_done(tmp_path: Path, database: Database) -> None:
    """What the error advises can be followed: correct the document, and resume."""
    document = shop.build(tmp_path / "shop", spec=shop.SPEC.replace("category: string", "kategory: string"))
    with pytest.raises(SpecError):
        run(document, database)
    document.write_text(shop.SPEC)
    assert resume(newest(database).run_id, database).status == "published"


def test_the_same_cells_are_repaired_the_same_way_however_many_tasks_there_are(
    tmp_path: Path, database: Database
) -> None:
    """Which way a slashed date is read is told by its whole column, not by the shard that it came to."""
    spec = """
name: days
complexity: {complexity}
sources: {{days: {{kind: csv, path: days-*.csv, columns: {{n: integer, day: date}}}}}}
target: {{path: out/revenue}}
gate: {{publish: 1, enhance: 0, critical_margin: 1, thresholds: {{}}, spent: approval}}
"""
    texts = ["03/04/2026", "25/12/2026", "05/06/2026", "12/31/2026", "01/02/2026", "07/08/2026", "31/01/2026"]
    results = []
    for complexity in ("simple", "complex"):
        folder = tmp_path / complexity
        folder.mkdir()
        for part in range(4):
            lines = [f"{n},{text}" for n, text in enumerate(texts) if n % 4 == part]
            (folder / f"days-{part}.csv").write_text("\n".join(["n,day", *lines]) + "\n")
        document = folder / "days.yaml"
        document.write_text(spec.format(complexity=complexity))
        report = run(document, database)
        assert report.status == "waiting"
        assert resume(report.run_id, database, approved_by="Ada").status == "published"
        results.append(sorted(published(document), key=lambda row: str(row["n"])))
    assert results[0] == results[1]
    assert [row["n"] for row in results[0]] == [1, 3, 6]


def test_state_is_saved_after_every_step_and_pruned(tmp_path: Path, database: Database) -> None:
    """The last ten snapshots are kept, JSON-plain; the last one tells the end."""
    report = run(shop.build(tmp_path / "shop"), database)
    rows = database.query("SELECT method FROM flow_states WHERE run_id = %s ORDER BY seq", (report.run_id,))
    assert len(rows) == KEPT
    assert [row["method"] for row in rows][-3:] == ["execute", "quality_gate", "publish"]
    state = last_state(database, report.run_id)
    assert state is not None
    assert state["pipeline_status"] == "published"
    assert state["completed_stages"] == ["ingestion", "validation", "transformation", "enrichment", "aggregation"]
    assert state["processing_performance"]["successes"] == 8
    assert state["data_volume_processed"] == report.records.rows_in


@pytest.mark.parametrize(
    ("break_it", "error", "message"),
    [
        (lambda d: (d / "data/products.jsonl").unlink(), SourceError, "no file matches data/products.jsonl"),
        (lambda d: (d / "data/products.jsonl").write_text(""), SourceError, "products.jsonl is empty"),
        (lambda d: (d / "data/orders-1.csv").write_text("id,prod,day,amount\n"), SourceError, "no column product"),
        (lambda d: (d / "out").write_text("a file"), TargetError, "cannot be written"),
        (lambda d: (d / "out" / "revenue").mkdir(parents=True), TargetError, "Crewline did not publish it"),
    ],
)
def test_what_is_wrong_with_sources_and_target_is_told_before_any_work_and_the_run_resumes_when_mended(
    tmp_path: Path,
    database: Database,
    break_it: Callable[[Path], object],
    error: type[InputError],
    message: str,
) -> None:
    """The run is on record as failed, with the error; mended, it goes on."""
    folder = tmp_path / "shop"
    document = shop.build(folder)
    keep = {file: file.read_bytes() for file in (folder / "data").iterdir()}
    break_it(folder)
    with pytest.raises(error, match=message) as caught:
        run(document, database)
    assert caught.value.remedy
    assert caught.value.resumable
    failed = newest(database)
    assert failed.status == "failed"
    assert failed.error == str(caught.value)
    assert journal.events(database, failed.run_id, kind="round.") == []
    for file, content in keep.items():
        file.write_bytes(content)
    out = folder / "out"
    if out.is_file():
        out.unlink()
    elif (out / "revenue").is_dir():
        (out / "revenue").rmdir()
    assert resume(failed.run_id, database).status == "published"


def test_rules_that_do_not_fit_are_told_before_any_row_is_read(tmp_path: Path, database: Database) -> None:
    """With their place in the document, and what is there instead."""
    spec = shop.SPEC.replace("amount > 20", "amont > 20").replace("columns: [category]", "columns: [kind]")
    with pytest.raises(SpecError) as caught:
        run(shop.build(tmp_path / "shop", spec=spec), database)
    assert caught.value.problems[0].startswith("transformation.orders.0: ")
    assert "there are id, product, day, amount" in caught.value.problems[0]
    assert journal.events(database, newest(database).run_id, kind="round.") == []


def test_a_flow_takes_a_spec_from_python_and_refuses_inputs(tmp_path: Path, database: Database) -> None:
    """Relative paths stand under base_dir then."""
    document = shop.build(tmp_path / "shop")
    spec = load(document)
    report = DataPipelineFlow(spec, base_dir=tmp_path / "shop", database=database).kickoff()
    assert report.status == "published"
    with pytest.raises(InputError, match="takes no inputs"):
        DataPipelineFlow(spec, database=database).kickoff(inputs={"id": "x"})
    with pytest.raises(InputError, match="either a spec"):
        DataPipelineFlow(database=database)


def test_two_runs_may_publish_to_one_target_at_once(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """Each swap is whole; whoever is last is what readers see; neither removes what the other has staged."""
    document = shop.build(tmp_path / "shop")
    reports: list[RunReport] = []
    threads = [threading.Thread(target=lambda: reports.append(run(document, database))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [r.status for r in reports] == ["published"] * 2
    assert published(document)
    for report in reports:
        assert audit(database, report.run_id, configuration).balanced


def test_garbage_is_what_no_record_refers_to(tmp_path: Path, database: Database, configuration: Settings) -> None:
    """Attempts that never committed and replaced versions go; what a run can resume from, and proofs, stay."""
    document = shop.build(tmp_path / "shop")
    stop = Stop()
    with pytest.raises(Interrupted):
        DataPipelineFlow(
            document,
            database=database,
            stop=stop,
            listener=when("step.started", "transformation", lambda: stop.request("a test")),
        ).kickoff()
    interrupted = newest(database).run_id
    finished = [run(document, database).run_id for _ in range(3)]
    versions = tmp_path / "shop" / "out" / ".revenue.versions"
    assert len(list(versions.iterdir())) == 2
    orphan = configuration.runs_dir / interrupted / "validation" / "orders" / "0" / "attempt-9-9"
    orphan.mkdir(parents=True)
    (orphan / "x").write_text("garbage")
    garbage = collect(database, configuration)
    assert garbage.folders >= 1
    assert garbage.bytes > 0
    assert not orphan.exists()
    assert collect(database, configuration).folders == 0
    assert resume(interrupted, database).status == "published"
    for run_id in [*finished[-1:], interrupted]:
        assert audit(database, run_id, configuration).balanced
