"""Assembled pipelines: every row is accounted for at each stage, whatever the agents are, and whatever befalls them."""

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

import crewline
from core import journal
from core import run as runs
from core.errors import InputError, Interrupted, Refused, TargetError
from core.settings import Settings
from core.stop import Stop
from core.store import Database
from crewline.cli import app
from crews.registry import AgentDefinition, Plan, assemble, default_registry, standings
from graphs import AssemblyReport, Order, resume_assembly, run_assembly
from tests import child, made_agents
from tools.context import ToolContext

MODULES = ("tests.made_agents",)
CHECKS = {"checks": [{"check": "not_null", "column": "region"}, {"check": "unique", "columns": ["id"]}]}
GROUPS = {"group_by": ["region"], "aggregates": {"n": "count(*)", "amount": "sum(amount)"}}


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    """Two files; four rows have no region, two have the id of another, one is torn."""
    chance = random.Random(5)
    for month in (1, 2):
        lines = [f"{month}{n:03},{chance.choice(['north', 'south'])},{n}.50,p{n % 3}" for n in range(100)]
        lines[7] = lines[7].replace("north", "").replace("south", "")
        lines[8] = lines[8].replace("north", "").replace("south", "")
        lines[20] = lines[21]
        (tmp_path / f"orders-{month}.csv").write_text("id,region,amount,product\n" + "\n".join(lines) + "\n")
    with (tmp_path / "orders-2.csv").open("a") as file:
        file.write("2999,x\n")
    return tmp_path / "orders-*.csv"


def planned(*capabilities: str, more: tuple[AgentDefinition, ...] = (), **overrides: Any) -> Plan:
    registry = default_registry()
    for definition in more:
        registry.register(definition)
    return assemble(registry, capabilities, overrides=overrides)


def order(plan: Plan, source: Path, **more: Any) -> Order:
    context = ToolContext(agent="tester", roots=(str(source.parent),))
    return Order(plan=plan, dataset="orders", source=str(source), context=context, **more)


def left(report: AssemblyReport) -> dict[str, dict[str, int]]:
    return {stage.agent: stage.leaving for stage in report.stages if stage.leaving}


def test_an_assembly_accounts_for_every_row_and_publishes_what_is_left(database: Database, orders: Path) -> None:
    """The sums of the groups are those of the rows that no check caught; who left stands beside, whole."""
    plan = planned(
        "batch_processing", "data_validation", "data_aggregation", data_validation=CHECKS, data_aggregation=GROUPS
    )
    out = orders.parent / "revenue"
    report = run_assembly(database, order(plan, orders, out=str(out)))
    assert (report.status, report.balanced, report.error) == ("done", True, None)
    assert [(s.rows_in, s.rows_out, s.quarantined, s.groups) for s in report.stages] == [
        (201, 200, 1, None),
        (200, 194, 6, None),
        (194, 194, 0, 2),
    ]
    assert left(report)["validation_agent"] == {"quarantined:not_null(region)": 4, "quarantined:unique(id)": 2}
    (published,) = [pq.ParquetFile(file).read().to_pylist() for file in out.glob("*.parquet")]
    rows = [line.split(",") for file in orders.parent.glob("*.csv") for line in file.read_text().splitlines()[1:]]
    # Of two rows of one id, the first goes on.
    fit = list({row[0]: row for row in reversed(rows) if len(row) == 4 and row[1]}.values())
    assert {row["region"]: (row["n"], row["amount"]) for row in published} == {
        region: (len(of), sum(float(row[2]) for row in of))
        for region in ("north", "south")
        if (of := [row for row in fit if row[1] == region])
    }
    evidence = [pq.ParquetFile(file).read().to_pylist() for file in sorted(out.parent.glob(".revenue.evidence/*/*"))]
    assert [row["_record"] for row in evidence[0]] == ["2999,x"]
    assert len(evidence[1]) == 6
    assert all(row["id"] and row["_reason"] for row in evidence[1])


def test_stages_hand_on_whatever_their_agents_have_in_common(database: Database, orders: Path) -> None:
    """Files that are transformed, read, changed, enriched from another file, and grouped."""
    (orders.parent / "products.jsonl").write_text('{"code": "p0", "kind": "toy"}\n{"code": "p1", "kind": "tool"}\n{"co')
    products = {"path": "products.jsonl", "columns": {"code": "string", "kind": "string"}}
    join = {"rule": "join", "dataset": "products", "on": {"product": "code"}, "columns": ["kind"], "missing": "keep"}
    plan = planned(
        *("data_transformation", "batch_processing", "data_validation", "data_transformation"),
        *("data_enrichment", "data_aggregation"),
        data_transformer={"rules": [{"rule": "filter", "where": "region <> ''"}]},
        transformation_agent={"rules": [{"rule": "derive", "columns": {"double": "amount * 2"}}]},
        data_enrichment={"rules": [join], "datasets": {"products": products}},
        data_aggregation={"group_by": ["kind"], "aggregates": {"n": "count(*)", "double": "sum(double)"}},
    )
    agents = [stage.agent.id for stage in plan.stages]
    assert agents[:4] == ["data_transformer", "batch_processor", "validation_agent", "transformation_agent"]
    report = run_assembly(database, order(plan, orders))
    assert (report.status, report.balanced) == ("done", True), report
    assert [stage.rows_in for stage in report.stages] == [201, 196, 196, 196, 196, 196]
    assert report.stages[0].leaving == {"filtered:filter(region <> '')": 4, "quarantined:readable": 1}
    assert "1 rows of products are unfit, and were not looked at" in report.stages[4].notes
    groups = {row["kind"]: row["n"] for row in pq.ParquetFile(report.output[0]).read().to_pylist()}
    assert sum(groups.values()) == 196
    assert set(groups) == {"toy", "tool", None}


def test_groups_are_files_again_for_those_who_take_files(database: Database, orders: Path) -> None:
    plan = planned(
        *("batch_processing", "data_aggregation", "data_transformation"),
        data_aggregation={"group_by": ["region"]},
        data_transformation={"rules": [{"rule": "filter", "where": "rows > 4"}]},
    )
    report = run_assembly(database, order(plan, orders))
    assert [(stage.rows_in, stage.rows_out, stage.groups) for stage in report.stages] == [
        *((201, 200, None), (200, 200, 3), (3, 2, None))
    ]
    (file,) = report.output
    assert {row["region"] for row in pq.ParquetFile(file).read().to_pylist()} == {"north", "south"}


def test_an_agent_that_loses_rows_unseen_ends_the_run_and_nothing_is_published(
    database: Database, orders: Path
) -> None:
    keeper = made_agents.definition("keeper", "Keeper", configuration={"loses": 3})
    out = orders.parent / "out"
    plan = planned("batch_processing", "data_enrichment", more=(keeper,), keeper={})
    plan = replaced(plan, keeper)
    report = run_assembly(database, order(plan, orders, out=str(out)), modules=MODULES)
    assert report.status == "failed"
    assert report.error is not None
    assert "200 rows came to data_enrichment/orders/2, and keeper accounts for 197" in report.error
    assert not out.exists()
    assert runs.get(database, report.run_id).status == "failed"
    failed = journal.events(database, report.run_id, kind="step.failed")
    # It would fail again in the same way, and is tried once.
    assert [(event.actor, event.data["error"]) for event in failed] == [("keeper", "AccountingError")]
    assert standings(database, ["keeper"])["keeper"].success == 0


def replaced(plan: Plan, agent: AgentDefinition) -> Plan:
    """The plan with another agent in its second stage."""
    stage = plan.stages[1].model_copy(update={"agent": agent, "overrides": {}})
    return plan.model_copy(update={"stages": (plan.stages[0], stage, *plan.stages[2:])})


def test_an_agent_with_nothing_to_show_and_one_that_cannot_be_made_are_named(database: Database, orders: Path) -> None:
    plan = planned("batch_processing", "data_validation")
    silent = order(replaced(plan, made_agents.definition("silent", "Silent")), orders)
    report = run_assembly(database, silent, modules=MODULES)
    assert report.error is not None
    assert "What silent returned for data_validation/orders/2 is no outcome" in report.error
    before = len(runs.newest(database))
    with pytest.raises(Refused, match=r"its module tests\.made_agents is not among"):
        run_assembly(database, silent)
    with pytest.raises(InputError, match="is no agent"):
        run_assembly(database, order(replaced(plan, made_agents.definition("idle", "Idle")), orders), modules=MODULES)
    with pytest.raises(InputError, match="aggregation_agent needs group_by"):
        run_assembly(database, order(planned("batch_processing", "data_aggregation"), orders))
    foreign = orders.parent / "foreign"
    foreign.mkdir()
    with pytest.raises(TargetError, match="Crewline did not publish it"):
        run_assembly(database, order(planned("batch_processing", "data_validation"), orders, out=str(foreign)))
    assert len(runs.newest(database)) == before


def test_what_fails_by_what_is_outside_is_tried_again(database: Database, orders: Path, tmp_path: Path) -> None:
    shaky = made_agents.definition("shaky", "Shaky", configuration={"tried": str(tmp_path / "tried")})
    report = run_assembly(
        database, order(replaced(planned("batch_processing", "data_validation"), shaky), orders), modules=MODULES
    )
    assert (report.status, report.balanced) == ("done", True)
    (failed,) = journal.events(database, report.run_id, kind="step.failed")
    assert failed.data["message"] == "the service is away"
    found = standings(database, ["shaky", "batch_processor"])
    # Both attempts are on its record, the one that failed too.
    assert (found["shaky"].tasks, found["shaky"].success) == (2, 0.5)
    assert (found["batch_processor"].tasks, found["batch_processor"].success) == (1, 1.0)
    assert found["batch_processor"].throughput_rps is not None


def test_a_try_whose_time_is_up_is_on_record_as_failed(database: Database, orders: Path, tmp_path: Path) -> None:
    """And the stage waits for the next one, which a stop ends."""
    slow = made_agents.definition("slow", "Slow", configuration={"done": str(tmp_path / "done")})
    plan = replaced(planned("batch_processing", "data_validation"), slow)
    stop = Stop()

    def listen(event: journal.Event) -> None:
        if event.kind == "step.failed" and event.actor == "slow":
            stop.request("the test wants it")

    with pytest.raises(Interrupted):
        run_assembly(
            database, order(plan, orders, timeout_s=4), modules=MODULES, run_id="late-1", stop=stop, listener=listen
        )
    failed = journal.events(database, "late-1", kind="step.failed")[-1]
    assert (failed.actor, failed.data["error"], failed.data["kind"]) == ("slow", "TimedOut", "transient")


def work_on(environment: dict[str, str], asked: str, run_id: str) -> None:
    from core.settings import settings
    from core.store import open_database

    os.environ.update(environment)
    settings.cache_clear()
    run_assembly(open_database(), Order.model_validate_json(asked), modules=MODULES, run_id=run_id)


def test_a_run_that_was_killed_goes_on_at_its_stage_and_its_state_holds_references_alone(
    database: Database, configuration: Settings, orders: Path, tmp_path: Path
) -> None:
    deadly = made_agents.definition("deadly", "Deadly", configuration={"spared": str(tmp_path / "spared")})
    asked = order(replaced(planned("batch_processing", "data_validation"), deadly), orders, out=str(tmp_path / "out"))
    environment = {key: value for key, value in os.environ.items() if key.startswith("CREWLINE_")}
    process = child.forked(work_on, environment, asked.model_dump_json(by_alias=True), "killed-1")
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    report = resume_assembly(database, "killed-1", modules=MODULES)
    assert (report.status, report.balanced) == ("done", True)
    started = [event.step for event in journal.events(database, "killed-1", kind="step.started")]
    assert started == [*asked.keys, asked.keys[1], "publish/orders"]
    rows = sum(pq.read_metadata(file).num_rows for file in (tmp_path / "out").glob("*.parquet"))
    assert rows == 200
    kept = [bytes(row["blob"]) for row in database.query("SELECT blob FROM checkpoint_blobs WHERE blob IS NOT NULL")]
    assert any(b"data_validation/orders/2" in blob for blob in kept)
    assert not any(b"north" in blob for blob in kept)


def test_a_stopped_run_is_taken_up_by_crewline_itself(
    database: Database, orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its id, as any run: what its agents are is on record, and the settings say where they may come from."""
    slow = made_agents.definition("slow", "Slow", configuration={"done": str(tmp_path / "done")})
    asked = order(replaced(planned("batch_processing", "data_validation"), slow), orders)
    stop = Stop()

    def listen(event: journal.Event) -> None:
        if event.kind == "step.started" and event.actor == "slow":
            stop.request("the test wants it")

    with pytest.raises(Interrupted, match="the test wants it"):
        run_assembly(database, asked, modules=MODULES, run_id="stopped-1", stop=stop, listener=listen)
    assert runs.get(database, "stopped-1").status == "interrupted"
    (tmp_path / "done").touch()
    with pytest.raises(Refused, match="CREWLINE_AGENT_MODULES"):
        crewline.resume("stopped-1")
    monkeypatch.setenv("CREWLINE_AGENT_MODULES", MODULES[0])
    from core.settings import settings

    settings.cache_clear()
    runner = CliRunner()
    resumed = runner.invoke(app, ["resume", "stopped-1"])
    assert resumed.exit_code == 0, resumed.output
    shown = runner.invoke(app, ["status", "stopped-1"])
    assert (shown.exit_code, "2 done" in shown.output) == (0, True), shown.output
    assert runner.invoke(app, ["graph", "history", "stopped-1"]).exit_code == 0
    assert runner.invoke(app, ["resume", "stopped-1"]).exit_code == 2


def test_the_commands_assemble_run_and_account(database: Database, orders: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    words = ["assemble", "batch_processing", "data_validation", "data_aggregation"]
    plan = runner.invoke(app, [*words, "--json"])
    assert [stage["agent"]["id"] for stage in json.loads(plan.stdout)["stages"]] == [
        *("batch_processor", "validation_agent", "aggregation_agent")
    ]
    (tmp_path / "config.yaml").write_text(json.dumps({"data_validation": CHECKS}))
    options = ["--on", str(orders), "--out", str(tmp_path / "out"), "--config", str(tmp_path / "config.yaml")]
    done = runner.invoke(app, [*words, *options, "--set", "data_aggregation.group_by=[region]", "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["status"], told["balanced"], told["stages"][1]["quarantined"]) == ("done", True, 6)
    shown = runner.invoke(app, [*words, *options, "--set", "data_aggregation.group_by=[region]"])
    assert "account  balanced" in shown.output
    ways = runner.invoke(app, ["assemble", "batch_processing", "data_aggregation", "--suggest"])
    assert ways.output.splitlines()[0] == "batch_processor -> aggregation_agent"
    listed = json.loads(runner.invoke(app, ["agents", "--json"]).stdout)
    measured = {one["definition"]["id"]: one["standing"] for one in listed["agents"]}
    assert (measured["batch_processor"]["tasks"], measured["batch_processor"]["success"]) == (2, 1.0)
    assert "batch_processor" in runner.invoke(app, ["agents"]).output


def test_whether_a_failed_run_can_go_on_is_told(database: Database, tmp_path: Path) -> None:
    """A file that is empty can be brought again; what an agent was asked for stays what it is."""
    (tmp_path / "empty.csv").touch()
    words = ["assemble", "batch_processing", "data_validation", "--on", str(tmp_path / "empty.csv")]
    words += ["--set", "data_validation.checks=[{check: not_null, column: b}]"]
    empty = CliRunner().invoke(app, words)
    assert "is empty. Bring the file again" in empty.stderr
    assert "Mend that, and go on with: crewline resume assembly-" in empty.stderr
    (tmp_path / "empty.csv").write_text("a\n1\n")
    wrong = CliRunner().invoke(app, words)
    assert "the source declares no column 'b'" in wrong.stderr
    assert "Assemble it anew: this run would end so again." in wrong.stderr
    assert "resume" not in wrong.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["batch_processing"], "at least two capabilities"),
        (["batch_processing", "cooking"], "'cooking' is no capability"),
        (["data_aggregation", "data_validation"], "data_validation cannot come after data_aggregation"),
        (["batch_processing", "data_validation", "--out", "x"], "Nothing is published without data"),
        (["batch_processing", "data_validation", "--set", "x"], "'x' sets nothing"),
        (["batch_processing", "data_validation", "--set", "x.y=1"], "x: no stage of this pipeline"),
        (["batch_processing", "data_aggregation", "--on", "o.csv"], "aggregation_agent needs group_by"),
        (["batch_processing", "data_validation", "--agents", "gone.yaml"], "gone.yaml: cannot be read"),
        (["batch_processing", "--suggest"], "Name two"),
    ],
)
def test_bad_input_is_told_and_nothing_is_run(configuration: Settings, words: list[str], told: str) -> None:
    done = CliRunner().invoke(app, ["assemble", *words])
    assert (done.exit_code, told in done.output) == (2, True), done.output


def test_a_dataset_that_is_not_there_or_outside_of_the_roots_fails_its_stage(
    database: Database, tmp_path: Path
) -> None:
    plan = planned("batch_processing", "data_validation")
    gone = run_assembly(database, order(plan, tmp_path / "gone.csv"))
    assert gone.error is not None
    assert "no file matches" in gone.error
    (tmp_path / "inside").mkdir()
    asked = order(plan, tmp_path / "inside" / "x.csv").model_copy(update={"source": "/etc/passwd"})
    outside = run_assembly(database, asked)
    assert outside.error is not None
    assert "outside of the allowed roots" in outside.error
