"""Pipelines as wholes: registered, watched, and held to what they promise."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from core import journal
from core import run as runs
from core.classification import Classification
from core.errors import InputError, Refused, SourceError, SpecError, TargetError
from core.report import Quality, Records, RunReport
from core.spec import Gate, Sla, load, loads
from core.store import Database
from core.task import Stage
from flows import DataPipelineFlow
from tests import shop
from tools.context import ToolContext
from tools.orchestration.creation import create
from tools.orchestration.monitor import monitor, spread
from tools.orchestration.registration import dependencies_of, find
from tools.orchestration.service import Measures, alerts, breaches, measure
from tools.orchestration.status import status


def context(folder: Path, **bounds: object) -> ToolContext:
    return ToolContext(agent="planner", roots=(str(folder),), **bounds)  # type: ignore[arg-type]


def run(document: Path, database: Database) -> RunReport:
    report: RunReport = DataPipelineFlow(document, database=database).kickoff()
    return report


def test_a_created_pipeline_is_on_record_with_all_that_it_is_made_of(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    made = create(database, context(tmp_path), path=str(document))
    pipeline = made.pipeline
    assert made.created
    assert (pipeline.name, pipeline.version) == ("shop", load(document).fingerprint)
    assert pipeline.id == f"shop@{pipeline.version[:12]}"
    assert pipeline.dependencies["enrichment/orders"] == ["transformation/orders", "validation/products"]
    assert list(pipeline.dependencies) == pipeline.stages
    assert pipeline.examined is not None
    assert pipeline.examined.rows == {name: origin.rows for name, origin in pipeline.sources.items()}
    assert pipeline.examined.tasks[Stage.INGESTION] == 3
    assert pipeline.sinks[0].path == str(tmp_path / "shop" / "out" / "revenue")
    assert (pipeline.sla.latency_s, pipeline.sla.records_per_hour, pipeline.sla.error_share) == (300, 10_000, 0.001)
    assert {alert.metric: alert.bound for alert in pipeline.monitoring.alerts} == {
        "latency_s": 300,
        "records_per_hour": 10_000,
        "error_share": 0.001,
        "quality": 0.95,
    }
    assert (pipeline.registered_by, pipeline.agents) == ("planner", {})
    told = journal.events(database, None, kind="pipeline.registered")
    assert [(event.actor, event.data["name"]) for event in told] == [("planner", "shop")]
    assert not runs.newest(database)


def test_creating_the_same_content_again_changes_nothing(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    first = create(database, context(tmp_path), path=str(document))
    document.write_text("# for people only\n" + document.read_text())
    again = create(database, context(tmp_path), path=str(document))
    assert (again.created, again.pipeline) == (False, first.pipeline)
    assert len(journal.events(database, None, kind="pipeline.registered")) == 1


def test_a_changed_spec_is_a_version_of_its_own_and_the_one_seen_last_is_the_pipeline(
    tmp_path: Path, database: Database
) -> None:
    document = shop.build(tmp_path / "shop")
    old = create(database, context(tmp_path), path=str(document)).pipeline
    document.write_text(shop.SPEC.replace("amount > 20", "amount > 30"))
    new = create(database, context(tmp_path), path=str(document))
    assert new.created
    assert find(database, "shop").version == new.pipeline.version
    assert find(database, old.id).version == old.version


def test_a_pipeline_can_be_given_as_text(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    made = create(database, context(tmp_path), document=shop.SPEC, base_dir="shop")
    assert made.pipeline.version == load(document).fingerprint
    assert made.pipeline.sinks[0].path == str(tmp_path / "shop" / "out" / "revenue")


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("sum(amount)", "sum(price)", SpecError, "price"),
        ("amount > 20", "read_csv('/etc/passwd')", SpecError, "transformation.orders.0"),
        ("check: unique, columns: [code]", "check: unique, columns: [kode]", SpecError, "kode"),
        ("data/products.jsonl", "data/nothing.jsonl", SourceError, "no file matches"),
        ("path: out/revenue", "path: data", TargetError, "did not publish it"),
        ("name: shop", "name: shop\nsla: {latency_s: 0}", SpecError, "sla.latency_s"),
        ("name: shop", "name: shop\ngovernance: {classification: secret}", SpecError, "governance.classification"),
    ],
)
def test_what_a_run_would_refuse_is_refused_at_creation_and_leaves_nothing_on_record(
    tmp_path: Path, database: Database, old: str, new: str, error: type[InputError], says: str
) -> None:
    assert old in shop.SPEC
    document = shop.build(tmp_path / "shop", spec=shop.SPEC.replace(old, new))
    with pytest.raises(error, match=says):
        create(database, context(tmp_path), path=str(document))
    with pytest.raises(InputError, match="no pipeline 'shop'"):
        find(database, "shop")


def test_a_document_that_grows_when_it_is_read_is_refused(tmp_path: Path, database: Database) -> None:
    """Nine lines of aliases would be a list of a thousand million entries."""
    lines = ["a0: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10))]
    for document in ("\n".join(lines), "{: broken", "[" * 3000, "- a", ""):
        with pytest.raises(SpecError):
            create(database, context(tmp_path), document=document)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("data/products.jsonl", "../secret.jsonl"),
        ("data/products.jsonl", "/etc/passwd"),
        ("data/products.jsonl", "http://localhost/products.jsonl"),
        ("out/revenue", "../../revenue"),
    ],
)
def test_a_source_or_target_outside_of_the_roots_is_refused(
    tmp_path: Path, database: Database, old: str, new: str
) -> None:
    document = shop.build(tmp_path / "shop", spec=shop.SPEC.replace(old, new))
    (tmp_path / "secret.jsonl").write_text('{"code": "p1", "category": "x"}\n')
    with pytest.raises(Refused):
        create(database, context(tmp_path / "shop"), path=str(document))


def test_a_link_that_a_glob_finds_is_refused_when_it_leads_out_of_the_roots(tmp_path: Path, database: Database) -> None:
    document = shop.build(tmp_path / "shop")
    outside = tmp_path / "orders.csv"
    os.replace(tmp_path / "shop" / "data" / "orders-2.csv", outside)
    (tmp_path / "shop" / "data" / "orders-2.csv").symlink_to(outside)
    with pytest.raises(Refused):
        create(database, context(tmp_path / "shop"), path=str(document))
    assert create(database, context(tmp_path), path=str(document)).created


def test_a_variable_that_holds_no_url_is_not_shown(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes a spec may name any variable: its content must not come back in an error."""
    monkeypatch.setenv("MODEL_KEY", "sk-topsecret")
    shop.build(tmp_path / "shop")
    table = "kind: postgres\n    table: t\n    url_env: MODEL_KEY"
    document = shop.SPEC.replace("kind: jsonl\n    path: data/products.jsonl", table)
    with pytest.raises(Refused, match="postgresql://MODEL_KEY/t"):
        create(database, context(tmp_path), document=document, base_dir="shop")
    trusted = ToolContext(roots=(str(tmp_path), "postgresql://MODEL_KEY"))
    with pytest.raises(SourceError, match="MODEL_KEY does not hold the URL") as caught:
        create(database, trusted, document=document, base_dir="shop")
    assert "topsecret" not in str(caught.value)


def test_confidential_pipelines_are_neither_created_nor_shown_without_the_clearance(
    tmp_path: Path, database: Database
) -> None:
    spec = shop.SPEC.replace("name: shop", "name: shop\ngovernance: {owner: sales, classification: confidential}")
    document = shop.build(tmp_path / "shop", spec=spec)
    cleared = context(tmp_path, clearance=Classification.CONFIDENTIAL)
    with pytest.raises(Refused):
        create(database, context(tmp_path), path=str(document))
    assert create(database, cleared, path=str(document)).pipeline.governance.owner == "sales"
    with pytest.raises(Refused):
        status(database, context(tmp_path), "shop")
    assert [health.name for health in monitor(database, cleared).pipelines] == ["shop"]
    overview = monitor(database, context(tmp_path))
    assert (overview.pipelines, overview.withheld) == ([], 1)


def test_a_run_registers_its_pipeline_and_its_status_tells_how_it_went(tmp_path: Path, database: Database) -> None:
    report = run(shop.build(tmp_path / "shop"), database)
    found = status(database, context(tmp_path), "shop")
    assert found.pipeline.registered_by == "flow"
    assert found.pipeline.agents == {stage: f"{stage}_agent" for stage in Stage}
    [shown] = found.runs
    assert (shown.run_id, shown.status, shown.error) == (report.run_id, "published", None)
    assert (shown.records, shown.quality) == (report.records, report.quality)
    assert {stage: p.done for stage, p in shown.stages.items()} == {
        stage: p.planned for stage, p in shown.stages.items()
    }
    assert shown.stages[Stage.INGESTION].rows_in == report.records.rows_in
    assert sum(progress.done for progress in shown.stages.values()) == report.tasks.completed
    assert shown.measures.error_share == report.records.quarantined / report.records.rows_in
    # A tenth of the shop's rows is faulty, which the default of a thousandth does not allow.
    assert [breach.metric for breach in shown.breaches] == ["error_share"]
    assert status(database, context(tmp_path), run_id=report.run_id).runs == [shown]


def test_the_status_of_an_interrupted_run_tells_what_is_left(tmp_path: Path, database: Database) -> None:
    """Killed as it is about to aggregate: four stages are done, the last is not."""
    from core.stop import Stop

    stop = Stop()

    def listener(event: journal.Event) -> None:
        if event.kind == "step.committed" and (event.step or "").startswith("enrichment/"):
            stop.request("test")

    flow = DataPipelineFlow(shop.build(tmp_path / "shop"), database=database, stop=stop, listener=listener)
    with pytest.raises(Exception, match="test"):
        flow.kickoff()
    [shown] = status(database, context(tmp_path), "shop").runs
    assert (shown.status, shown.finished_at, shown.records, shown.quality) == ("interrupted", None, None, None)
    assert shown.measures == Measures()
    assert shown.stages[Stage.ENRICHMENT].done == 1
    assert (shown.stages[Stage.AGGREGATION].planned, shown.stages[Stage.AGGREGATION].done) == (1, 0)


def test_the_monitor_sums_up_what_runs_were_measured_to_be(tmp_path: Path, database: Database) -> None:
    """One published, one failed because a file changed under it, one pipeline that was never run."""
    document = shop.build(tmp_path / "shop")
    published = run(document, database)
    failed = DataPipelineFlow(document, database=database, listener=shop.spoiling(tmp_path / "shop")).kickoff()
    idle = shop.build(tmp_path / "idle", spec=shop.SPEC.replace("name: shop", "name: idle"))
    create(database, context(tmp_path), path=str(idle))
    never, health = monitor(database, context(tmp_path)).pipelines
    assert (never.name, never.runs, never.success_rate, never.latency_s, never.freshness_s) == (
        "idle",
        0,
        None,
        None,
        None,
    )
    assert (health.runs, health.statuses) == (2, {"failed": 1, "published": 1})
    assert health.success_rate == 0.5
    assert (health.last_run, health.last_status) == (failed.run_id, "failed")
    lost = published.records.quarantined + failed.records.quarantined + failed.records.held
    assert health.error_share == lost / (published.records.rows_in + failed.records.rows_in)
    assert health.latency_s is not None
    latency = measure(runs.get(database, published.run_id)).latency_s
    assert health.latency_s.median == health.latency_s.p95 == latency
    assert health.freshness_s is not None
    assert health.freshness_s > 0
    assert health.breaches["error_share"] == 2
    assert "error_share" in {breach.metric for breach in health.open}


@pytest.mark.parametrize(
    ("measures", "raised"),
    [
        (Measures(latency_s=300, records_per_hour=10_000, error_share=0.001, quality=0.95), []),
        (Measures(latency_s=300.1, records_per_hour=9_999, error_share=0.0011, quality=0.9499), None),
        (Measures(latency_s=301), ["latency_s"]),
        (Measures(), []),
    ],
)
def test_an_alert_is_raised_beyond_its_bound_and_never_by_what_was_not_measured(
    measures: Measures, raised: list[str] | None
) -> None:
    watched = alerts(Sla(), Gate())
    found = breaches(watched, measures)
    assert [breach.metric for breach in found] == ([a.metric for a in watched] if raised is None else raised)
    assert all(breach.measured == getattr(measures, breach.metric) for breach in found)


def test_measures_follow_from_the_record_of_a_run(database: Database, run_id: str) -> None:
    """3,600 rows in 90 seconds, of which 36 were quarantined and 4 held back."""
    created = runs.get(database, run_id)
    assert measure(created) == Measures()
    records = Records(rows_in=3600, out=3500, quarantined=36, merged=50, filtered=10)
    report = RunReport(run_id=run_id, status="failed", records=records, quality=Quality(overall=0.9))
    ended = created.model_copy(
        update={
            "finished_at": created.created_at + timedelta(seconds=90),
            "report": report.model_dump(mode="json", by_alias=True),
        }
    )
    assert measure(ended) == Measures(latency_s=90, records_per_hour=144_000, error_share=40 / 3600, quality=0.9)


def test_percentiles_are_values_that_were_measured() -> None:
    assert spread([None, None]) is None
    found = spread([float(n) for n in range(1, 101)] + [None])
    assert found is not None
    assert (found.median, found.p95) == (50.5, 95.0)


def test_a_dataset_that_is_looked_up_is_needed_in_its_last_state() -> None:
    spec = loads("""
name: chain
sources:
  orders: {kind: csv, path: o, columns: {id: string, p: string}}
  products: {kind: csv, path: p, columns: {id: string, s: string}}
  suppliers: {kind: csv, path: s, columns: {id: string, country: string}}
enrichment:
  orders: [{rule: join, dataset: products, on: {p: id}, columns: [s, country]}]
  products: [{rule: join, dataset: suppliers, on: {s: id}, columns: [country]}]
target: {path: out}
""")
    needed = dependencies_of(spec)
    assert needed["enrichment/orders"] == ["validation/orders", "enrichment/products"]
    assert needed["enrichment/products"] == ["validation/products", "validation/suppliers"]
    assert needed["ingestion/orders"] == []
