"""What is rare is not wrong for that: words near one another, units, dates and numbers that only look alike."""

import random

import pyarrow as pa
import pytest

from tests import dirt
from tests.vocabularies import VOCABULARIES
from tools.quality.cleaning.decision import judged

ISO = [f"2024-{month:02d}-{day:02d}" for month in range(1, 13) for day in range(1, 28)]
SLASHED = [f"{month:02d}/{day:02d}/2024" for month in range(1, 13) for day in range(1, 28)]


def judgements(**table: list[str]) -> list[tuple[str, str | None]]:
    """Each cell judged wrong, and what it is repaired to."""
    names = list(table)
    return [(table[names[finding.column]][finding.row], finding.after) for finding in judged(pa.table(table))]


@pytest.mark.parametrize("name", VOCABULARIES)
@pytest.mark.parametrize("rows", [200, 1000])
def test_words_that_are_near_one_another_by_nature_are_left_alone(name: str, rows: int) -> None:
    changed = cells = 0
    for seed in range(6):
        table = VOCABULARIES[name](random.Random(f"{name} {rows} {seed}"), rows)
        changed += sum(finding.after is not None for finding in judged(pa.table(table)))
        cells += rows * len(table)
    assert changed <= 0.0005 * cells


@pytest.mark.parametrize("others", [3, 12, 30])
@pytest.mark.parametrize("rare", [1, 2, 5])
def test_a_rare_country_beside_a_frequent_one_of_nearly_its_name_is_left_alone(others: int, rare: int) -> None:
    rows = [("Iran", "IR")] * 100 + [("Iraq", "IQ")] * rare
    rng = random.Random(others)
    names = ["".join(rng.choices("bcdfghklmnprst", k=8)) for _ in range(others)]
    rows += [(name, f"{place:02d}") for place, name in enumerate(names)] * 60
    countries, codes = (list(cells) for cells in zip(*rows, strict=True))
    assert judgements(country=countries, code=codes) == []
    assert judgements(country=countries) == []


def test_a_rare_word_that_keeps_the_company_of_a_frequent_one_is_a_misspelling_of_it() -> None:
    rng = random.Random(1)
    prices = {"Sales": "10", "Support": "12", "Finance": "14", "Legal": "16", "Research": "18"}
    words = rng.choices(list(prices), k=400)
    grades = [prices[word] for word in words]
    words[words.index("Finance")] = "Finamce"
    assert judgements(word=words, grade=grades) == [("Finamce", "Finance")]


def test_slips_that_come_in_series_are_repaired_without_company() -> None:
    rng = random.Random(2)
    truth = {"word": rng.choices(["Sales", "Support", "Finance", "Logistics", "Research", "Purchasing"], k=1000)}
    dirty = dirt.soiled(rng, truth, 0.02, ("typo",))
    found = judged(pa.table(dirty))
    assert len(found) >= 10
    assert all(finding.after == truth["word"][finding.row] for finding in found)


def test_spellings_of_one_unit_become_one_and_a_rare_other_unit_is_flagged() -> None:
    rng = random.Random(3)
    cells = [f"{rng.randrange(1, 60)} kg" for _ in range(500)]
    cells[3], cells[40], cells[77] = "5 KG", "9 lb", "12 kilograms"
    assert judgements(weight=cells) == [("5 KG", "5 kg"), ("9 lb", None), ("12 kilograms", "12 kg")]


@pytest.mark.parametrize("numbers", [range(15, 26), range(18, 23)], ids=["eleven", "five"])
@pytest.mark.parametrize("times", [1, 8])
def test_numbers_that_a_gap_sets_apart_are_flagged_also_when_they_repeat(numbers: range, times: int) -> None:
    rng = random.Random(4)
    cells = [str(rng.choice(numbers)) for _ in range(1000)]
    for row in range(times):
        cells[row * 50] = "99999999"
    assert judgements(age=cells) == [("99999999", None)] * times


def test_long_tails_are_no_outliers() -> None:
    rng = random.Random(5)
    table = {
        "population": [f"{rng.lognormvariate(8, 2.2):.0f}" for _ in range(3000)],
        "views": [f"{10 * rng.paretovariate(1.1):.0f}" for _ in range(3000)],
        "rain": [f"{rng.expovariate(2):.1f}" if rng.random() < 0.1 else "0" for _ in range(3000)],
    }
    assert judgements(**table) == []


def test_a_date_that_nothing_tells_how_to_read_is_flagged() -> None:
    assert judgements(day=[*ISO, "05/06/2024"]) == [("05/06/2024", None)]
    # One witness is not enough.
    assert judgements(day=[*ISO, "05/06/2024", "05/13/2024"]) == [("05/06/2024", None), ("05/13/2024", "2024-05-13")]
    witnesses = [f"05/{day}/2024" for day in range(13, 23)]
    assert ("05/06/2024", "2024-05-06") in judgements(day=[*ISO, "05/06/2024", *witnesses])


@pytest.mark.parametrize(
    ("days", "wrong"), [(SLASHED, "31/12/2024"), (ISO, "2023-02-30"), (ISO, "2024-13-01"), (SLASHED, "31/31/2024")]
)
def test_dates_in_another_order_and_of_no_calendar_are_flagged(days: list[str], wrong: str) -> None:
    assert judgements(day=[*days, wrong]) == [(wrong, None)]
    assert judgements(day=days) == []
