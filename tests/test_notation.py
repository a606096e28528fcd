"""Notations that people use, and what they are taken for. What could be two things is left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.quality import spelling
from tools.quality.notation import booleans, dates, numbers


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2025-03-04", "2025-03-04"),
        ("2025-3-4", "2025-03-04"),
        ("2025/03/04", "2025-03-04"),
        ("2025.03.04", "2025-03-04"),
        ("20250304", "2025-03-04"),
        ("04.03.2025", "2025-03-04"),
        ("4.3.2025", "2025-03-04"),
        ("4 Mar 2025", "2025-03-04"),
        ("04-mar-2025", "2025-03-04"),
        ("4 March 2025", "2025-03-04"),
        ("Mar 4, 2025", "2025-03-04"),
        ("march 4 2025", "2025-03-04"),
        ("Sept 4, 2025", "2025-09-04"),
        ("2025-03-04T00:00:00Z", "2025-03-04"),
        ("2025-03-04 00:00", "2025-03-04"),
        ("2025-03-04 09:15", None),
        ("03/04/2025", None),
        ("04/04/2025", "2025-04-04"),
        ("31/12/2025", "2025-12-31"),
        ("12/31/2025", "2025-12-31"),
        ("31/02/2025", None),
        ("13/13/2025", None),
        ("2025-02-30", None),
        ("31.04.2025", None),
        ("4 Mai 2025", None),
        ("4 Marble 2025", None),
        ("04.03.25", None),
        ("20225-01-01", None),
        ("soon", None),
        ("", None),
        ("٠٤.٠٣.٢٠٢٥", None),
    ],
)
def test_a_date_that_can_be_read_in_one_way_becomes_iso(text: str, iso: str | None) -> None:
    assert dates.iso(text) == (iso or text)


@pytest.mark.parametrize(
    ("column", "text", "iso"),
    [
        (["13/01/2025"], "03/04/2025", "2025-04-03"),
        (["01/13/2025"], "03/04/2025", "2025-03-04"),
        (["13/01/2025", "01/13/2025"], "03/04/2025", None),
        (["01/02/2025"], "03/04/2025", None),
        (["31/12/2025"], "31/02/2025", None),
        (["13/01/2025"], "01/13/2025", None),
    ],
)
def test_a_slashed_date_is_read_as_its_column_tells(column: list[str], text: str, iso: str | None) -> None:
    """If those that can be read in one way only agree."""
    assert dates.iso_slashed(text, dates.order_of(column)) == (iso or text)


def test_confidence_in_an_order_grows_with_its_evidence() -> None:
    """Laplace's rule of succession: (n + 1) / (n + 2)."""
    assert dates.order_of(["13/01/2025"]).confidence == pytest.approx(2 / 3)
    assert dates.order_of(["13/01/2025"] * 8).confidence == pytest.approx(0.9)


@given(st.dates())
def test_a_date_in_any_one_way_notation_comes_back(day: object) -> None:
    """Written in each notation and read again, it is the same day."""
    for pattern in ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d %b %Y", "%b %d, %Y", "%Y%m%d"):
        text = format(day, pattern)
        # Before the year 1000, %Y is shorter than four digits here, and nothing is read into that.
        assert dates.iso(text) in (format(day, "%Y-%m-%d"), text)
        if format(day, "%Y") >= "1000" and len(format(day, "%Y")) == 4:
            assert dates.iso(text) == format(day, "%Y-%m-%d")


@pytest.mark.parametrize(
    ("text", "declared", "plain"),
    [
        ("1,234,567", "integer", "1234567"),
        ("1,234", "integer", "1234"),
        ("3.0", "integer", "3"),
        ("3.000", "integer", "3.000"),
        ("1.500", "decimal(12,2)", "1.500"),
        ("3.5", "integer", "3.5"),
        ("1,234.50", "decimal(12,2)", "1234.50"),
        ("1.234,50", "decimal(12,2)", "1234.50"),
        ("12,50", "decimal(12,2)", "12.50"),
        ("-12,5", "float", "-12.5"),
        ("1,234", "decimal(12,2)", "1234"),
        ("1,234", "decimal(12,4)", "1,234"),
        ("1,234", "float", "1,234"),
        ("12.5000", "decimal(12,2)", "12.50"),
        ("12.505", "decimal(12,2)", "12.505"),
        ("1,23,456", "integer", "1,23,456"),
        ("12..50", "decimal(12,2)", "12..50"),
        ("three", "integer", "three"),
        ("1.7.2", "integer", "1.7.2"),
    ],
)
def test_a_number_becomes_plain_where_it_can_be_only_one(text: str, declared: str, plain: str) -> None:
    assert numbers.plain(text, declared) == plain


def test_a_column_that_writes_decimal_commas_has_no_certain_groups() -> None:
    """1,234 beside 1,50 may be one and a bit, or a thousand and more."""
    assert numbers.has_decimal_comma("1,50")
    assert numbers.has_decimal_comma("1.234,50")
    assert not numbers.has_decimal_comma("1,234")
    assert numbers.plain("1,234", "decimal(12,2)", commas=True) == "1,234"
    assert numbers.plain("1,234,567.50", "decimal(12,2)", commas=True) == "1234567.50"


@pytest.mark.parametrize(
    ("text", "code", "bare"),
    [
        ("$1,234.50", "usd", "1,234.50"),
        ("12.50 USD", "usd", "12.50"),
        ("EUR 3", "eur", "3"),
        ("€ 3,50", "eur", "3,50"),
        ("-3", None, "-3"),
        ("free", None, "free"),
        ("usd", None, "usd"),
        ("3 apples", None, "3 apples"),
    ],
)
def test_a_currency_is_told_from_its_number(text: str, code: str | None, bare: str) -> None:
    assert numbers.currency(text) == code
    assert numbers.without_currency(text) == bare


@pytest.mark.parametrize(
    ("text", "plain"), [("YES", "true"), ("n", "false"), ("1", "true"), ("0", "false"), ("maybe", "maybe")]
)
def test_truth_values_have_usual_spellings(text: str, plain: str) -> None:
    assert booleans.plain(text) == plain


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        (" Delivered ", ("delivered", 1.0)),
        ("IN-TRANSIT", ("in transit", 1.0)),
        ("in_transit", ("in transit", 1.0)),
        ("deliverd", ("delivered", 0.875)),
        ("delivereds", ("delivered", 0.9)),
        ("dclivered", ("delivered", 0.889)),
        ("dlvrd", None),
        ("wbe", None),
        ("wet", None),
        ("stxne", None),
        ("", None),
    ],
)
def test_a_word_is_taken_for_the_listed_one_that_it_must_mean(word: str, meant: tuple[str, float] | None) -> None:
    """Ties and short words are left alone: `stxne` could be stone or stane."""
    listed = ("delivered", "in transit", "web", "stone", "stane")
    assert spelling.listed(word, listed) == meant


@given(st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_letter_apart_is_a_levenshtein_distance_of_one(a: str, b: str) -> None:
    """Against the definition, by trying all edits."""
    letters = "abc"
    edits = {a[:i] + a[i + 1 :] for i in range(len(a))}
    edits |= {a[:i] + x + a[i:] for i in range(len(a) + 1) for x in letters}
    edits |= {a[:i] + x + a[i + 1 :] for i in range(len(a)) for x in letters}
    assert spelling._one_apart(a, b) == (b in edits - {a})
