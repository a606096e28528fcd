"""What planned pipelines publish of folders in odd shapes: the numbers that the files say, and what left is told."""

import random
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

import crewline
from core.errors import AmbiguousGoal, GoalError
from core.report import RunReport
from core.settings import Settings
from graphs.planning.data.proposal import Proposal
from tests import folders

Order = tuple[int, int, float]


def orders(number: int, *, seed: int = 1) -> list[Order]:
    """Orders as their id, their customer's, and an amount in cents that is rightly skewed."""
    chance = random.Random(seed)
    return [(n, 1 + n % 9, round(100 * chance.lognormvariate(3, 1))) for n in range(1, number + 1)]


def totals(found: Sequence[Order]) -> dict[str, int]:
    """The cents of each region, by the customer."""
    sums: dict[str, int] = {}
    for _, customer, cents in found:
        sums[f"R{customer % 3}"] = sums.get(f"R{customer % 3}", 0) + int(cents)
    return sums


def published(
    folder: Path, rows: Sequence[Sequence[Any]], customers: Sequence[Sequence[Any]]
) -> tuple[dict[str, int], Proposal, RunReport]:
    """The total amount by region, planned and run, in cents; the plan, and the run's report."""
    folders.write(folder / "data" / "orders.csv", "order_id customer_id amount", rows)
    folders.write(folder / "data" / "customers.csv", "customer_id region", customers)
    proposal = crewline.plan("total amount by region", folder / "data", out=folder / "pipeline.yaml")
    report = crewline.run(folder / "pipeline.yaml")
    found = duckdb.sql(f"SELECT region, amount FROM '{report.target}/*.parquet'").fetchall()
    return {region: round(amount * 100) for region, amount in found}, proposal, report


CUSTOMERS = [(n, f"R{n % 3}") for n in range(1, 10)]


def test_copies_of_rows_count_once_however_many_there_are_and_contradictions_not_at_all(
    tmp_path: Path, configuration: Settings
) -> None:
    found = orders(120)
    rows = [(n, customer, cents / 100) for n, customer, cents in found]
    contradicted = [(5, rows[4][1], 1.0)]
    sums, _, report = published(tmp_path, [*rows, *rows[20:34], *contradicted], [*CUSTOMERS, CUSTOMERS[0]])
    assert sums == totals([order for order in found if order[0] != 5])
    assert (report.records.merged, report.records.quarantined) == (15, 2)
    # What was published beside the sources is none of them.
    again = crewline.plan("total amount by region", tmp_path)
    assert again.goal.base == "orders"
    assert f"{tmp_path}/out/total_amount_by_region is what a pipeline published" in " ".join(again.remarks)


def test_dates_amounts_names_and_keys_as_spreadsheets_write_them(tmp_path: Path, configuration: Settings) -> None:
    """Two notations of dates, Windows-1252 that begins late, an umlaut in a file's name, keys in another letter case,
    and amounts of which the largest are far from the others, but not apart."""
    data = tmp_path / "data"
    found = [*orders(199), (200, 1, 400_000_00)]
    days = [date(2025, 1 + n % 12, 1 + n % 28).strftime("%d.%m.%Y" if n % 2 else "%Y-%m-%d") for n, *_ in found]
    rows = [
        (n, f"K{customer}", day, f"{cents // 100},{cents % 100:02} €" if n > 60 else f"{cents // 100},{cents % 100:02}")
        for (n, customer, cents), day in zip(found, days, strict=True)
    ]
    rows[7] = (8, "K1", "soon", "5,00 €")
    folders.write(data / "Aufträge.csv", "nr kunde_nr datum betrag", rows, delimiter=";", encoding="windows-1252")
    folders.write(data / "kunden.csv", "kunde_nr region", [(f" k{n}", region) for n, region in CUSTOMERS])
    proposal = crewline.plan("total betrag by month and region since May 2025", data, out=tmp_path / "p.yaml")
    for why in (
        "It is written in windows-1252, as most of its lines beyond ASCII are no UTF-8",
        "of its texts are dates by %Y-%m-%d or %d.%m.%Y",
        "100.0% of 200 rows find theirs by their letters, and 0.0% as they are written",
    ):
        assert why.lower() in " ".join(proposal.text.replace("#", "").split()).lower()
    assert "their rows are held back" in " ".join(proposal.remarks)
    report = crewline.run(tmp_path / "p.yaml")
    assert report.records.quarantined == 1
    sums: dict[tuple[str, str], int] = {}
    for (n, customer, cents), _ in zip(found, days, strict=True):
        if n != 8 and 1 + n % 12 >= 5:
            key = f"2025-{1 + n % 12:02}", f"R{customer % 3}"
            sums[key] = sums.get(key, 0) + cents
    result = duckdb.sql(f"SELECT month, region, betrag FROM '{report.target}/*.parquet'").fetchall()
    assert {(month, region): round(amount * 100) for month, region, amount in result} == sums


def test_dates_of_which_nothing_shows_whether_day_or_month_comes_first_are_asked_about(
    tmp_path: Path, configuration: Settings
) -> None:
    """Each first of a month: as good as each first to twelfth of January."""
    rows = [(n, f"{n:02}/01/2025", n) for n in range(1, 13)]
    folders.write(tmp_path / "sales.csv", "id day amount", rows)
    with pytest.raises(AmbiguousGoal, match=r"with the day first in day of sales(.|\n)*with the month first in day"):
        crewline.plan("amount by month", tmp_path)
    proposal = crewline.plan("amount by month", tmp_path, reading=2)
    assert 'formats: ["%m/%d/%Y"]' in proposal.text
    assert "with the month first in day of sales" in proposal.reading


STATIONS = [(n, ("North", "South")[n % 2]) for n in range(1, 7)]
RIDES = [(n, 1 + n % 6, 1 + n * n % 6, f"2025-03-{1 + n % 28:02}T10:00:00", n % 50) for n in range(1, 90)]


def rides(folder: Path) -> Path:
    """Rides begin and end at stations; each takes up to 49 minutes."""
    rows = [(*one[:4], one[3].replace("10:00", f"10:{one[4]:02}")) for one in RIDES]
    folders.write(folder / "data" / "rides.csv", "ride_id start_station end_station started_at ended_at", rows)
    folders.write(folder / "data" / "stations.csv", "station district", STATIONS)
    return folder / "data"


def test_a_dataset_that_rows_look_up_in_two_ways_is_asked_about_unless_the_goal_names_one(
    tmp_path: Path, configuration: Settings
) -> None:
    data = rides(tmp_path)
    with pytest.raises(AmbiguousGoal) as caught:
        crewline.plan("number of rides by district", data)
    ways = [way.partition("looked up by ")[2] for way in caught.value.readings]
    assert sorted(ways) == ["end_station of rides", "start_station of rides"]
    crewline.plan("number of rides by district of the end station", data, out=tmp_path / "pipeline.yaml")
    report = crewline.run(tmp_path / "pipeline.yaml")
    ended = [dict(STATIONS)[end] for _, _, end, *_ in RIDES]
    found = duckdb.sql(f"SELECT district, rides FROM '{report.target}/*.parquet'").fetchall()
    assert dict(found) == {district: ended.count(district) for district in set(ended)}


def test_a_duration_between_times_of_day_is_in_hours(tmp_path: Path, configuration: Settings) -> None:
    proposal = crewline.plan("average duration of rides by start station", rides(tmp_path), out=tmp_path / "p.yaml")
    assert "the hours from started_at of rides to ended_at of rides" in proposal.reading
    report = crewline.run(tmp_path / "p.yaml")
    found = dict(
        duckdb.sql(f"SELECT start_station, mean_duration_ride_hours FROM '{report.target}/*.parquet'").fetchall()
    )
    for station, _ in STATIONS:
        minutes = [one[4] for one in RIDES if one[1] == station]
        assert found[station] == pytest.approx(sum(minutes) / len(minutes) / 60)


def test_values_of_datasets_of_a_few_rows_are_known_and_what_rows_would_multiply_is_told(
    tmp_path: Path, configuration: Settings
) -> None:
    """A store's budget stands beside each of its sales: adding it up says so."""
    sales = [(n, "abc"[n % 3], n) for n in range(1, 40)]
    folders.write(tmp_path / "data" / "sales.csv", "sale_id store amount", sales)
    stores = [("a", "Rome", 10), ("b", "Oslo", 20), ("c", "Bergen", 40)]
    folders.write(tmp_path / "data" / "stores.csv", "store city budget", stores)
    proposal = crewline.plan("amount and budget where city is Oslo or Rome", tmp_path / "data", out=tmp_path / "p.yaml")
    assert "budget of stores counts once for each row of sales" in " ".join(proposal.remarks)
    report = crewline.run(tmp_path / "p.yaml")
    found = duckdb.sql(f"SELECT amount, budget FROM '{report.target}/*.parquet'").fetchall()
    kept = [(amount, store) for _, store, amount in sales if store != "c"]
    assert found == [(sum(amount for amount, _ in kept), sum(10 if store == "a" else 20 for _, store in kept))]
    with pytest.raises(GoalError, match="No row has 'Nowhere' as city of stores"):
        crewline.plan("amount where city is Nowhere", tmp_path / "data")


@pytest.mark.parametrize(("written", "rules"), [("{:05}", ["trim", "cast"]), ("{}.0", ["cast"])])
def test_keys_that_are_whole_numbers_in_another_notation_are_cast(
    tmp_path: Path, configuration: Settings, written: str, rules: list[str]
) -> None:
    rows = [(n, written.format(1 + n % 9), n) for n in range(1, 40)]
    folders.write(tmp_path / "orders.csv", "order_id customer_id amount", rows)
    folders.write(tmp_path / "customers.csv", "customer_id region", CUSTOMERS)
    proposal = crewline.plan("total amount by region", tmp_path)
    assert [one.rule for one in proposal.spec.transformation["orders"]] == rules
    assert "39 rows find theirs as whole numbers" in proposal.text


def test_a_key_is_made_alike_only_where_no_two_become_one(tmp_path: Path, configuration: Settings) -> None:
    rows = [(n, f"k{1 + n % 9}", n) for n in range(1, 40)]
    folders.write(tmp_path / "orders.csv", "order_id customer_id amount", rows)
    folders.write(
        tmp_path / "customers.csv", "customer_id region", [(f"k{n}", "x") for n in range(1, 9)] + [("K1", "y")]
    )
    assert not crewline.plan("total amount by region", tmp_path).spec.transformation


def test_a_dataset_is_looked_up_though_the_rows_that_are_asked_for_stand_far_down_in_it(
    tmp_path: Path, configuration: Settings
) -> None:
    """Discovery looks at the beginning of a file, and the plan at all of it."""
    folders.write(tmp_path / "orders.csv", "order_id customer_id amount", [(n, 19_000 + n, n) for n in range(1, 40)])
    customers = [(n, f"region {n % 3} of the customers") for n in range(1, 20_001)]
    folders.write(tmp_path / "customers.csv", "customer_id region", customers)
    proposal = crewline.plan("total amount by region", tmp_path)
    assert "100.0% of 39 rows find theirs" in proposal.text
