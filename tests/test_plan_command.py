"""crewline plan: from a goal and a folder of files to a document that runs as it is."""

import csv
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from typer.testing import CliRunner

import crewline
from core import journal
from core.errors import AmbiguousGoal
from core.settings import Settings, settings
from core.spec import load
from core.store import Database
from core.task import Stage
from crewline.cli import app
from crewline.commands import planning as command
from tests import folders
from tests.model import ScriptedModel
from tools.orchestration.rates import PRIOR_RUN_S, measured

ROOT = Path(__file__).parent.parent


def result(out: Path) -> list[tuple[Any, ...]]:
    """The published rows of a planned pipeline."""
    target = out.parent / load(out).target.path
    return duckdb.sql(f"SELECT * FROM '{target}/*.parquet' ORDER BY ALL").fetchall()


def rows(path: Path, delimiter: str = ",", encoding: str = "utf-8") -> list[dict[str, str]]:
    with path.open(newline="", encoding=encoding) as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def counted(values: list[Any]) -> list[tuple[Any, ...]]:
    return sorted((*value, values.count(value)) for value in set(values))


def visits(folder: Path) -> list[tuple[Any, ...]]:
    city = {row["clinic_id"]: row["city"] for row in rows(folder / "clinics.csv")}
    found = [
        (f"{row['visited_on'][6:]}-{row['visited_on'][3:5]}", city[row["clinic_id"].strip().upper()])
        for row in rows(folder / "visits.csv", ";")
    ]
    return counted(found)


def hottest(folder: Path) -> list[tuple[Any, ...]]:
    site = {row["sensor_id"]: int(row["site_id"]) for row in rows(folder / "sensors.csv")}
    heat: dict[int, list[Decimal]] = {}
    for file in (folder / "readings").iterdir():
        for row in rows(file):
            if Decimal(row["temperature"]) < 9_000:
                heat.setdefault(site[row["sensor_id"]], []).append(Decimal(row["temperature"]))
    return sorted((number, min(found), max(found)) for number, found in heat.items())


def settled(folder: Path) -> list[tuple[Any, ...]]:
    category = {row["id"]: row["category"] for row in rows(folder / "merchants.csv", encoding="latin-1")}
    total: dict[str, int] = {}
    for row in rows(folder / "payments.csv"):
        cents = round(float(row["amount"].strip("$")) * 100)
        if row["status"].strip().lower() == "settled" and cents > 20_00 and row["paid_on"] >= "2025-03-01":
            total[category[row["merchant_id"]]] = total.get(category[row["merchant_id"]], 0) + cents
    return sorted(total.items())


def durations(folder: Path) -> list[tuple[Any, ...]]:
    from datetime import date

    genre = {row["book_id"]: row["genre"] for row in rows(folder / "books.csv")}
    days: dict[str, list[int]] = {}
    for row in rows(folder / "loans.csv"):
        if row["returned_on"]:
            taken = (date.fromisoformat(row["returned_on"]) - date.fromisoformat(row["loaned_on"])).days
            days.setdefault(genre[row["book_id"]], []).append(taken)
    return sorted((name, max(found)) for name, found in days.items())


@pytest.mark.parametrize(
    ("make", "goal", "truth"),
    [
        (folders.clinics, "visits per month and city", visits),
        (folders.sensors, "minimum and maximum temperature per site", hottest),
        (
            folders.payments,
            "total amount by category, only settled, since March 2025, where amount is over 20",
            settled,
        ),
        (folders.library, "longest loan duration by genre", durations),
    ],
)
def test_a_folder_of_files_becomes_a_published_dataset_without_a_line_written(
    tmp_path: Path,
    database: Database,
    make: Callable[[Path], Path],
    goal: str,
    truth: Callable[[Path], list[tuple[Any, ...]]],
) -> None:
    """What is published is what the files say by another way of reading them, dirt put right."""
    folder, out = make(tmp_path / "files"), tmp_path / "pipeline.yaml"
    proposal = crewline.plan(goal, folder, out=out)
    assert 0.5 < proposal.confidence < 1
    assert proposal.duration_s > 0
    assert proposal.plan.optimal
    report = crewline.run(out)
    assert report.status == "published"
    assert report.records.held == 0
    published = result(out)
    if truth is settled:
        published = [(name, round(amount * 100)) for name, amount in published]
    assert published == truth(folder)
    # What the run took is what the next plan expects.
    rates = measured(database)
    for stage in (Stage.INGESTION, Stage.VALIDATION, Stage.AGGREGATION):
        assert rates.of(stage).done == rates.of(stage).attempts > 0
    assert rates.of(Stage.INGESTION, "csv").done >= len(proposal.spec.sources)
    assert 0 < rates.beside_s < report.duration_s
    assert rates.beside_s != PRIOR_RUN_S


def test_the_document_says_why_each_part_is_there(tmp_path: Path, configuration: Settings) -> None:
    out = tmp_path / "pipeline.yaml"
    done = CliRunner().invoke(
        app,
        [
            "plan",
            "monthly revenue by region from orders and customers",
            "--sources",
            str(ROOT / "examples"),
            "--out",
            str(out),
        ],
    )
    assert done.exit_code == 0, done.output
    text = out.read_text()
    told = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    for why in (
        "The goal: monthly revenue by region from orders and customers",
        "no column is called revenue: it is quantity x unit_price of orders",
        "Rows of orders look up customers by customer_id: 99.3% of 3,035 rows find theirs by their letters, and 98.3%",
        "14 spellings come down to 4 values",
        "4 values are 1,467 and more, where all others are 20 and less",
        "Left out, as nothing needs them: product_id, status, channel, note",
    ):
        assert why in told, text
    content = yaml.safe_load(text)
    assert content["sources"]["orders"]["columns"]["unit_price"] == "decimal(18,2)"
    assert content["aggregation"]["group_by"] == ["month", "region"]
    assert f"crewline run {out}" in done.output
    assert "confidence" in done.output


def test_where_a_goal_is_ambiguous_the_readings_are_listed_and_one_is_picked(
    tmp_path: Path, configuration: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "pipeline.yaml"
    folder = folders.payments(tmp_path / "files")
    folders.write(folder / "fees.csv", "fee_id category amount", [(1, "travel", "2.50"), (2, "groceries", "3.10")])
    asked = ["plan", "average amount by category", "--sources", str(folder), "--out", str(out)]
    run = CliRunner()
    listed = run.invoke(app, asked)
    assert listed.exit_code == 2
    assert "1. mean of amount of fees" in listed.stderr
    assert "2. mean of amount of payments" in listed.stderr
    assert not out.exists()
    assert "There is no reading 3" in run.invoke(app, [*asked, "--reading", "3"]).stderr
    assert run.invoke(app, [*asked, "--reading", "2"]).exit_code == 0
    assert load(out).result == "payments"
    monkeypatch.setattr(command, "at_terminal", lambda: True)
    prompted = run.invoke(app, asked, input="7\n1\n")
    assert prompted.exit_code == 0, prompted.output
    assert load(out).result == "fees"


def test_what_cannot_be_planned_is_told_with_the_way_out(tmp_path: Path, configuration: Settings) -> None:
    folder, out = folders.clinics(tmp_path / "files"), tmp_path / "pipeline.yaml"
    (tmp_path / "none").mkdir()

    def refused(goal: str, sources: Path) -> str:
        done = CliRunner().invoke(app, ["plan", goal, "--sources", str(sources), "--out", str(out)])
        assert done.exit_code == 2
        return done.stderr

    assert "The goal is empty. There are: clinics (clinic_id, city, beds)" in refused("", folder)
    assert "Nothing there is called 'humidity'" in refused("humidity by city", folder)
    assert "Nothing in" in refused("visits by city", tmp_path / "none")
    assert "there is no such folder" in refused("visits by city", tmp_path / "nowhere")
    out.write_text("name: mine\n")
    assert "was not planned by Crewline" in refused("visits by city", folder)
    assert out.read_text() == "name: mine\n"


GOAL: dict[str, Any] = {
    "base": "visits",
    "measures": [{"name": "income", "function": "sum", "column": {"dataset": "visits", "column": "fee"}}],
    "groups": [{"dataset": "clinics", "column": "city"}],
}


def test_a_model_reads_the_goal_and_is_held_to_what_there_is(
    tmp_path: Path, database: Database, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CREWLINE_LLM_MODEL", "scripted")
    monkeypatch.setenv("OPENAI_BASE_URL", model.url)
    settings.cache_clear()
    folder = folders.clinics(tmp_path / "files")
    model.calls_amiss("Goal", GOAL)
    read = crewline.plan("what does each town bring in?", folder)
    assert read.by == "scripted"
    assert read.reading == "sum of fee of visits as income, from the rows of visits, by city of clinics"
    assert "dataset visits, 600 rows" in str(model.requests[0]["messages"])
    nonsense = {**GOAL, "groups": [{"dataset": "clinics", "column": "mayor"}]}
    model.calls_amiss("Goal", nonsense).calls_amiss("Goal", nonsense)
    by_rules = crewline.plan("visits by city", folder)
    assert by_rules.by == "rules"
    assert "there is no mayor of clinics" in by_rules.remarks[0]
    with pytest.raises(AmbiguousGoal):
        crewline.plan("number of different patients and total fee by id", folder)
    told = journal.events(database, None, kind="pipeline.planned")
    assert [event.data["by"] for event in told] == ["scripted", "rules"]
