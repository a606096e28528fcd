"""Checks of data by itself: the language, what is measured, and that it is the same however it is measured."""

import random
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from core.errors import CheckError, ExpressionError, SourceError, SpecError
from core.spec import Check, Checklist, load_checklist
from core.task import Dimension, Severity
from tests import warm
from tools.quality.reference import learned_distribution
from tools.quality.report import QualityReport, check_dataset
from tools.quality.verdict import Verdict

AT = datetime(2026, 3, 10, 12, tzinfo=UTC)

ADAPTER: TypeAdapter[Check] = TypeAdapter(Check)


def check(kind: str, **keys: Any) -> Check:
    return ADAPTER.validate_python({"check": kind, **keys})


def only(data: Any, kind: str, *, references: dict[str, Any] | None = None, **keys: Any) -> Verdict:
    """The verdict of a single check."""
    (verdict,) = check_dataset(data, [check(kind, **keys)], references=references, at=AT).verdicts
    return verdict


# --- the language ------------------------------------------------------------------------------------------------

WRONG = [
    ({"check": "freshness", "column": "c", "max_age": "1 day"}, "max_age"),
    ({"check": "freshness", "column": "c", "max_age": "0h"}, "max_age"),
    ({"check": "row_count"}, "give min, max or both"),
    ({"check": "row_count", "min": 3, "max": 2}, "min is above max"),
    ({"check": "distribution", "column": "c"}, "give either shares"),
    ({"check": "distribution", "column": "c", "shares": {"a": 1}, "mean": {"min": 0, "max": 1}}, "give either shares"),
    ({"check": "distribution", "column": "c", "shares": {"a": 0.7, "b": 0.4}}, "more than 1"),
    ({"check": "distribution", "column": "c", "mean": {"min": 2, "max": 1}}, "min is above max"),
    ({"check": "distribution", "column": "c", "quantiles": {"1.5": {"min": 2, "max": 3}}}, "less than or equal to 1"),
    ({"check": "foreign_key", "dataset": "d", "on": {}}, "at least 1"),
    ({"check": "type", "column": "c", "type": "number"}, "is no type"),
    ({"check": "not_null", "column": "c", "dimension": "beauty"}, "completeness"),
]


@pytest.mark.parametrize(("content", "told"), WRONG)
def test_a_check_that_makes_no_sense_is_refused_when_it_is_read(content: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ADAPTER.validate_python(content)


def test_a_check_says_in_its_name_what_it_looks_at() -> None:
    assert check("foreign_key", dataset="d", on={"a": "x", "b": "y"}).name == "foreign_key(a, b)"
    assert check("freshness", column="day", max_age="24h").name == "freshness(day)"
    assert check("row_count", min=1).name == "row_count"


def test_dimension_and_severity_can_be_set() -> None:
    verdict = only(pa.table({"c": [None, "x"]}), "not_null", column="c", dimension="accuracy", severity="minor")
    assert (verdict.dimension, verdict.severity, verdict.failed) == (Dimension.ACCURACY, Severity.MINOR, 1)


def test_listed_values_may_be_written_as_numbers_and_truth_values() -> None:
    assert only(pa.table({"c": [1, 2, 3, None]}), "in_set", column="c", values=[1, 2]).failed == 1
    assert only(pa.table({"c": [True, False]}), "in_set", column="c", values=[True]).failed == 1
    money = pa.table({"c": pa.array([Decimal("1.50"), Decimal("1.00"), Decimal("2.00")], pa.decimal128(5, 2))})
    assert only(money, "in_set", column="c", values=["1.5", 1, "1.001"]).failed == 1


def test_a_column_that_has_a_type_already_is_of_it() -> None:
    assert only(pa.table({"c": [1, None]}), "type", column="c", type="integer").failed == 0
    assert only(pa.table({"c": [1.0, 1.5, None]}), "type", column="c", type="integer").failed == 1


def test_bounds_are_exact_where_a_float_would_not_be() -> None:
    """2^53 and its neighbour are one float, and 0.1 is none."""
    assert only(pa.table({"c": [2**53, 2**53 + 1]}), "between", column="c", max=2**53).failed == 1
    tenth = pa.table({"c": pa.array([Decimal("0.10"), Decimal("0.11")], pa.decimal128(18, 2))})
    assert only(tenth, "between", column="c", max=0.1).failed == 1
    assert only(tenth, "between", column="c", min=0.105).failed == 1
    assert only(tenth, "between", column="c", min=-1e300, max=1e300).failed == 0


# --- keys --------------------------------------------------------------------------------------------------------

KEYS: list[tuple[dict[str, list[Any]], int]] = [
    ({"a": [1, 2, 3], "b": [1, 1, 1]}, 0),
    ({"a": [1, 2, 1], "b": [1, 1, 1]}, 2),
    ({"a": [1, 2, 1], "b": [1, 1, None]}, 0),
    ({"a": [None, None, 5], "b": [1, 1, 1]}, 0),
    ({"a": [-(2**63), 2**63 - 1, -(2**63)], "b": [0, 0, 0]}, 2),
    ({"a": ["x", "y", "x"], "b": [1, 1, 1]}, 2),
    ({"a": ["x", "", ""], "b": [1, 1, 1]}, 0),
    ({"a": [0.5, 0.5, 0.25], "b": [1, 1, 1]}, 2),
    ({"a": [date(2025, 1, 1)] * 3, "b": [1, 2, 3]}, 0),
    ({"a": [], "b": []}, 0),
]


@pytest.mark.parametrize(("columns", "failed"), KEYS)
def test_all_rows_of_a_repeated_key_fail_and_rows_without_a_whole_key_do_not(
    columns: dict[str, list[Any]], failed: int
) -> None:
    """As in SQL: null is no value, and so equal to none."""
    assert only(pa.table(columns), "unique", columns=["a", "b"]).failed == failed


def test_hundreds_of_checks_are_measured_as_a_few_are() -> None:
    rng = random.Random(3)
    table = {f"c{place}": rng.choices(["1", "2", "30", "x", None], k=60) for place in range(70)}
    wanted = [check("not_null", column=name) for name in table]
    wanted += [check("matches", column=name, pattern=r"\d") for name in table]
    wanted += [check("expression", expression="c1 = c2"), check("unique", columns=["c3", "c4"])]
    pairs = list(zip(table["c3"], table["c4"], strict=True))
    expected = [cells.count(None) for cells in table.values()]
    expected += [cells.count("30") + cells.count("x") for cells in table.values()]
    expected += [sum(None not in (a, b) and a != b for a, b in zip(table["c1"], table["c2"], strict=True))]
    expected += [sum(None not in pair and pairs.count(pair) > 1 for pair in pairs)]
    verdicts = check_dataset(pa.table(table), wanted, sample=0, at=AT).verdicts
    assert [verdict.failed for verdict in verdicts] == expected


def test_orphans_of_a_foreign_key_fail_by_name() -> None:
    orders = pa.table({"product": ["p1", "p9", None, "", "p2"], "n": [1, 1, 1, 1, 2]})
    products = pa.table({"code": ["p1", "p2", "p1", None], "size": [1, 2, 1, 9]})
    verdict = only(orders, "foreign_key", dataset="products", on={"product": "code"}, references={"products": products})
    assert (verdict.failed, verdict.sample) == (1, [{"product": "p9", "n": 1}])
    both = {"product": "code", "n": "size"}
    verdict = only(orders, "foreign_key", dataset="products", on=both, references={"products": products})
    assert verdict.failed == 1


def test_a_foreign_key_may_refer_to_its_own_dataset() -> None:
    staff = pa.table({"id": [1, 2, 3], "boss": [None, 1, 7]})
    assert only(staff, "foreign_key", dataset="table", on={"boss": "id"}).sample == [{"id": 3, "boss": 7}]


# --- the whole ---------------------------------------------------------------------------------------------------

DAYS = [date(2026, 3, 9), date(2026, 3, 1), None]
WHOLES: list[tuple[dict[str, Any], dict[str, list[Any]], bool, str]] = [
    ({"check": "row_count", "min": 3}, {"c": [1, 2, 3]}, True, "3 rows"),
    ({"check": "row_count", "min": 4}, {"c": [1, 2, 3]}, False, "3 rows"),
    ({"check": "row_count", "max": 2}, {"c": [1, 2, 3]}, False, "3 rows"),
    ({"check": "row_count", "min": 1}, {"c": []}, False, "0 rows"),
    ({"check": "freshness", "column": "c", "max_age": "36h"}, {"c": DAYS}, True, "2026-03-09 00:00:00"),
    ({"check": "freshness", "column": "c", "max_age": "35h"}, {"c": DAYS}, False, "2026-03-09 00:00:00"),
    ({"check": "freshness", "column": "c", "max_age": "1m"}, {"c": [datetime(2026, 3, 10, 11, 59)]}, True, "11:59:00"),
    ({"check": "freshness", "column": "c", "max_age": "59s"}, {"c": [datetime(2026, 3, 10, 11, 59)]}, False, "11:59"),
    (
        {"check": "freshness", "column": "c", "max_age": "1h"},
        {"c": pa.array([None], pa.timestamp("us"))},
        False,
        "no value",
    ),
    (
        {"check": "distribution", "column": "c", "mean": {"min": 2, "max": 2}, "std": {"min": 1, "max": 1}},
        {"c": [1, 2, 3, None]},
        True,
        "mean 2, std 1",
    ),
    (
        {"check": "distribution", "column": "c", "quantiles": {0.25: {"min": 1.7, "max": 1.8}}},
        {"c": [1, 2, 3, 4]},
        True,
        "quantile 0.25 1.75",
    ),
    ({"check": "distribution", "column": "c", "mean": {"min": 0, "max": 1}}, {"c": [1, 2, 3]}, False, "mean 2"),
    ({"check": "distribution", "column": "c", "std": {"min": 0, "max": 9}}, {"c": [1]}, False, "no std"),
    # Half of |0.5 - 0.75| + |0.25 - 0.25| + |0.25 - 0| = 0.25.
    (
        {"check": "distribution", "column": "c", "shares": {"a": 0.75, "b": 0.25}, "tolerance": 0.25},
        {"c": ["a", "a", "b", "x", None]},
        True,
        "distance 0.25",
    ),
    (
        {"check": "distribution", "column": "c", "shares": {"a": 0.75, "b": 0.25}, "tolerance": 0.24},
        {"c": ["a", "a", "b", "x", None]},
        False,
        "distance 0.25",
    ),
    (
        {"check": "distribution", "column": "c", "shares": {"a": 1}},
        {"c": pa.array([None], "string")},
        False,
        "no value",
    ),
]


@pytest.mark.parametrize(("content", "columns", "passed", "observed"), WHOLES)
def test_the_whole_is_judged_by_what_is_measured(
    content: dict[str, Any], columns: dict[str, Any], passed: bool, observed: str
) -> None:
    """At its bounds. What cannot be measured does not pass."""
    report = check_dataset(pa.table(columns), [ADAPTER.validate_python(content)], at=AT)
    (verdict,) = report.verdicts
    assert verdict.passed == passed == report.passed
    assert observed in (verdict.observed or "")
    assert (verdict.failed, report.quality) == (None, {})


def test_a_distribution_is_learned_from_a_sample_and_told_from_another() -> None:
    chance = random.Random(7)
    ages, kinds = [chance.gauss(40, 10) for _ in range(2000)], chance.choices("abc", [6, 3, 1], k=2000)
    sample = pa.table({"age": ages, "kind": kinds})
    for column in ("age", "kind"):
        learned = learned_distribution(sample, column, tolerance=0.2)
        assert learned_distribution(sample, column, tolerance=0.2) == learned
        again = pa.table(
            {"age": [chance.gauss(40, 10) for _ in range(2000)], "kind": chance.choices("abc", [6, 3, 1], k=2000)}
        )
        assert check_dataset(again, [learned]).passed
        other = pa.table({"age": [age + 4 for age in ages], "kind": chance.choices("abc", [2, 3, 5], k=2000)})
        assert not check_dataset(other, [learned]).passed


@pytest.mark.parametrize("column", ["gone", "empty", "many", "one"])
def test_there_is_nothing_to_learn_from_too_little_or_too_much(column: str) -> None:
    data = {"empty": [None] * 99, "many": [str(n) for n in range(99)], "one": [1, *[None] * 98]}
    with pytest.raises(SpecError, match=column):
        learned_distribution(pa.table(data), column)


# --- parts -------------------------------------------------------------------------------------------------------


def test_parts_are_judged_by_themselves() -> None:
    data = pa.table({"m": [1, 1, 2, None], "c": [1, 9, 1, 9]})
    checks = [
        check("between", column="c", max=5, per=["m"]),
        check("row_count", min=2, per=["m"]),
        check("not_null", column="c"),
    ]
    of_rows, of_whole, plain = check_dataset(data, checks).verdicts
    assert [(p.label, p.rows, p.failed, p.passed) for p in of_rows.partitions] == [
        ("m=None", 1, 1, False),
        ("m=1", 2, 1, False),
        ("m=2", 1, 0, True),
    ]
    assert [(p.label, p.observed, p.passed) for p in of_whole.partitions] == [
        ("m=None", "1 rows", False),
        ("m=1", "2 rows", True),
        ("m=2", "1 rows", False),
    ]
    assert (of_rows.failed, of_whole.observed, plain.partitions) == (2, "2 of 3 parts fail", [])


def test_the_whole_decides_where_results_are_told_apart_and_the_parts_where_the_check_itself_has_them() -> None:
    data = pa.table({"m": ["a"] * 30 + ["b"] * 20})
    (besides,) = check_dataset(data, Checklist(checks=(check("row_count", min=40),), partition_by=("m",))).verdicts
    assert (besides.passed, besides.observed) == (True, "50 rows")
    assert [(p.label, p.rows, p.passed) for p in besides.partitions] == [("m=a", 30, False), ("m=b", 20, False)]
    (each,) = check_dataset(data, [check("row_count", min=25, per=["m"])]).verdicts
    assert (each.passed, each.observed) == (False, "1 of 2 parts fail")


def test_a_checklist_may_part_all_its_checks() -> None:
    data = pa.table({"m": ["a", "b"], "c": ["1", "x"]})
    wanted = Checklist(checks=(check("not_null", column="c"),), columns={"c": "integer"}, partition_by=("m",))
    found = check_dataset(data, wanted).verdicts
    assert [(v.check, [p.failed for p in v.partitions]) for v in found] == [
        ("type(c)", [0, 1]),
        ("not_null(c)", [0, 0]),
    ]


# --- the report --------------------------------------------------------------------------------------------------


def test_quality_counts_a_row_once_in_each_dimension() -> None:
    data = pa.table({"a": ["x", None, "y", "y"], "b": ["1", "2", "z", "4"]})
    checks = [
        check("matches", column="a", pattern="x"),
        check("matches", column="b", pattern=r"\d"),
        check("not_null", column="a"),
        check("row_count", min=1),
    ]
    report = check_dataset(data, checks)
    assert [verdict.failed for verdict in report.verdicts] == [2, 1, 1, None]
    assert report.quality == {Dimension.CONSISTENCY: 0.5, Dimension.COMPLETENESS: 0.75}


@pytest.mark.parametrize(("severity", "passed"), [("critical", False), ("major", False), ("minor", True)])
def test_only_a_minor_failure_passes(severity: str, passed: bool) -> None:
    report = check_dataset(pa.table({"c": ["x"]}), [check("in_set", column="c", values=["y"], severity=severity)])
    assert report.passed == passed
    assert len(report.failed) == 1


def test_a_failing_check_shows_some_of_its_rows_as_they_came() -> None:
    data = pa.table({"c": [str(n) for n in range(10)], "d": ["x"] * 10})
    checks = Checklist(checks=(check("between", column="c", max=2),), columns={"c": "integer"})
    report = check_dataset(data, checks, sample=3)
    assert report.verdicts[1].sample == [{"c": "3", "d": "x"}, {"c": "4", "d": "x"}, {"c": "5", "d": "x"}]
    assert check_dataset(data, checks, sample=0).verdicts[1].sample == []


# --- whatever the data -------------------------------------------------------------------------------------------

FEW = st.sampled_from([None, "", " ", "north", "North", "south", "7", "a\nb"])
ROWS = st.lists(st.tuples(FEW, FEW, st.none() | st.integers(-5, 5)), min_size=1, max_size=12)


def _plain(cell: str | None) -> str | None:
    return None if cell is None or not cell.strip() else cell


JUDGED: dict[str, tuple[Check, Callable[[Any, Any, Any], bool]]] = {
    "not_null": (check("not_null", column="a"), lambda a, b, n: _plain(a) is None),
    "in_set": (
        check("in_set", column="a", values=["north", "south"]),
        lambda a, b, n: _plain(a) is not None and a not in ("north", "south"),
    ),
    "matches": (
        check("matches", column="b", pattern="[a-z]+"),
        lambda a, b, n: _plain(b) is not None and not (b.isascii() and b.isalpha() and b.islower()),
    ),
    "between": (check("between", column="n", min=0, max=3), lambda a, b, n: n is not None and not 0 <= n <= 3),
    "number": (check("not_null", column="n"), lambda a, b, n: n is None),
    "expression": (
        check("expression", expression="n > 0 or a = b"),
        lambda a, b, n: n is not None and n <= 0 and _plain(a) is not None and _plain(b) is not None and a != b,
    ),
}


@settings(max_examples=20, derandomize=True)
@given(rows=ROWS, times=st.sampled_from([1, 25_000]))
def test_rows_are_counted_right_one_by_one_and_in_groups_of_equal_texts(
    rows: list[tuple[str | None, str | None, int | None]], times: int
) -> None:
    """Tables of more than 20,000 rows are measured by groups of texts; each count is that of a plain Python loop."""
    a, b, n = zip(*rows, strict=True)
    data = pa.table(
        {
            "a": pa.array(a * times, pa.string()),
            "b": pa.array(b * times, pa.string()),
            "n": pa.array(n * times, pa.int64()),
        }
    )
    report = check_dataset(data, [of for of, _ in JUDGED.values()], sample=0)
    failing = {name: [fails(*row) for row in rows] for name, (_, fails) in JUDGED.items()}
    assert {v.check: v.failed for v in report.verdicts} == {
        JUDGED[name][0].name: sum(fails) * times for name, fails in failing.items()
    }
    for dimension, score in report.quality.items():
        own = [failing[name] for name, (of, _) in JUDGED.items() if of.dimension == dimension]
        faulty = sum(any(fails) for fails in zip(*own, strict=True))
        assert score == pytest.approx(1 - faulty / len(rows))


# --- files -------------------------------------------------------------------------------------------------------


def test_files_of_each_kind_are_checked_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text("id,n\n1,5\n2,x\n3\n")
    (tmp_path / "o.jsonl").write_text('{"id": 1, "n": 5}\n{"id": 2, "n": "x"}\n{"id\n')
    pq.write_table(pa.table({"id": [1, 2], "n": ["5", "x"]}), tmp_path / "o.parquet")
    (tmp_path / "many" / "m=1").mkdir(parents=True)
    pq.write_table(pa.table({"id": [1], "n": ["x"]}), tmp_path / "many" / "m=1" / "a.parquet")
    checks = [check("type", column="n", type="integer"), check("between", column="n", max=5)]

    def failed(name: str) -> dict[str, int | None]:
        report = check_dataset(tmp_path / name, checks)
        return {verdict.check: verdict.failed for verdict in report.verdicts} | {"rows": report.rows}

    assert failed("o.csv") == {"readable": 1, "type(n)": 1, "between(n)": 0, "rows": 3}
    assert failed("o.jsonl") == {"readable": 1, "type(n)": 1, "between(n)": 0, "rows": 3}
    assert failed("o.parquet") == {"type(n)": 1, "between(n)": 0, "rows": 2}
    assert failed("many") == {"type(n)": 1, "between(n)": 0, "rows": 1}


def test_columns_of_every_type_can_be_looked_at(tmp_path: Path) -> None:
    data = pa.table(
        {
            "small": pa.array([1, None], pa.int8()),
            "single": pa.array([1.5, None], pa.float32()),
            "zoned": pa.array([datetime(2026, 3, 10, 11, tzinfo=UTC), None], pa.timestamp("us", "Europe/Berlin")),
            "list": pa.array([[1], None], pa.list_(pa.int64())),
            "record": pa.array([{"x": 1}, None], pa.struct({"x": pa.int64()})),
            "bytes": pa.array([b"x", None], pa.binary()),
        }
    )
    pq.write_table(data, tmp_path / "t.parquet")
    checks = [check("not_null", column=name) for name in data.column_names]
    checks += [check("between", column="small", min=1), check("freshness", column="zoned", max_age="1h")]
    found = check_dataset(tmp_path / "t.parquet", checks, at=AT).verdicts
    assert [verdict.failed for verdict in found] == [1] * 6 + [0, None]
    assert all(verdict.passed for verdict in found[6:])


def test_a_document_names_files_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "codes.csv").write_text("code\nx\n")
    (tmp_path / "checks.yaml").write_text(
        "references: {codes: codes.csv}\n"
        "checks: [{check: foreign_key, dataset: codes, on: {c: code}}, {check: in_set, column: c, values: [x, y]}]\n"
    )
    report = check_dataset(pa.table({"c": ["x", "y"]}), load_checklist(tmp_path / "checks.yaml"))
    assert [verdict.failed for verdict in report.verdicts] == [1, 0]
    (tmp_path / "list.yaml").write_text("- {check: not_null, column: c}\n")
    assert check_dataset(pa.table({"c": ["x"]}), load_checklist(tmp_path / "list.yaml")).passed


# --- what cannot be done -----------------------------------------------------------------------------------------

NUMBERS = pa.table({"c": [2**62, 1], "t": ["x", "y"]})


@pytest.mark.parametrize(
    ("kind", "keys", "error", "told"),
    [
        ("matches", {"column": "t", "pattern": "(a"}, CheckError, r"check matches\(t\): '\(a' is no pattern"),
        ("matches", {"column": "t", "pattern": "a)|(b"}, CheckError, r"check matches\(t\)"),
        ("expression", {"expression": "c * c > 1"}, CheckError, r"check expression\(c \* c > 1\)"),
        ("expression", {"expression": "c +"}, ExpressionError, "c +"),
        ("expression", {"expression": "gone > 1"}, ExpressionError, "gone"),
        ("not_null", {"column": "gone"}, SpecError, "checks.0: the source declares no column 'gone'"),
        ("not_null", {"column": "c", "per": ["gone"]}, SpecError, "no column 'gone'"),
        ("between", {"column": "t", "min": 1}, SpecError, "'t' is of type string"),
        ("freshness", {"column": "c", "max_age": "1h"}, SpecError, "only a date or a timestamp has an age"),
        ("distribution", {"column": "t", "mean": {"min": 0, "max": 1}}, SpecError, "only numbers have a mean"),
        ("foreign_key", {"dataset": "d", "on": {"c": "c"}}, SpecError, "there is no file for 'd'"),
    ],
)
def test_a_check_that_cannot_be_made_is_an_error_that_names_it(
    kind: str, keys: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        check_dataset(NUMBERS, [check("not_null", column="t"), check(kind, **keys)][1:])


def test_figures_that_have_no_room_do_not_pass() -> None:
    data = pa.table({"c": [1e308, -1e308]})
    assert not only(data, "distribution", column="c", std={"min": 0, "max": 1e308}).passed


def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "torn.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "notes.txt").write_text("x")
    for name in ("torn.parquet", "notes.txt", "gone.csv"):
        with pytest.raises(SourceError, match=name.partition(".")[0]):
            check_dataset(tmp_path / name, [check("row_count", min=1)])


def test_a_report_is_plain_json() -> None:
    data = pa.table({"c": [Decimal("1.50")], "d": [date(2026, 1, 1)]})
    report = check_dataset(data, [check("between", column="c", max=1), check("row_count", max=0)])
    assert QualityReport.model_validate_json(report.model_dump_json()).passed is False


def test_the_examples_of_the_documentation_are_true(tmp_path: Path) -> None:
    """The comments beside the prints of docs/quality.md are the output; its YAML is a document."""
    text = (Path(__file__).parent.parent / "docs" / "quality.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    done = warm.python(code, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == re.findall(r"print\(.*\)\s+# (.*)", code)
    (document,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "checks.yaml").write_text(document)
    assert len(load_checklist(tmp_path / "checks.yaml").checks) == 4
