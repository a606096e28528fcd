"""The types of the spec: what text stands for a value of each, and which values of the engine's own types are of it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.spec.column import parse_type
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.engine.types import constant, declared_type, ibis_type, missing, typed

NO = None


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def values_of(engine: Engine, cells: list[str | None], declared: str) -> list[Any]:
    source = tables.text(engine, cell=cells)
    return tables.column(engine, source.mutate(value=typed(source["cell"], declared)), "value")


TEXTS: dict[str, dict[str, Any]] = {
    "string": {"x": "x", " x ": " x ", "": NO, "  ": NO, "\t": NO, "null": "null", "0": "0"},
    "integer": {
        "0": 0,
        "7": 7,
        "-7": -7,
        "+7": 7,
        "007": 7,
        "9223372036854775807": 2**63 - 1,
        "9223372036854775808": NO,
        "-9223372036854775808": -(2**63),
        "1.0": NO,
        "1.5": NO,
        "1e3": NO,
        "1,000": NO,
        "1_000": NO,
        " 7": NO,
        "7 ": NO,
        "7\n": NO,
        "": NO,
        "-": NO,
        "0x1F": NO,
        "٧": NO,
        "true": NO,
    },
    "float": {
        "0": 0.0,
        "1.5": 1.5,
        "-.5": -0.5,
        "5.": 5.0,
        "1e3": 1000.0,
        "1E-3": 0.001,
        "+2.5": 2.5,
        "1e400": NO,
        "nan": NO,
        "NaN": NO,
        "inf": NO,
        "infinity": NO,
        ".": NO,
        "e5": NO,
        "1,5": NO,
        "1.5.5": NO,
        "1 000": NO,
        "": NO,
    },
    "boolean": {"true": True, "false": False, "True": NO, "t": NO, "1": NO, "yes": NO, "": NO},
    "date": {
        "2025-03-04": date(2025, 3, 4),
        "2024-02-29": date(2024, 2, 29),
        "0001-01-01": date(1, 1, 1),
        "2025-02-29": NO,
        "2025-13-01": NO,
        "2025-00-10": NO,
        "2025-3-4": NO,
        "20250304": NO,
        "2025/03/04": NO,
        "04.03.2025": NO,
        "2025-03-04 ": NO,
        "2025-03-04T00:00:00": NO,
        "infinity": NO,
        "today": NO,
        "": NO,
    },
    "timestamp": {
        "2025-03-04 05:06:07": datetime(2025, 3, 4, 5, 6, 7),
        "2025-03-04T05:06:07": datetime(2025, 3, 4, 5, 6, 7),
        "2025-03-04T05:06:07Z": datetime(2025, 3, 4, 5, 6, 7),
        "2025-03-04 05:06": datetime(2025, 3, 4, 5, 6),
        "2025-03-04 05:06:07.1": datetime(2025, 3, 4, 5, 6, 7, 100000),
        "2025-03-04 05:06:07.123456": datetime(2025, 3, 4, 5, 6, 7, 123456),
        "2025-03-04 05:06:07.1234567": NO,
        "2025-03-04T05:06:07+02:00": NO,
        "2025-03-04": NO,
        "2025-03-04 25:00:00": NO,
        "2025-03-04 05:61:00": NO,
        "2025-02-30 05:06:07": NO,
        "now": NO,
        "": NO,
    },
    "decimal(5,2)": {
        "1.5": Decimal("1.50"),
        "1.50": Decimal("1.50"),
        "-999.99": Decimal("-999.99"),
        "+0.01": Decimal("0.01"),
        "12": Decimal("12.00"),
        "1000": NO,
        "1.505": NO,
        "1.500": NO,
        "1.": NO,
        ".5": NO,
        "1e2": NO,
        "1,5": NO,
        "$1": NO,
        "": NO,
    },
    "decimal(3,0)": {"7": Decimal(7), "999": Decimal(999), "1000": NO, "7.0": NO},
    "decimal(2,2)": {"0.25": Decimal("0.25"), "-0.99": Decimal("-0.99"), "1.00": NO, "5": NO},
    "decimal(38,10)": {
        "1234567890123456789012345678.0123456789": Decimal("1234567890123456789012345678.0123456789"),
        "12345678901234567890123456789.0": NO,
    },
}


@pytest.mark.parametrize("declared", TEXTS)
def test_a_text_is_a_value_exactly_if_it_has_the_plain_notation_of_something_that_exists(
    engine: Engine, declared: str
) -> None:
    expected = TEXTS[declared]
    found = dict(zip(expected, values_of(engine, list(expected), declared), strict=True))
    assert found == expected


@pytest.mark.parametrize("declared", TEXTS)
def test_a_missing_cell_is_a_value_of_no_type(engine: Engine, declared: str) -> None:
    assert values_of(engine, [None], declared) == [None]


@settings(max_examples=80, derandomize=True)
@given(cells=st.lists(st.decimals(-999, 999, places=2), min_size=1, max_size=20))
def test_decimals_are_read_exactly(engine: Engine, cells: list[Decimal]) -> None:
    assert values_of(engine, [f"{cell:f}" for cell in cells], "decimal(12,2)") == cells


@settings(max_examples=80, derandomize=True)
@given(cells=st.lists(st.dates() | st.integers(-(10**18) + 1, 10**18 - 1), min_size=1, max_size=20))
def test_dates_and_integers_are_read_as_python_writes_them(engine: Engine, cells: list[date | int]) -> None:
    """And none is taken for the other."""
    texts = [str(cell) for cell in cells]
    assert values_of(engine, texts, "integer") == [cell if isinstance(cell, int) else None for cell in cells]
    assert values_of(engine, texts, "date") == [cell if isinstance(cell, date) else None for cell in cells]


WHEN = datetime(2025, 3, 4, 5, 6, 7)
MIDNIGHT = datetime(2025, 3, 4)

NATIVE: list[tuple[str, pa.Array, dict[str, list[Any]]]] = [
    (
        "integers",
        pa.array([5, -1, None], pa.int32()),
        {
            "integer": [5, -1, None],
            "string": ["5", "-1", None],
            "float": [5.0, -1.0, None],
            "decimal(3,1)": [Decimal("5.0"), Decimal("-1.0"), None],
            "boolean": [NO, NO, None],
            "date": [NO, NO, None],
        },
    ),
    ("truth values of 0 and 1", pa.array([0, 1, 2]), {"boolean": [False, True, NO]}),
    (
        "floats",
        pa.array([2.0, 2.5, 1e300, float("nan"), None]),
        {
            "integer": [2, NO, NO, NO, None],
            "decimal(12,2)": [Decimal("2.00"), Decimal("2.50"), NO, NO, None],
            "boolean": [NO, NO, NO, NO, None],
        },
    ),
    (
        "integers that a float cannot hold",
        pa.array([2**53, 2**53 + 1]),
        {"float": [float(2**53), NO], "integer": [2**53, 2**53 + 1]},
    ),
    (
        "integers beyond 64 bits with a sign",
        pa.array([2**63, 1], pa.uint64()),
        {"integer": [NO, 1], "string": [str(2**63), "1"]},
    ),
    (
        "decimals",
        pa.array([Decimal("1.2300"), Decimal("1.2345"), Decimal("7.0000")], pa.decimal128(12, 4)),
        {"decimal(12,2)": [Decimal("1.23"), NO, Decimal("7.00")], "integer": [NO, NO, 7], "float": [1.23, 1.2345, 7.0]},
    ),
    (
        "truth values",
        pa.array([True, False]),
        {"boolean": [True, False], "integer": [1, 0], "string": ["true", "false"]},
    ),
    (
        "dates",
        pa.array([date(2025, 3, 4), None]),
        {
            "date": [date(2025, 3, 4), None],
            "timestamp": [MIDNIGHT, None],
            "string": ["2025-03-04", None],
            "integer": [NO, None],
        },
    ),
    (
        "timestamps",
        pa.array([WHEN, MIDNIGHT], pa.timestamp("us")),
        {"timestamp": [WHEN, MIDNIGHT], "date": [NO, MIDNIGHT.date()], "integer": [NO, NO]},
    ),
    (
        "timestamps in nanoseconds",
        pa.array([1741064767000000000, 1741064767000000001], pa.timestamp("ns")),
        {"timestamp": [WHEN, NO]},
    ),
    (
        "timestamps with a zone",
        pa.array([WHEN.replace(tzinfo=UTC)], pa.timestamp("us", "Asia/Tokyo")),
        {"timestamp": [WHEN]},
    ),
    ("times", pa.array([time(1, 2, 3)]), {"string": ["01:02:03"], "timestamp": [NO], "integer": [NO]}),
    ("lists", pa.array([[1, 2]]), {"string": ["[1, 2]"], "integer": [NO]}),
    ("nothing", pa.nulls(2), {"string": [None, None], "integer": [None, None], "date": [None, None]}),
    ("texts", pa.array(["7", " 7", ""]), {"integer": [7, NO, None], "string": ["7", " 7", None]}),
]


@pytest.mark.parametrize(("cells", "expected"), [pytest.param(*case[1:], id=case[0]) for case in NATIVE])
def test_a_value_of_another_type_is_one_of_this_exactly_if_it_would_come_back_the_same(
    engine: Engine, cells: pa.Array, expected: dict[str, list[Any]]
) -> None:
    """Nothing is rounded, cut off or read into a value: what would lose something is not of the type."""
    source = engine.table(pa.table({ROW: list(range(len(cells))), "cell": cells}))
    for declared, values in expected.items():
        table = source.mutate(value=typed(source["cell"], declared))
        assert tables.column(engine, table, "value") == values, declared
        assert table["value"].type() == ibis.dtype(ibis_type(declared)), declared


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pa.array([None, "", "  ", "\n", "x", "null"]), [True, True, True, True, False, False]),
        (pa.array([None, 0, 1]), [True, False, False]),
    ],
)
def test_null_and_blank_text_are_missing(engine: Engine, cells: pa.Array, expected: list[bool]) -> None:
    source = engine.table(pa.table({ROW: list(range(len(cells))), "cell": cells}))
    assert tables.column(engine, source.mutate(gone=missing(source["cell"])), "gone") == expected


@pytest.mark.parametrize("declared", ["string", "integer", "float", "boolean", "date", "timestamp", "decimal(12,2)"])
def test_a_type_goes_to_the_engine_and_comes_back(declared: str) -> None:
    assert declared_type(ibis.dtype(ibis_type(declared))) == declared == parse_type(declared)


def test_a_type_that_the_spec_does_not_have_comes_back_as_none() -> None:
    assert declared_type(ibis.dtype("array<int64>")) is None


@pytest.mark.parametrize(
    ("value", "declared", "expected"),
    [
        (5, "integer", 5),
        ("5", "integer", 5),
        (5, "float", 5.0),
        (0.1, "decimal(12,2)", Decimal("0.10")),
        (5, "string", "5"),
        (True, "boolean", True),
        ("2025-03-04", "date", date(2025, 3, 4)),
        ("2025-03-04 05:06:07", "timestamp", WHEN),
        (1.5, "integer", NO),
        (True, "integer", NO),
        (10**19, "integer", NO),
        (0.125, "decimal(12,2)", NO),
        (10**10, "decimal(12,2)", NO),
        (0, "boolean", NO),
        ("no", "boolean", NO),
        ("2025-02-30", "date", NO),
        (5, "date", NO),
        ("x", "float", NO),
    ],
)
def test_a_constant_of_the_spec_is_taken_as_a_value_of_a_type_or_refused(
    engine: Engine, value: Any, declared: str, expected: Any
) -> None:
    if expected is NO:
        with pytest.raises((ValueError, TypeError), match=str(value)[:4].lower()):
            constant(value, ibis.dtype(ibis_type(declared)))
    else:
        found = constant(value, ibis.dtype(ibis_type(declared)))
        assert engine.row(tables.text(engine, x=["y"]).select(v=found))["v"] == expected
