"""What planned pipelines publish of folders in odd shapes: the numbers that the files say, and what left is told."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

import crewline
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
