"""Rules about cells and columns: what each makes of values, of missing ones, and of those that it cannot take."""

import hashlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import pyarrow as pa
import pytest
from ibis.expr.types import Table
from pydantic import TypeAdapter, ValidationError

from core.errors import RuleError
from core.spec import Rule
from core.task import Fate
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.transformation.rules import transform

RULE: TypeAdapter[Any] = TypeAdapter(Rule)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def rule(name: str, **fields: Any) -> Any:
    return RULE.validate_python({"rule": name, **fields})


def applied(engine: Engine, rows: Table, *rules: Any) -> tuple[list[dict[str, Any]], dict[int, tuple[str, str, str]]]:
    """The rows that go on, without their ids, and by id who left: fate, rule, reason."""
    done = transform(engine, rows, rules, dataset="d")
    kept = [{k: v for k, v in row.items() if not k.startswith("_")} for row in tables.rows(engine, done.rows)]
    left = {r[ROW]: (r["fate"], r["rule"], r["reason"]) for table in done.left for r in engine.rows(table)}
    return kept, left


def values(engine: Engine, cells: list[Any], *rules: Any, kind: str = "string", column: str = "c") -> list[Any]:
    kept, left = applied(engine, tables.table(engine, {"c": kind}, [(cell,) for cell in cells]), *rules)
    assert left == {}
    return [row[column] for row in kept]


def refusal(engine: Engine, rows: Table, *rules: Any) -> tuple[int, str]:
    with pytest.raises(RuleError) as error:
        transform(engine, rows, rules, dataset="d")
    return error.value.index, error.value.reason


# --- texts -------------------------------------------------------------------------------------------------------


def test_trim_takes_white_space_from_both_ends_and_leaves_missing_ones_missing(engine: Engine) -> None:
    assert values(engine, ["  a b\t", "", " ", None], rule("trim", columns=["c"])) == ["a b", "", "", None]


@pytest.mark.parametrize(
    ("to", "expected"), [("lower", "o'neil ÉA"), ("upper", "O'NEIL ÉA"), ("capitalised", "O'neil éa")]
)
def test_case_writes_letters_so(engine: Engine, to: str, expected: str) -> None:
    found = values(engine, ["o'NEIL Éa", None], rule("case", columns=["c"], to=to))
    assert found == [expected.lower() if to == "lower" else expected, None]


def test_replace_takes_every_occurrence_of_a_text_or_pattern(engine: Engine) -> None:
    cells = ["a.b.c", "+49 (0)30", None]
    assert values(engine, cells, rule("replace", columns=["c"], text=".", by="-")) == ["a-b-c", "+49 (0)30", None]
    assert values(engine, cells, rule("replace", columns=["c"], pattern="[^0-9]", by="")) == ["", "49030", None]


def test_hash_gives_the_digest_of_the_text(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Known to any other program; with a salt, only to who knows that."""
    for name in ("sha256", "md5"):
        expected = [hashlib.new(name, b"7").hexdigest(), None]
        assert values(engine, [7, None], rule("hash", columns=["c"], algorithm=name), kind="integer") == expected
    monkeypatch.setenv("SALT", "pepper")
    salted = values(engine, ["é"], rule("hash", columns=["c"], salt_env="SALT"))
    assert salted == [hashlib.sha256("pepperé".encode()).hexdigest()]


def test_a_salt_that_is_not_set_is_told(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SALT", raising=False)
    rows = tables.text(engine, c=["x"])
    assert "environment variable SALT" in refusal(engine, rows, rule("hash", columns=["c"], salt_env="SALT"))[1]


def test_mask_keeps_the_last_characters_of_what_is_longer(engine: Engine) -> None:
    cells = ["4111222233334444", "1234", "12", None]
    assert values(engine, cells, rule("mask", columns=["c"], keep=4)) == ["************4444", "****", "**", None]
    assert values(engine, ["né"], rule("mask", columns=["c"])) == ["**"]


# --- values by other values --------------------------------------------------------------------------------------


def test_map_puts_values_in_the_place_of_others(engine: Engine) -> None:
    """What is not listed is kept, or becomes missing; a missing value stays so."""
    mapped = {"m": "male", "f": "female", "-": None}
    cells = ["m", "f", "-", "x", None]
    assert values(engine, cells, rule("map", column="c", values=mapped)) == ["male", "female", None, "x", None]
    nulls = values(engine, cells, rule("map", column="c", values=mapped, otherwise="null"))
    assert nulls == ["male", "female", None, None, None]
    assert values(engine, [1, 2], rule("map", column="c", values={"1": 10}), kind="integer") == [10, 2]


def test_map_may_send_what_is_not_listed_to_quarantine(engine: Engine) -> None:
    rows = tables.text(engine, c=["m", "x", None])
    kept, left = applied(engine, rows, rule("map", column="c", values={"m": "male"}, otherwise="quarantine"))
    assert [row["c"] for row in kept] == ["male", None]
    assert left == {2: (Fate.QUARANTINED, "map(c)", "c is 'x', not one of those mapped")}


@pytest.mark.parametrize(
    ("formats", "text", "expected"),
    [
        (["%d.%m.%Y"], "05.03.2025", date(2025, 3, 5)),
        (["%d.%m.%Y"], "5.3.2025", date(2025, 3, 5)),
        (["%Y%m%d"], "20250305", date(2025, 3, 5)),
        (["%d %b %y"], "05 mar 69", date(2069, 3, 5)),
        (["%d %b %y"], "05 Mar 70", date(1970, 3, 5)),
        (["%B %d, %Y"], "December 31, 1999", date(1999, 12, 31)),
        (["%m/%d/%Y", "%d.%m.%Y"], "31.12.2025", date(2025, 12, 31)),
    ],
)
def test_parse_dates_reads_the_first_format_that_fits(
    engine: Engine, formats: list[str], text: str, expected: date
) -> None:
    assert values(engine, [text, None], rule("parse_dates", columns=["c"], formats=formats)) == [expected, None]


@pytest.mark.parametrize("text", ["31.02.2025", "2025-01-01", "05.03.2025 ", "x05.03.2025", "", "05.13.2025"])
def test_a_text_that_is_no_date_of_the_format_goes_to_quarantine(engine: Engine, text: str) -> None:
    rows = tables.text(engine, c=[text, "01.01.2025"])
    kept, left = applied(engine, rows, rule("parse_dates", columns=["c"], formats=["%d.%m.%Y"]))
    assert [row["c"] for row in kept] == [date(2025, 1, 1)]
    assert left == {1: (Fate.QUARANTINED, "parse_dates(c)", f"c is '{text}', not a date of the form %d.%m.%Y")}


def test_parse_dates_reads_timestamps(engine: Engine) -> None:
    parsed = rule("parse_dates", columns=["c"], formats=["%d/%m/%Y %H:%M", "%Y-%m-%d"], to="timestamp")
    found = values(engine, ["05/03/2025 9:30", "2025-03-05"], parsed)
    assert found == [datetime(2025, 3, 5, 9, 30), datetime(2025, 3, 5)]


@pytest.mark.parametrize("formats", [["%d.%m"], ["%d.%m.%Y %d"], ["%q.%m.%Y"], ["%Y-%y-%m-%d"], []])
def test_a_format_without_a_whole_date_is_refused(formats: list[str]) -> None:
    with pytest.raises(ValidationError):
        rule("parse_dates", columns=["c"], formats=formats)


# --- columns -----------------------------------------------------------------------------------------------------


def test_rename_keeps_places_and_may_swap_names(engine: Engine) -> None:
    rows = tables.text(engine, a=["1"], b=["2"], c=["3"])
    kept, _ = applied(engine, rows, rule("rename", columns={"a": "b", "b": "a", "c": "d"}))
    assert list(kept[0].items()) == [("b", "1"), ("a", "2"), ("d", "3")]


def test_split_fills_the_columns_in_order_and_the_last_takes_the_rest(engine: Engine) -> None:
    rows = tables.text(engine, c=["a b c", "a", "", None])
    kept, _ = applied(engine, rows, rule("split", column="c", by=" ", into=["x", "y"]))
    assert [(row["x"], row["y"]) for row in kept] == [("a", "b c"), ("a", None), ("", None), (None, None)]


def test_merge_leaves_missing_parts_out(engine: Engine) -> None:
    rows = tables.table(engine, {"a": "string", "b": "integer"}, [("x", 1), (None, 2), ("y", None), (None, None)])
    kept, _ = applied(engine, rows, rule("merge", columns=["a", "b"], by=", ", into="m"))
    assert [row["m"] for row in kept] == ["x, 1", "2", "y", None]


JSON = ['{"city": "Bonn", "geo": {"lat": 50.7, "deep": [1]}}', '{"city": 5}', "{", None, '{"geo": {"lat": "north"}}']


def test_flatten_takes_values_out_of_json_text(engine: Engine) -> None:
    """What is no JSON, or not of its type, goes to quarantine; what is not there is missing."""
    fields = {"city": "string", "geo.lat": "float"}
    kept, left = applied(engine, tables.text(engine, c=JSON), rule("flatten", column="c", fields=fields))
    assert [(row["c_city"], row["c_geo_lat"]) for row in kept] == [("Bonn", 50.7), ("5", None), (None, None)]
    assert {row: told[0] for row, told in left.items()} == dict.fromkeys([3, 5], Fate.QUARANTINED)
    assert left[3][2] == "c is '{', no JSON"
    assert left[5][2] == "c.geo.lat is 'north', not of type float"


def test_flatten_takes_all_fields_of_a_struct_with_their_types(engine: Engine) -> None:
    cells = [{"city": "Bonn", "geo": {"lat": 50.7}}, None]
    rows = engine.table(pa.table({ROW: [1, 2], "c": cells}))
    kept, _ = applied(engine, rows, rule("flatten", column="c", prefix=""), rule("select", columns=["city", "geo_lat"]))
    assert kept == [{"city": "Bonn", "geo_lat": 50.7}, {"city": None, "geo_lat": None}]
    kept, _ = applied(engine, rows, rule("flatten", column="c", fields={"geo.lat": "string"}))
    assert [row["c_geo_lat"] for row in kept] == ["50.7", None]
    assert "there is no field 'zip'" in refusal(engine, rows, rule("flatten", column="c", fields={"zip": "string"}))[1]


# --- what does not fit -------------------------------------------------------------------------------------------

REFUSED: list[tuple[Any, str]] = [
    (rule("trim", columns=["n"]), "column 'n' is of type int64, and no text"),
    (rule("replace", columns=["s"], pattern="(", by=""), "'(' is no regular expression"),
    (rule("rename", columns={"n": "s"}), "column s is here already"),
    (rule("rename", columns={"n": "_x"}), "column '_x' begins with '_'"),
    (rule("rename", columns={"n": "S"}), "columns 's' and 'S' differ in case alone"),
    (rule("derive", columns={"N": "n"}), "columns 'n' and 'N' differ in case alone"),
    (rule("map", column="n", values={"x": 1}), "'x' is not of type integer"),
    (rule("map", column="n", values={"1": "x"}), "'x' is not of type integer"),
    (rule("split", column="n", by=" ", into=["a"]), "no text"),
    (rule("flatten", column="n"), "say by `fields` what to take out of it"),
    (rule("parse_dates", columns=["n"], formats=["%Y%m%d"]), "no text"),
    (rule("scale", columns=["s"]), "is no number"),
    (rule("window", columns={"x": "nope()"}), "the function nope is not allowed here"),
    (rule("window", columns={"x": "sum(lag(n))"}), "cannot look at what was computed over a window itself"),
    (rule("window", columns={"x": "lag(n, 0)"}), "a whole number of at least 1"),
    (rule("window", columns={"x": "sum(n)"}, order_by=["-nope"]), "there is no column 'nope'"),
]


@pytest.mark.parametrize(("wrong", "words"), REFUSED)
def test_a_rule_that_does_not_fit_is_told_by_its_place(engine: Engine, wrong: Any, words: str) -> None:
    rows = tables.table(engine, {"n": "integer", "s": "string"}, [(1, "a")])
    index, reason = refusal(engine, rows, rule("filter", where="n > 0"), wrong)
    assert index == 1
    assert words in reason
    assert "\n" not in reason


def test_a_decimal_that_overflows_is_told_as_the_rules(engine: Engine) -> None:
    """Whatever stands before and after it in the same statement."""
    rows = tables.table(engine, {"n": "integer"}, [(2**62,)])
    rules = [rule("derive", columns={"m": "n"}), rule("window", columns={"s": "sum(n) * 4"})]
    index, reason = refusal(engine, rows, *rules)
    assert index == 1
    assert "overflow" in reason.lower() or "out of range" in reason.lower()
