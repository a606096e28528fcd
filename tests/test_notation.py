"""Numbers that are written otherwise: which rules make them plain, and where none are made as they could be two."""

from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

import crewline
from core.settings import Settings
from graphs.planning.data.dates import written_dates
from graphs.planning.data.notation import written_numbers


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (["$1", "$2.50", "3"], "with $"),
        (["1,234.50", "12.5", "n/a"], "with groups of thousands after commas"),
        (["1.234,5 €", "7 EUR"], "with € and with decimal commas"),
        (["12,5", "1,234"], "with decimal commas"),
        (
            ["12.50", "(1,234.50)", "-3", "($4)"],
            "with $ and with groups of thousands after commas and with negatives in parentheses",
        ),
        (["12,50-", "1,5"], "with decimal commas and with the minus behind"),
        (["(a)", "12-"], None),
        # No more than one text tells that the point groups.
        ([*(f"{n}.250" for n in range(1, 30)), "1.234.567"], "with decimal commas"),
        # A thousand, or one and a bit.
        (["1,234", "5,678"], None),
        (["$1", "€2"], None),
        (["10%", "2.5 %"], "with %"),
        (["10%", "2 €"], None),
        (["A-1", "A-2"], None),
        (["n/a", "-"], None),
        # Codes.
        (["007", "0012"], None),
    ],
)
def test_a_notation_is_told_where_texts_can_be_read_in_one_way(texts: list[str], told: str | None) -> None:
    written = written_numbers("price", texts, whole=True)
    assert (written.told if written else None) == told


def test_amounts_in_another_notation_are_published_as_what_they_are(tmp_path: Path, configuration: Settings) -> None:
    """What is no number in the column's notation is held back, and never read as another number."""
    amounts = [f"{n},50 €" for n in range(1, 38)] + [
        "1.234,50 €",
        "1.234.567,25 €",
        "n/a",
        "1234.567,5",
        "12.5.5",
        " 9,50 €",
        "(2,00 €)",
        "-€1,00",
    ]
    lines = [f"{n};{'north' if n % 2 else 'south'};{amount}" for n, amount in enumerate(amounts, start=1)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text("\n".join(["id;region;amount", *lines]))
    crewline.plan("total amount by region", tmp_path / "data", out=tmp_path / "sales.yaml")
    report = crewline.run(tmp_path / "sales.yaml")
    assert (report.status, report.records.quarantined) == ("published", 2)
    found = duckdb.sql(f"SELECT region, amount FROM '{report.target}/*.parquet'").fetchall()
    cents = [Decimal(n) + Decimal("0.50") for n in range(1, 38)] + [Decimal("1234.50"), Decimal("1234567.25")]
    assert dict(found) == {"north": sum(cents[::2]) + Decimal("9.50") - 1, "south": sum(cents[1::2]) - 2}


def test_amounts_are_added_up_to_the_cent(tmp_path: Path, configuration: Settings) -> None:
    """As floats, 0.10 ten times over is 0.9999999999999999; a third digit needs a float."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.csv").write_text(
        "id,amount,weight\n" + "".join(f"{n},0.10,{n + 1}.125\n" for n in range(10))
    )
    proposal = crewline.plan("total amount and total weight", tmp_path / "data", out=tmp_path / "sales.yaml")
    assert "if these are thousands, it is a thousand times as much" in " ".join(proposal.remarks)
    columns = proposal.spec.sources["sales"].columns
    assert {name: columns[name].type for name in ("amount", "weight")} == {"amount": "decimal(18,2)", "weight": "float"}


@pytest.mark.parametrize(
    ("texts", "formats"),
    [
        (["01.02.2025 14:30", "28.02.2025 9:05:10"], ("%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S")),
        (["2025-03-01T10:00:00+02:00", "2025-03-02T11:30:00+02:00"], ("%Y-%m-%dT%H:%M:%S+02:00",)),
        # Two zones.
        (["2025-03-01T10:00:00+02:00", "2025-03-02T11:30:00+01:00"], None),
        (["2025-03-01", "28.02.2025"], ("%Y-%m-%d", "%d.%m.%Y")),
        # As good with the month first as with the day.
        (["31/01/2025", "01/31/2025"], None),
        (["31/01/2025", "2025-02-01", "01/02/2025"], ("%d/%m/%Y", "%Y-%m-%d")),
        (["1.2", "3.4"], None),
    ],
)
def test_notations_of_dates_are_told_where_they_read_texts_in_one_way(
    texts: list[str], formats: tuple[str, ...] | None
) -> None:
    dated = written_dates(texts)
    assert (dated.formats if dated else None) == formats


def test_times_with_a_zone_and_as_spreadsheets_write_them_are_told_by_the_hour(
    tmp_path: Path, configuration: Settings
) -> None:
    lines = [f"{n},2025-03-0{1 + n % 9}T{n % 5:02}:30:00+02:00\n" for n in range(40)]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "visits.csv").write_text("id,at\n" + "".join(lines))
    crewline.plan("visits by hour since 2025-03-09", tmp_path / "data", out=tmp_path / "visits.yaml")
    report = crewline.run(tmp_path / "visits.yaml")
    found = duckdb.sql(f"SELECT * FROM '{report.target}/*.parquet' ORDER BY ALL").fetchall()
    assert found == [("2025-03-09 00:00", 1), ("2025-03-09 01:00", 1), ("2025-03-09 02:00", 1), ("2025-03-09 03:00", 1)]
