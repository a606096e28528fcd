"""Folders of CSV files from other domains than the example's, with the dirt that such files have, made from a seed."""

import csv
import random
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path


def write(
    path: Path, header: str, rows: Sequence[Sequence[object]], *, delimiter: str = ",", encoding: str = "utf-8"
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding=encoding) as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header.split())
        writer.writerows(rows)


def clinics(folder: Path) -> Path:
    """Visits with a semicolon between cells and dates as they are written in Germany; patients; clinics."""
    chance = random.Random(1)
    write(
        folder / "clinics.csv",
        "clinic_id city beds",
        [(f"K{number:02}", city, chance.randint(20, 300)) for number, city in enumerate(("Oslo", "Rome", "Kyiv"), 1)],
    )
    write(
        folder / "patients.csv",
        "patient_id born sex",
        [
            (number, date(1940, 1, 1) + timedelta(chance.randrange(25_000)), chance.choice("fm"))
            for number in range(1, 121)
        ],
    )
    visits = []
    for number in range(1, 601):
        day = date(2025, 1, 1) + timedelta(chance.randrange(365))
        clinic = f"K{chance.randint(1, 3):02}"
        if number % 40 == 0:
            clinic = f" {clinic.lower()} "
        minutes = "n/a" if number % 60 == 0 else chance.randint(5, 90)
        visits.append((number, chance.randint(1, 120), clinic, f"{day:%d.%m.%Y}", minutes, chance.randint(20, 400)))
    write(folder / "visits.csv", "visit_id patient_id clinic_id visited_on minutes fee", visits, delimiter=";")
    return folder


def sensors(folder: Path) -> Path:
    """Readings by the hour, a file for each month, with numbers that stand apart; the sensors, and their sites."""
    chance = random.Random(2)
    write(folder / "sites.csv", "site_id site_name country", [(1, "North pier", "NO"), (2, "Old mill", "IT")])
    write(folder / "sensors.csv", "sensor_id site_id model", [(f"s-{n}", 1 + n % 2, f"T{n % 3}00") for n in range(6)])
    for month in (1, 2, 3):
        rows = []
        for number in range(400):
            at = datetime(2025, month, 1) + timedelta(hours=number)
            heat = round(chance.gauss(11, 4), 2)
            rows.append((at.isoformat(), f"s-{number % 6}", 9999.0 if number == 70 else heat, chance.randint(30, 90)))
        rows += rows[-3:]
        write(folder / "readings" / f"2025-{month:02}.csv", "measured_at sensor_id temperature humidity", rows)
    return folder


def payments(folder: Path) -> Path:
    """Payments with an amount, in another encoding; merchants by an id that is called otherwise there."""
    chance = random.Random(3)
    kinds = ("groceries", "travel", "cafés")
    write(
        folder / "merchants.csv",
        "id name category",
        [(number, f"Shop {number}", kinds[number % 3]) for number in range(1, 31)],
        encoding="latin-1",
    )
    rows = []
    for number in range(1, 701):
        day = date(2025, 1, 1) + timedelta(number // 3)
        amount = f"{chance.lognormvariate(3, 1):.2f}"
        if number % 50 == 0:
            amount = f"${amount}"
        status = chance.choices(("settled", "Settled ", "refused"), (0.8, 0.02, 0.18))[0]
        rows.append((f"P{number:05}", chance.randint(1, 30), day, amount, status, "" if number % 3 else day))
    write(folder / "payments.csv", "payment_ref merchant_id paid_on amount status booked_on", rows)
    return folder


def library(folder: Path) -> Path:
    """Loans of books to members, each with the day when it began and, most of them, when it ended."""
    chance = random.Random(4)
    write(
        folder / "books.csv",
        "book_id title genre",
        [(number, f"Book {number}", ("novel", "poetry", "science")[number % 3]) for number in range(1, 61)],
    )
    write(
        folder / "members.csv",
        "member_id name branch",
        [(f"M{number:03}", f"Reader {number}", ("east", "west")[number % 2]) for number in range(1, 81)],
    )
    loans = []
    for number in range(1, 501):
        day = date(2024, 1, 1) + timedelta(chance.randrange(700))
        back = "" if number % 12 == 0 else day + timedelta(chance.randint(1, 40))
        loans.append((number, chance.randint(1, 60), f"M{chance.randint(1, 80):03}", day, back))
    write(folder / "loans.csv", "loan_id book_id member_id loaned_on returned_on", loans)
    return folder
