"""Repairs of a column's cells: what is made of them, that each change is listed, and that nothing else is touched."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.spec import Check, Column, InSet, Matches, NotNull
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.engine.types import notation
from tools.quality.repair import NOTHING, repaired

NOT_NULL = NotNull(check="not_null", column="c")
REGIONS = InSet(check="in_set", column="c", values=("North", "South", "East", "West", "in transit"))
CODES = Matches(check="matches", column="c", pattern="[A-Z]{2}")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


Change = tuple[str | None, str | None, str, float]


def repair(
    engine: Engine, cells: list[str | None], kind: str, *checks: Check
) -> tuple[list[str | None], dict[int, Change]]:
    """The column after repair, and for each changed row what was listed of it."""
    raw = tables.text(engine, c=cells, other=[" kept "] * len(cells))
    rows, changes = repaired(engine, raw, {"c": Column(type=kind)}, checks)
    assert tables.column(engine, rows, ROW) == list(range(1, len(cells) + 1))
    assert tables.column(engine, rows, "other") == [" kept "] * len(cells)
    listed = [row for table in changes for row in engine.rows(table)]
    by_row = {row[ROW]: (row["before"], row["after"], row["rule"], row["confidence"]) for row in listed}
    assert len(by_row) == len(listed)
    return tables.column(engine, rows, "c"), by_row


# --- what becomes of a text, in a column of its own --------------------------------------------------------------

BECOMES: list[tuple[str, tuple[Check, ...], dict[str, str | None]]] = [
    (
        "date",
        (),
        {
            " 2025-03-04\t": "2025-03-04",
            "2025-3-4": "2025-03-04",
            "2025/03/04": "2025-03-04",
            "20250304": "2025-03-04",
            "04.03.2025": "2025-03-04",
            "4 MARCH 2025": "2025-03-04",
            "Mar 4, 2025": "2025-03-04",
            "2025-03-04T00:00:00Z": "2025-03-04",
            "13/04/2025": "2025-04-13",
            "04/13/2025": "2025-04-13",
            "03/04/2025": "03/04/2025",
            "2025-02-30": "2025-02-30",
            "30 Feb 2025": "30 Feb 2025",
            "03/04/25": "03/04/25",
            "2025-03-04 09:15": "2025-03-04 09:15",
            "N/A": None,
            "": None,
            "-": None,
        },
    ),
    (
        "decimal(12,2)",
        (),
        {
            " 12.50 ": "12.50",
            "12,50": "12.50",
            "1,234": "1234",
            "1,234.50": "1234.50",
            "1.234,50": "1234.50",
            "1,234,567.8": "1234567.8",
            "12.5000": "12.50",
            "1,234.5000": "1234.50",
            "$12.50": "12.50",
            "12,50 €": "12.50",
            "USD 1,234": "1234",
            "$12.50 USD": "12.50",
            # What could be two numbers, or two currencies, or none.
            "1.234": "1.234",
            "1.000": "1.000",
            "0,500": "0,500",
            "$12 €": "$12 €",
            "1 234": "1 234",
            "12.505": "12.505",
            "twelve": "twelve",
            "(12)": "(12)",
            "unknown": None,
        },
    ),
    (
        "float",
        (),
        {
            "1,234": "1,234",
            "1,234,567": "1234567",
            "1,234.5": "1234.5",
            "12,5": "12.5",
            "$3": "3",
            "1e": "1e",
            "NaN": None,
        },
    ),
    (
        "integer",
        (),
        {
            "7.0": "7",
            "1,234": "1234",
            "1,000.0": "1000",
            " 7": "7",
            "7.5": "7.5",
            "1.000": "1.000",
            "7,5": "7,5",
            "seven": "seven",
            "?": None,
        },
    ),
    ("boolean", (), {"YES": "true", "n": "false", "1": "true", "True": "true", "maybe": "maybe", "none": None}),
    ("timestamp", (), {" 2025-03-04 05:06 ": "2025-03-04 05:06", "04.03.2025 5:06": "04.03.2025 5:06", "nil": None}),
    (
        "string",
        (REGIONS,),
        {
            " North ": "North",
            "NORTH": "North",
            "In-Transit": "in transit",
            "IN_TRANSIT ": "in transit",
            "North-": "North",
            "Northh": "North",
            "Soutj": "South",
            "wets": "wets",
            "Wes": "Wes",
            "": None,
            "unknown": None,
            "Center": "Center",
        },
    ),
    ("string", (CODES,), {"de": "DE", " de ": "DE", "DE ": "DE", " NA ": "NA", "n/a": None, "deu": "deu", "d1": "d1"}),
    ("string", (NOT_NULL,), {" x ": "x", "NULL": None, "--": None, "nothing": "nothing"}),
    ("string", (), {" x ": "x", "null": "null", "n/a": "n/a"}),
]


@pytest.mark.parametrize(
    ("kind", "checks", "before", "after"),
    [
        pytest.param(kind, checks, before, after, id=f"{kind} {before!r}")
        for kind, checks, texts in BECOMES
        for before, after in texts.items()
    ],
)
def test_a_text_becomes_what_it_can_only_mean_or_stays(
    engine: Engine, kind: str, checks: tuple[Check, ...], before: str, after: str | None
) -> None:
    cells, changes = repair(engine, [before], kind, *checks)
    assert cells == [after]
    assert [change[:2] for change in changes.values()] == ([(before, after)] if before != after else [])


def test_every_change_is_listed_with_before_after_rule_and_confidence(engine: Engine) -> None:
    """For each cell, also where several hold the same text; several rules on one cell are named in their order."""
    cells, changes = repair(engine, [" $1,234.50", "12.50", "n/a", " $1,234.50", "x", None], "decimal(12,2)")
    assert cells == ["1234.50", "12.50", None, "1234.50", "x", None]
    price = (" $1,234.50", "1234.50", "trim, currency, number notation", 1.0)
    assert changes == {1: price, 3: ("n/a", None, "nothing", 1.0), 4: price}


def test_a_word_one_letter_off_is_less_sure_the_shorter_it_is(engine: Engine) -> None:
    _, changes = repair(engine, ["NORTH", "Northh", " Soutj"], "string", REGIONS)
    assert changes == {
        1: ("NORTH", "North", "spelling", 1.0),
        2: ("Northh", "North", "spelling", 0.833),
        3: (" Soutj", "South", "trim, spelling", 0.8),
    }


def test_a_word_that_could_mean_two_is_left(engine: Engine) -> None:
    stones = InSet(check="in_set", column="c", values=("stone", "stane", "Web", "web", "unknown"))
    cells, _ = repair(engine, ["stxne", "WEB", "Unknown", "n/a"], "string", stones)
    assert cells == ["stxne", "WEB", "unknown", None]


def test_a_nothing_word_that_a_check_lets_pass_is_a_value(engine: Engine) -> None:
    """NA is Namibia where the column holds country codes."""
    assert repair(engine, ["NA", "DE"], "string", CODES, NOT_NULL) == (["NA", "DE"], {})


# --- what the other cells tell -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "after"),
    [
        (["31/01/2025", "03/04/2025"], ["2025-01-31", "2025-04-03"]),
        (["01/31/2025", "03/04/2025"], ["2025-01-31", "2025-03-04"]),
        (["31/01/2025", "01/31/2025", "03/04/2025"], ["2025-01-31", "2025-01-31", "03/04/2025"]),
        (["03/04/2025", "05/06/2025"], ["03/04/2025", "05/06/2025"]),
        (["31/01/2025", "2025-01-02", "30/02/2025"], ["2025-01-31", "2025-01-02", "30/02/2025"]),
    ],
)
def test_slashed_dates_are_read_as_the_unambiguous_ones_of_their_column_agree(
    engine: Engine, cells: list[str | None], after: list[str | None]
) -> None:
    """Evidence that contradicts itself, and none at all, leave alone what can be read in two ways."""
    assert repair(engine, cells, "date")[0] == after


def test_the_order_of_slashed_dates_is_surer_with_more_evidence(engine: Engine) -> None:
    one = repair(engine, ["31/01/2025", "03/04/2025"], "date")[1]
    three = repair(engine, ["31/01/2025", "30/01/2025", "29/01/2025", "03/04/2025"], "date")[1]
    assert (one[2][3], three[4][3]) == (pytest.approx(2 / 3), pytest.approx(4 / 5))


def test_a_currency_is_dropped_only_where_the_column_names_no_other(engine: Engine) -> None:
    """$5 and €5 are not the same amount; without a mark, both would seem to be."""
    assert repair(engine, ["$5", "5 USD", "usd 5", "5"], "decimal(12,2)")[0] == ["5", "5", "5", "5"]
    assert repair(engine, ["$5", "5 €", "5"], "decimal(12,2)") == (["$5", "5 €", "5"], {})


def test_columns_are_repaired_each_for_itself(engine: Engine) -> None:
    """One's changes must neither mix with another's nor move rows."""
    raw = tables.text(engine, a=[" 1", "2", "3 "], b=["04.03.2025", "x", "2025-01-01"])
    columns = {"a": Column(type="integer"), "b": Column(type="date")}
    rows, changes = repaired(engine, raw, columns, ())
    assert [(row["a"], row["b"]) for row in tables.rows(engine, rows)] == [
        ("1", "2025-03-04"),
        ("2", "x"),
        ("3", "2025-01-01"),
    ]
    listed = sorted((row[ROW], row["column"], row["after"]) for table in changes for row in engine.rows(table))
    assert listed == [(1, "a", "1"), (1, "b", "2025-03-04"), (3, "a", "3")]


def test_columns_that_are_no_text_have_nothing_to_repair(engine: Engine) -> None:
    raw = tables.table(engine, {"c": "integer"}, [(1,), (None,)])
    rows, changes = repaired(engine, raw, {"c": Column(type="integer")}, (NOT_NULL,))
    assert (tables.column(engine, rows, "c"), changes) == ([1, None], [])


def test_a_pattern_that_only_the_engine_understands_leaves_the_letters_alone(engine: Engine) -> None:
    pattern = Matches(check="matches", column="c", pattern=r"\pL\d")
    assert repair(engine, [" é1", "e1", "nope"], "string", pattern)[0] == ["é1", "e1", "nope"]


# --- whatever the cells ------------------------------------------------------------------------------------------

COLUMNS: list[tuple[str, tuple[Check, ...]]] = [(kind, checks) for kind, checks, _ in BECOMES]
PADDING = st.sampled_from(["", "", " ", "\t"])
TEXTS = st.one_of(
    st.sampled_from([text for _, _, texts in BECOMES for text in texts]),
    st.text("0123456789,.", min_size=1, max_size=8),
    st.text("0123456789/.-$€ ", min_size=1, max_size=10),
    st.dates().map(str),
    st.sampled_from(NOTHING),
)
CELLS = st.none() | st.builds(lambda before, text, after: before + text + after, PADDING, TEXTS, PADDING)


def is_fit(text: str, kind: str, checks: tuple[Check, ...]) -> bool:
    """Whether a cell has the notation of its type, satisfies its checks, and is not padded."""
    fits = text == text.strip() and (kind == "string" or re.search(notation(kind), text, re.ASCII) is not None)
    for check in checks:
        if isinstance(check, InSet):
            fits = fits and text in check.values
        elif isinstance(check, Matches):
            fits = fits and re.fullmatch(check.pattern, text) is not None
        else:
            # A word for nothing is what not_null is there to catch.
            fits = fits and text.lower() not in NOTHING
    return fits


@settings(max_examples=100, derandomize=True)
@given(column=st.sampled_from(COLUMNS), cells=st.lists(CELLS, min_size=1, max_size=10))
def test_a_cell_that_is_as_it_should_be_is_never_changed_and_repair_has_an_end(
    engine: Engine, column: tuple[str, tuple[Check, ...]], cells: list[str | None]
) -> None:
    """And repairing what was repaired changes nothing; what is listed is exactly what changed."""
    kind, checks = column
    once, changes = repair(engine, cells, kind, *checks)
    for row, (before, after) in enumerate(zip(cells, once, strict=True), start=1):
        if before is None or is_fit(before, kind, checks):
            assert after == before
        assert (row in changes) == (before != after)
        if row in changes:
            assert changes[row][:2] == (before, after)
            assert changes[row][2]
            assert 0.5 < changes[row][3] <= 1
    assert repair(engine, once, kind, *checks) == (once, {})
