"""What texts, types, expressions and aggregates mean is said by the tables of DuckDB's tests, and holds on Spark."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from core.errors import DataError, EngineError
from tests import tables, test_expression, test_types
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.engine.types import typed
from tools.transformation.expression import aggregate, scalar
from tools.transformation.functions import AGGREGATES, SCALARS


@pytest.mark.parametrize("declared", test_types.TEXTS)
def test_a_text_is_a_value_of_its_type_on_spark_exactly_if_it_is_one_on_duckdb(spark: Engine, declared: str) -> None:
    expected = test_types.TEXTS[declared]
    source = tables.text(spark, cell=[*expected, None])
    found = tables.column(spark, source.mutate(value=typed(source["cell"], declared)), "value")
    assert dict(zip([*expected, None], found, strict=True)) == expected | {None: None}


@pytest.mark.parametrize(("cells", "expected"), [pytest.param(*case[1:], id=case[0]) for case in test_types.NATIVE])
def test_a_value_of_another_type_is_one_of_this_on_spark_exactly_if_it_is_one_on_duckdb(
    spark: Engine, cells: pa.Array, expected: dict[str, list[Any]]
) -> None:
    source = spark.table(pa.table({ROW: list(range(len(cells))), "cell": cells}))
    found = tables.rows(spark, source.mutate(**{kind: typed(source["cell"], kind) for kind in expected}))
    assert {kind: [row[kind] for row in found] for kind in expected} == expected


def test_every_operator_and_function_has_its_meaning_on_spark(spark: Engine) -> None:
    full, nulls = test_expression.FULL, test_expression.NULLS
    table = tables.table(spark, test_expression.TYPES, [full, nulls])
    texts = list(test_expression.MEANINGS)
    found = tables.rows(spark, table.select(ROW, **{f"x{i}": scalar(text, table) for i, text in enumerate(texts)}))
    for index, text in enumerate(texts):
        values = tuple(row[f"x{index}"] for row in found)
        expected = test_expression.MEANINGS[text]
        assert values == expected, text
        # Of logarithms the table says what they are near to.
        exact = [(v, e) for v, e in zip(values, expected, strict=True) if not isinstance(e, type(pytest.approx(1.0)))]
        assert [type(v) for v, _ in exact] == [type(e) for _, e in exact], text


FOUR = [
    (1, Decimal("0.1"), "b", date(2025, 1, 1), 0.1),
    (1, Decimal("0.2"), "a", date(2025, 1, 2), 0.7),
    (3, Decimal("0.3"), None, date(2025, 1, 3), None),
    (None, None, None, None, 1e10),
]


def test_every_aggregate_has_its_meaning_on_spark(engines: tuple[Engine, Engine]) -> None:
    """Statistics of floats are the same up to the order in which they are added."""
    found = []
    for engine in engines:
        types = {"i": "integer", "d": "money", "s": "string", "t": "date", "f": "float"}
        four = tables.table(engine, types, FOUR)
        values = {f"x{i}": aggregate(text, four) for i, text in enumerate(test_expression.AGGREGATES)}
        found.append(engine.row(four.aggregate(**values)))
        nobody = four.filter(four["i"] > 100)
        none = {f"x{i}": aggregate(text, nobody) for i, text in enumerate(test_expression.AGGREGATES)}
        found[-1] |= {f"none of {name}": value for name, value in engine.row(nobody.aggregate(**none)).items()}
    assert found[1] == {k: pytest.approx(v) if isinstance(v, float) else v for k, v in found[0].items()}
    assert [type(value) for value in found[1].values()] == [type(value) for value in found[0].values()]


# Where engines are known to differ: signs, halves, long numbers, other alphabets, what means something in patterns.
TYPES = {"i": "integer", "f": "float", "d": "money", "s": "string", "t": "date", "ts": "timestamp"}
ODD: list[tuple[Any, ...]] = [
    (0, 0.0, Decimal("0.00"), "", date(2, 1, 1), datetime(2, 1, 1)),
    (-1, -0.5, Decimal("-0.05"), " a\tb ", date(1582, 10, 4), datetime(1582, 10, 4, 23, 59, 59, 999999)),
    (7, 0.5, Decimal("0.50"), "100%_\\", date(1900, 2, 28), datetime(1969, 12, 31, 23, 59, 59, 500000)),
    (-7, 1.5, Decimal("1.50"), "it's `so`", date(2024, 2, 29), datetime(2024, 2, 29, 12)),
    (25, 2.5, Decimal("2.50"), "line\nend\n", date(2024, 12, 30), datetime(2024, 12, 30, 1, 2, 3, 100000)),
    (2**53 + 1, 1.005, Decimal("9999999999.99"), "ÄÖÜ äöü ñ Ж", date(2025, 3, 4), datetime(2025, 3, 4, 5, 6, 7, 10)),
    (2**62, 1e16, Decimal("-9999999999.99"), "日本🎉", date(9998, 12, 31), datetime(9998, 12, 31, 23, 59, 59)),
    (-(2**63), 1.0e-5, Decimal("0.01"), "\u00a0x\u00a0", date(2025, 1, 1), datetime(2025, 1, 1)),
    (3, 123456789.125, Decimal("0.10"), "NULL", date(2020, 12, 31), datetime(2020, 12, 31, 0, 30)),
    (4, 12345678.9, Decimal("1.10"), "a.b*c", date(2021, 1, 3), datetime(2021, 1, 3, 0, 0, 1)),
    (None, None, None, None, None, None),
]
EXPRESSIONS = [
    "cast(f as string)",
    "cast(f * 0.1 as string)",
    "cast(d as string)",
    "cast(ts as string)",
    "cast(t as string)",
    "cast(f as integer)",
    "cast(d as integer)",
    "cast(f as decimal(12,2))",
    "cast(d as decimal(12,1))",
    "cast(i as decimal(10,2))",
    "cast(f as boolean)",
    "cast(i as float)",
    "cast(ts as date)",
    "cast(t as timestamp)",
    "cast(s as integer)",
    "s || cast(f as string)",
    "round(f, 2)",
    "round(f, 0)",
    "round(f)",
    "round(d, 1)",
    "round(d)",
    "ceil(f / 10)",
    "floor(f / 10)",
    "floor(d)",
    "ceil(d)",
    "i % 4",
    "f % 0.3",
    "d % 0.3",
    "i / 3",
    "d / 3",
    "f / 3",
    "d * 1.005 * 3",
    "d * d",
    "d + 0.001",
    "abs(d - 10)",
    "-d",
    "i = f",
    "i < d",
    "d < f",
    "d in (0.5, 1.5)",
    "trim(s)",
    "upper(s)",
    "lower(s)",
    "length(s)",
    "substr(s, 2, 3)",
    "substr(s, 1)",
    "replace(s, 'a', '\\')",
    "replace(s, '.', '$1')",
    "s like '%\\%'",
    "s like '100%'",
    "s like '%_\\'",
    "s like '%.b%'",
    "s like '__'",
    "s = ''",
    "s < 'a'",
    "s > 'Z'",
    "greatest(s, 'b')",
    "least(i, 5)",
    "greatest(f, 1)",
    "coalesce(s, 'none')",
    "nullif(s, '')",
    "concat(s, '|', d)",
    "year(t)",
    "quarter(ts)",
    "month(t)",
    "day(ts)",
    "date_trunc('week', t)",
    "date_trunc('quarter', t)",
    "date_trunc('day', ts)",
    "date_trunc('minute', ts)",
    "date_trunc('year', ts)",
    "t >= '2024-02-29'",
    "ts < '2024-02-29 12:00:01'",
    "case when f > 1 then i end",
    "if(s is null, 1, 0)",
    "not (i > 3)",
    "i between -7 and 7",
    "contains(s, 'b')",
    "starts_with(s, ' ')",
    "ends_with(s, '\\')",
    "strpos(s, 'b')",
    "left(s, 2)",
    "right(s, 2)",
    "reverse(s)",
    "lpad(s, 5, 'xy')",
    "rpad(s, 5)",
    "ltrim(s)",
    "rtrim(s)",
    "split_part(s, ' ', 2)",
    "split_part(s, '.', 1)",
    "regexp_matches(s, '[äöü]')",
    "regexp_extract(s, '(.)(.)', 2)",
    "regexp_extract(s, '(?P<x>\\w+)', 1)",
    "regexp_replace(s, '(\\w)', '<\\1>')",
    "regexp_replace(s, '$', '.')",
    "date_add(t, 1, 'month')",
    "date_add(ts, -3, 'quarter')",
    "date_add(ts, 36, 'hour')",
    "date_add(t, 10, 'day')",
    "date_diff('month', t, date '2025-01-31')",
    "date_diff('day', ts, timestamp '2025-01-31 12:00:00')",
    "date_diff('week', t, date '2025-01-31')",
    "date_diff('second', ts, timestamp '2025-01-31 12:00:00')",
    "dayofyear(t)",
    "isodow(t)",
    "week(t)",
    "hour(ts)",
    "minute(ts)",
    "second(ts)",
    "exp(f)",
    "ln(f)",
    "ln(d)",
    "log(10, f)",
    "log(2, i)",
    "sqrt(f)",
    "sqrt(d)",
    "power(f, 2)",
    "power(d, 0.5)",
    "power(i, -1)",
    "sign(d)",
    "sign(f)",
    "abs(f)",
]


def near(value: Any) -> Any:
    """A float up to its last digits: the libraries of C and Java differ in those of logarithms and powers."""
    return pytest.approx(value, rel=1e-14, abs=0) if isinstance(value, float) else value


def test_every_function_is_tried() -> None:
    texts = " ".join([*EXPRESSIONS, *test_expression.MEANINGS, *test_expression.AGGREGATES])
    assert [name for name in [*SCALARS, *AGGREGATES] if f"{name}(" not in texts and name != "count_distinct"] == []


def test_odd_values_give_the_same_on_both_engines(engines: tuple[Engine, Engine]) -> None:
    found = []
    for engine in engines:
        table = tables.table(engine, TYPES, ODD)
        values = {f"x{i}": scalar(text, table) for i, text in enumerate(EXPRESSIONS)}
        found.append(tables.rows(engine, table.select(ROW, **values)))
    differing = {
        (text, ODD[a[ROW] - 1]): (a[f"x{i}"], b[f"x{i}"])
        for i, text in enumerate(EXPRESSIONS)
        for a, b in zip(*found, strict=True)
        if type(a[f"x{i}"]) is not type(b[f"x{i}"]) or near(a[f"x{i}"]) != b[f"x{i}"]
    }
    assert differing == {}


OVERFLOWS = ["i + i", "i * 3", "d * 10000000000 * 10000000000 * 10000000000", "-i"]


@pytest.mark.parametrize("text", OVERFLOWS)
def test_what_has_no_room_is_a_data_error_on_both_engines(engines: tuple[Engine, Engine], text: str) -> None:
    for engine in engines:
        table = tables.table(engine, TYPES, ODD)
        with pytest.raises(DataError):
            engine.hold(table.mutate(value=scalar(text, table)))


PATTERNS = [
    r"^\d+$",
    r"^[A-Z]{2}-\d{1,3}$",
    r"^a.b$",
    r"^(?:a|b)+?$",
    r"^\w+$",
    r"^\s*$",
    r"\bx\b",
    r"^[[:alpha:]]+$",
    r"^\p{Lu}",
    r"(?i)^ä",
    r"^(?P<name>a)b$",
    r"^[^a-c]$",
    r"^[a&&b]$",
    r"^x{2}$",
    r"^a$",
    r"^[\d.-]+$",
    r"^é+$",
    r"\Qa.b\E",
    r"^.$",
    r"^(a|)$",
    "^$",
]
TEXTS = [
    *(
        "",
        "7",
        "77\n",
        "٧",
        "AB-12",
        "AB-1234",
        "a.b",
        "aXb",
        "a\nb",
        "a\rb",
        "ab",
        "abab",
        "é",
        "éé",
        "Ä",
        "ä",
        "x",
        "xx",
    ),
    *("x y", "\v", "\t \f", "\u00a0", "a", "b", "d", "&", "a\n", "-1.5", "\n", "\r", "\u2028", "🎉", "word_1", "naïve"),
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_finds_the_same_on_both_engines(engines: tuple[Engine, Engine], pattern: str) -> None:
    """RE2's dialect is meant: in Java's, some of these mean something else, or nothing."""
    found = []
    for engine in engines:
        table = tables.text(engine, s=[*TEXTS, None])
        found.append(tables.column(engine, table.mutate(hit=table["s"].re_search(pattern)), "hit"))
    assert dict(zip(TEXTS, found[1], strict=False)) == dict(zip(TEXTS, found[0], strict=False))
    assert found[1][-1] is None


@pytest.mark.parametrize("pattern", ["(", "(?=a)b", r"(a)\1", "a{1001}", "a**"])
def test_what_is_no_pattern_is_an_engine_error_on_both_engines(engines: tuple[Engine, Engine], pattern: str) -> None:
    for engine in engines:
        table = tables.text(engine, s=["a"])
        with pytest.raises(EngineError):
            engine.hold(table.mutate(hit=table["s"].re_search(pattern)))
