"""Rules: what each makes of the rows, who leaves and why, and that all together lose nobody."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.expr.types import Table
from pydantic import TypeAdapter

from core.errors import ExpressionError, RuleError
from core.spec import (
    Aggregation,
    Cast,
    Deduplicate,
    Derive,
    DropNulls,
    Fill,
    Filter,
    Join,
    PipelineSpec,
    Rule,
    Select,
    Target,
)
from core.spec.rule import Reference
from core.task import Fate, Stage
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.transformation.aggregation import ROWS, aggregated
from tools.transformation.columns import needed_after
from tools.transformation.rules import transform


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def select(*columns: str) -> Rule:
    return Select(rule="select", columns=columns)


def cast(**columns: str) -> Rule:
    return Cast(rule="cast", columns=columns)


def derive(**columns: str) -> Rule:
    return Derive(rule="derive", columns=columns)


def where(text: str) -> Rule:
    return Filter(rule="filter", where=text)


def fill(**columns: Any) -> Rule:
    return Fill(rule="fill", columns=columns)


def drop_nulls(*columns: str) -> Rule:
    return DropNulls(rule="drop_nulls", columns=columns)


def deduplicate(*columns: str) -> Rule:
    return Deduplicate(rule="deduplicate", columns=columns)


def join(on: dict[str, str], *columns: str, missing: Any = "quarantine", dataset: str = "other") -> Rule:
    return Join(rule="join", dataset=dataset, on=on, columns=columns, missing=missing)


class Done:
    """Rules applied, as plain values."""

    def __init__(self, engine: Engine, rows: Table, *rules: Rule, **others: Table) -> None:
        self.result = transform(engine, rows, rules, dataset="d", others=others)
        own = [name for name in self.result.rows.columns if not name.startswith("_")]
        self.rows = tables.rows(engine, self.result.rows.select(ROW, *own))
        self.ids = [row[ROW] for row in self.rows]
        self.departures = [row for table in self.result.left for row in engine.rows(table)]
        self.left = {row[ROW]: (row["fate"], row["rule"], row["reason"], row["into"]) for row in self.departures}
        self.used = {name: tables.ids(engine, table) for name, table in self.result.used().items()}

    def values(self, name: str) -> list[Any]:
        return [row[name] for row in self.rows]


TYPES = {"n": "integer", "s": "string", "m": "money", "d": "date"}
CELLS = [
    (1, "a", Decimal("1.10"), date(2025, 1, 1)),
    (2, None, Decimal("2.20"), date(2025, 1, 2)),
    (None, "b", None, None),
    (1, "a", Decimal("4.40"), date(2025, 1, 4)),
]


@pytest.fixture(scope="module")
def rows(engine: Engine) -> Table:
    return tables.table(engine, TYPES, CELLS)


# --- each rule ---------------------------------------------------------------------------------------------------


def test_select_keeps_columns_in_the_order_given_and_all_rows(engine: Engine, rows: Table) -> None:
    done = Done(engine, rows, select("m", "n"))
    assert list(done.rows[0]) == [ROW, "m", "n"]
    assert (done.ids, done.left) == ([1, 2, 3, 4], {})


def test_derive_adds_and_replaces_columns_all_from_the_rows_as_they_were(engine: Engine, rows: Table) -> None:
    done = Done(engine, rows, derive(n="n + 1", old="n", total="n * m", word="'x'"))
    assert done.values("n") == [2, 3, None, 2]
    assert done.values("old") == [1, 2, None, 1]
    assert done.values("total") == [Decimal("1.10"), Decimal("4.40"), None, Decimal("4.40")]
    assert done.values("word") == ["x"] * 4
    assert done.left == {}


def test_a_later_rule_sees_what_an_earlier_one_derived(engine: Engine, rows: Table) -> None:
    assert Done(engine, rows, derive(x="n * 10"), derive(x="x + 1"), where("x > 11")).values("x") == [21]


def test_filter_keeps_the_rows_for_which_it_is_true(engine: Engine, rows: Table) -> None:
    """One that is null is not true."""
    done = Done(engine, rows, where("n = 1"))
    assert done.ids == [1, 4]
    gone = (Fate.FILTERED, "filter(n = 1)", "not true: n = 1", None)
    assert done.left == {2: gone, 3: gone}


def test_fill_puts_a_value_of_the_columns_type_where_there_is_none(engine: Engine, rows: Table) -> None:
    done = Done(engine, rows, fill(n=0, s="none", m=0.5, d="2025-12-31"))
    assert done.values("n") == [1, 2, 0, 1]
    assert done.values("s") == ["a", "none", "b", "a"]
    assert done.values("m")[2] == Decimal("0.50")
    assert done.values("d")[2] == date(2025, 12, 31)
    kinds = {name: str(done.result.rows[name].type()) for name in TYPES}
    assert kinds == {"n": "int64", "s": "string", "m": "decimal(12, 2)", "d": "date"}


def test_drop_nulls_filters_rows_that_lack_one_of_the_columns(engine: Engine, rows: Table) -> None:
    done = Done(engine, rows, drop_nulls("n", "s"))
    assert done.ids == [1, 4]
    gone = (Fate.FILTERED, "drop_nulls(n, s)", "no value in one of n, s", None)
    assert done.left == {2: gone, 3: gone}


def test_deduplicate_merges_rows_into_the_first_that_shares_the_columns(engine: Engine, rows: Table) -> None:
    done = Done(engine, rows, deduplicate("n", "s"))
    assert done.ids == [1, 2, 3]
    assert done.left == {4: (Fate.MERGED, "deduplicate(n, s)", "an earlier row has the same n, s", 1)}
    assert done.values("m")[0] == Decimal("1.10")


def test_to_deduplicate_a_missing_value_is_not_known_to_equal_another(engine: Engine) -> None:
    """As in checks of keys and in joins: two people who both lack an address are not one."""
    cells = [(1, None), (1, None), (None, None), (1, 2), (1, 2)]
    table = tables.table(engine, {"a": "integer", "b": "integer"}, cells)
    assert Done(engine, table, deduplicate("a", "b")).ids == [1, 2, 3, 4]


def test_the_first_of_a_group_is_the_one_with_the_lowest_id(engine: Engine) -> None:
    """Not the one that the engine happens to see first."""
    table = tables.numbered(engine, {"a": "integer"}, [(30, (1,)), (10, (1,)), (20, (1,))])
    done = Done(engine, table, deduplicate("a"))
    assert done.ids == [10]
    assert {row: left[3] for row, left in done.left.items()} == {20: 10, 30: 10}


CASTS: list[tuple[str, Any, str, Any]] = [
    ("integer", 7, "string", "7"),
    ("integer", 7, "float", 7.0),
    ("integer", 7, "decimal(3,1)", Decimal("7.0")),
    ("integer", 77777, "decimal(3,1)", None),
    ("float", 2.0, "integer", 2),
    ("float", 2.5, "integer", None),
    ("money", Decimal("2.00"), "integer", 2),
    ("money", Decimal("2.50"), "integer", None),
    ("string", "7", "integer", 7),
    ("string", "7.0", "integer", None),
    ("string", "2025-01-02", "date", date(2025, 1, 2)),
    ("string", "02.01.2025", "date", None),
    ("string", "", "integer", None),
    ("date", date(2025, 1, 2), "timestamp", datetime(2025, 1, 2)),
    ("timestamp", datetime(2025, 1, 2), "date", date(2025, 1, 2)),
    ("timestamp", datetime(2025, 1, 2, 3), "date", None),
    ("boolean", True, "string", "true"),
]


@pytest.mark.parametrize(("kind", "value", "declared", "expected"), CASTS)
def test_cast_converts_what_is_of_the_type_and_quarantines_the_rest(
    engine: Engine, kind: str, value: Any, declared: str, expected: Any
) -> None:
    """A missing value stays one, and its row."""
    done = Done(engine, tables.table(engine, {"c": kind}, [(value,), (None,)]), cast(c=declared))
    if expected is None:
        assert done.ids == [2]
        fate, rule, reason, _ = done.left[1]
        assert (fate, rule) == (Fate.QUARANTINED, "cast(c)")
        assert reason.startswith("c is '")
        assert reason.endswith(f"', not of type {declared}")
    else:
        assert done.values("c") == [expected, None]
        assert done.left == {}


# --- joins -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def other(engine: Engine) -> Table:
    cells = [(1, "one"), (2, "two"), (5, "five"), (None, "nobody"), (None, "nobody either")]
    return tables.numbered(engine, {"key": "integer", "word": "string"}, list(enumerate(cells, start=100)))


@pytest.mark.parametrize("missing", ["quarantine", "filter", "keep"])
def test_a_join_takes_columns_from_the_row_that_it_finds(
    engine: Engine, rows: Table, other: Table, missing: str
) -> None:
    """What becomes of a row that finds nothing is said by `missing`; a row without a key finds nothing."""
    more = Done(engine, rows, derive(n="n + 1"), join({"n": "key"}, "word", missing=missing), other=other)
    done = Done(engine, rows, join({"n": "key"}, "word", missing=missing), other=other)
    reason = "nothing in other has n ''"
    if missing == "keep":
        assert done.values("word") == ["one", "two", None, "one"]
        assert done.left == {}
        assert more.values("word") == ["two", None, None, "two"]
    else:
        fate = Fate.QUARANTINED if missing == "quarantine" else Fate.FILTERED
        assert done.values("word") == ["one", "two", "one"]
        assert done.left == {3: (fate, "join(other)", reason, None)}
        assert more.left[2] == (fate, "join(other)", "nothing in other has n '3'", None)
    assert done.used == {"other": [100, 101]}


def test_a_join_over_several_columns_needs_all_of_them(engine: Engine) -> None:
    rows = tables.table(engine, {"a": "integer", "b": "string"}, [(1, "x"), (1, "y"), (1, None)])
    other = tables.table(engine, {"p": "integer", "q": "string", "v": "integer"}, [(1, "x", 10), (2, "y", 20)])
    done = Done(engine, rows, join({"a": "p", "b": "q"}, "v"), other=other)
    assert done.values("v") == [10]
    assert done.left[2][2] == "nothing in other has a '1', b 'y'"


def test_keys_are_joined_by_value_also_where_their_decimals_differ(engine: Engine) -> None:
    other = engine.table(pa.table({ROW: [1], "key": pa.array([Decimal("1.1000")], pa.decimal128(20, 4)), "v": ["x"]}))
    rows = tables.table(engine, {"m": "money"}, [(Decimal("1.10"),), (Decimal("1.11"),)])
    assert Done(engine, rows, join({"m": "key"}, "v"), other=other).ids == [1]


def test_used_rows_are_those_that_rows_found_which_got_through(engine: Engine, rows: Table, other: Table) -> None:
    """What a row found that leaves at a later rule reached no result by it."""
    assert Done(engine, rows, join({"n": "key"}, "word"), where("n = 2"), other=other).used == {"other": [101]}
    assert Done(engine, rows, join({"n": "key"}, "word"), where("n = 9"), other=other).used == {"other": []}


def test_used_rows_of_several_joins_with_one_dataset_are_told_together(engine: Engine, other: Table) -> None:
    rows = tables.table(engine, {"a": "integer", "b": "integer"}, [(1, 5), (2, 1)])
    done = Done(
        engine,
        rows,
        join({"a": "key"}, "word", missing="keep"),
        derive(first="word"),
        select("first", "b"),
        join({"b": "key"}, "word", missing="keep"),
        other=other,
    )
    assert done.rows == [
        {ROW: 1, "first": "one", "b": 5, "word": "five"},
        {ROW: 2, "first": "two", "b": 1, "word": "one"},
    ]
    assert done.used == {"other": [100, 101, 102]}


def test_several_datasets_can_be_looked_up(engine: Engine, rows: Table, other: Table) -> None:
    more = tables.numbered(engine, {"code": "string", "name": "string"}, [(7, ("a", "A")), (8, ("c", "C"))])
    done = Done(
        engine,
        rows,
        join({"n": "key"}, "word"),
        join({"s": "code"}, "name", dataset="more", missing="filter"),
        other=other,
        more=more,
    )
    assert done.ids == [1, 4]
    assert done.used == {"other": [100], "more": [7]}
    assert {row: left[1] for row, left in done.left.items()} == {2: "join(more)", 3: "join(other)"}


# --- rules that do not fit ---------------------------------------------------------------------------------------

REFUSED: list[tuple[tuple[Rule, ...], int, str]] = [
    ((select("n", "nope"),), 0, "there is no column 'nope'; there are n, s, m, d"),
    ((select("_row"),), 0, "there is no column '_row'"),
    ((cast(nope="integer"),), 0, "there is no column 'nope'"),
    ((derive(x="nope + 1"),), 0, "there is no column 'nope' here; there are n, s, m, d"),
    ((derive(x="n +"),), 0, "is no expression"),
    ((derive(x="sum(n)"),), 0, "the function sum is not allowed here"),
    ((derive(_x="n"),), 0, "column '_x' begins with '_'"),
    ((derive(x="null"),), 0, "write CAST(NULL AS ...)"),
    ((where("n"),), 0, "a condition must be true or false"),
    ((where("n = 'x'"),), 0, "cannot be compared"),
    ((fill(nope=1),), 0, "there is no column 'nope'"),
    ((fill(n="x"),), 0, "'x' is not of type integer"),
    ((fill(n=1.5),), 0, "'1.5' is not of type integer"),
    ((fill(m=0.125),), 0, "'0.125' is not of type decimal(12,2)"),
    ((fill(d="2025-02-30"),), 0, "2025-02-30"),
    ((drop_nulls("nope"),), 0, "there is no column 'nope'"),
    ((deduplicate("nope"),), 0, "there is no column 'nope'"),
    ((join({"nope": "key"}, "word"),), 0, "there is no column 'nope'; there are n, s, m, d"),
    ((join({"n": "nope"}, "word"),), 0, "there is no column 'nope'; there are key, word"),
    ((join({"n": "key"}, "nope"),), 0, "there is no column 'nope'; there are key, word"),
    ((join({"s": "key"}, "word"),), 0, "not comparable"),
    ((derive(word="'x'"), join({"n": "key"}, "word")), 1, "column word of 'other' is here already"),
    ((where("n = 1"), select("n"), where("s = 'a'")), 2, "there is no column 's' here; there are n"),
    # What only the values show, also when several rules are carried out at once.
    ((derive(big="n * 9000000000000000000"), derive(x="n"), where("x > 0")), 0, "Overflow in multiplication"),
    ((derive(x="n"), derive(big="x * 9000000000000000000")), 1, "Overflow in multiplication"),
    ((where("n > 1"), derive(big="n * 9000000000000000000")), 1, "Overflow in multiplication"),
]


@pytest.mark.parametrize(("rules", "index", "words"), REFUSED)
def test_a_rule_that_does_not_fit_is_named_with_its_place_and_the_reason(
    engine: Engine, rows: Table, other: Table, rules: tuple[Rule, ...], index: int, words: str
) -> None:
    with pytest.raises(RuleError) as error:
        Done(engine, rows, *rules, other=other)
    assert (error.value.dataset, error.value.index) == ("d", index)
    assert words in error.value.reason
    assert str(error.value).startswith(f"Dataset 'd', rule {index} ({rules[index].rule}): ")
    assert "\n" not in str(error.value)


def test_a_key_that_stands_more_than_once_is_refused(engine: Engine, rows: Table) -> None:
    """A join must not make two rows of one; the message says how to make the key unique."""
    other = tables.table(
        engine, {"key": "integer", "word": "string"}, [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (3, "e")]
    )
    with pytest.raises(RuleError, match=r"2 keys \(key\) stand more than once in 'other'.*declare the key unique"):
        Done(engine, rows, join({"n": "key"}, "word"), other=other)


# --- whatever the rows and the rules -----------------------------------------------------------------------------

NUMBERS = st.none() | st.integers(0, 3)
WORDS = st.sampled_from([None, "", "a", "b", "7"])
OTHERS: list[Rule] = [
    TypeAdapter(Rule).validate_python(fields)
    for fields in [
        {"rule": "rename", "columns": {"n": "w", "w": "n"}},
        {"rule": "trim", "columns": ["s"]},
        {"rule": "case", "columns": ["s"], "to": "upper"},
        {"rule": "replace", "columns": ["s"], "pattern": "[ab]", "by": "7"},
        {"rule": "map", "column": "s", "values": {"a": "b", "7": None}, "otherwise": "quarantine"},
        {"rule": "map", "column": "n", "values": {"1": None}},
        {"rule": "parse_dates", "columns": ["s"], "formats": ["%d.%m.%Y"]},
        {"rule": "lookup", "dataset": "other", "column": "n", "key": "key", "take": "word", "into": "looked_up"},
        {"rule": "window", "partition_by": ["n"], "order_by": ["-w"], "columns": {"w": "row_number()"}},
        {"rule": "window", "columns": {"x": "sum(w)"}, "rows": 2},
        {"rule": "scale", "columns": ["w"]},
        {"rule": "standardise", "columns": ["n"]},
        {"rule": "split", "column": "s", "by": "a", "into": ["x", "y"]},
        {"rule": "merge", "columns": ["n", "s"], "into": "z"},
        {"rule": "hash", "columns": ["s"], "algorithm": "md5"},
        {"rule": "mask", "columns": ["s"], "keep": 1},
        {"rule": "flatten", "column": "s", "fields": {"a": "integer"}},
    ]
]
RULES = st.lists(
    st.one_of(
        st.sampled_from(["n > 0", "n < w", "s = 'a' or n is null", "w in (1, 2)", "length(s) > 0"]).map(where),
        st.sets(st.sampled_from("nsw"), min_size=1).map(lambda names: drop_nulls(*sorted(names))),
        st.sets(st.sampled_from("nsw"), min_size=1).map(lambda names: deduplicate(*sorted(names))),
        st.sampled_from(["integer", "string"]).map(lambda kind: cast(s=kind)),
        st.builds(lambda value: fill(n=value), st.integers(0, 3)),
        st.sampled_from(["n + w", "n", "case when w > 1 then n end"]).map(lambda text: derive(n=text)),
        st.sampled_from(OTHERS),
        st.builds(
            lambda on, missing: join({on: "key"}, "word", missing=missing),
            st.sampled_from("nw"),
            st.sampled_from(["quarantine", "filter", "keep"]),
        ),
    ),
    max_size=6,
)


@settings(max_examples=90, derandomize=True)
@given(
    cells=st.lists(st.tuples(NUMBERS, WORDS, NUMBERS), max_size=10),
    keys=st.lists(NUMBERS, max_size=4, unique=True),
    rules=RULES,
)
def test_whatever_the_rules_every_row_goes_on_or_has_left(
    engine: Engine,
    cells: list[tuple[int | None, str | None, int | None]],
    keys: list[int | None],
    rules: list[Rule],
) -> None:
    """rows_in = rows_out + left, by their ids; or a RuleError, and then nothing is done."""
    rows = tables.table(engine, {"n": "integer", "s": "string", "w": "integer"}, cells)
    other = tables.numbered(
        engine, {"key": "integer", "word": "string"}, [(100 + i, (key, "x")) for i, key in enumerate(keys)]
    )
    done = refusal = None
    try:
        done = Done(engine, rows, *rules, other=other)
    except RuleError as error:
        refusal = error.reason
    if done is None:
        # A second join brings the same column; a column that was made a number, or a date, is still taken for a text.
        assert refusal is not None
        typical = (
            "is here already",
            "cannot be compared",
            "cannot be applied",
            "and no text",
            "is not of type",
            "is no ",
        )
        assert any(words in refusal for words in (*typical, "arithmetic is for numbers", "say by `fields`")), refusal
        return
    everyone = list(range(1, len(cells) + 1))
    assert sorted([*done.ids, *(row[ROW] for row in done.departures)]) == everyone
    for row in done.departures:
        assert row["reason"]
        assert row["record"] is None
        assert (row["into"] is not None) == (row["fate"] == Fate.MERGED)
        assert row["into"] is None or row["into"] < row[ROW]
    joins = [rule for rule in rules if isinstance(rule, Reference)]
    assert set(done.used) == ({"other"} if joins else set())
    if joins and rules[-1] is joins[0] and isinstance(joins[0], Join):
        # Nothing came after it that could have changed what the rows were joined on.
        wanted = set(done.values(next(iter(joins[0].on)))) - {None}
        assert done.used["other"] == [100 + i for i, key in enumerate(keys) if key in wanted]


# --- aggregation -------------------------------------------------------------------------------------------------


def test_groups_come_in_their_order_with_the_number_of_their_rows(engine: Engine, rows: Table) -> None:
    spec = Aggregation(dataset="d", group_by=("n",), aggregates={"total": "sum(m)", "count": "count(*)"})
    assert engine.rows(aggregated(rows, spec)) == [
        {"n": 1, "total": Decimal("5.50"), "count": 2, ROWS: 2},
        {"n": 2, "total": Decimal("2.20"), "count": 1, ROWS: 1},
        {"n": None, "total": None, "count": 1, ROWS: 1},
    ]


@settings(max_examples=60, derandomize=True)
@given(
    cells=st.lists(st.tuples(NUMBERS, WORDS, NUMBERS), max_size=20),
    by=st.sets(st.sampled_from("nsw"), min_size=1).map(sorted),
)
def test_every_row_is_behind_exactly_one_group(
    engine: Engine, cells: list[tuple[int | None, str | None, int | None]], by: list[str]
) -> None:
    """Those with missing values among what is grouped by, too; sums over groups are sums over rows."""
    rows = tables.table(engine, {"n": "integer", "s": "string", "w": "integer"}, cells)
    rest = sorted(set("nw") - set(by))
    spec = Aggregation(
        dataset="d", group_by=tuple(by), aggregates={"c": "count(*)"} | {f"{x}2": f"sum({x})" for x in rest}
    )
    groups = engine.rows(aggregated(rows, spec))
    assert sum(group[ROWS] for group in groups) == len(cells)
    assert all(group[ROWS] == group["c"] for group in groups)
    keys = [tuple(group[name] for name in by) for group in groups]
    assert set(keys) == {tuple(cell["nsw".index(name)] for name in by) for cell in cells}
    assert len(keys) == len(set(keys))
    for name in rest:
        assert sum(group[f"{name}2"] or 0 for group in groups) == sum(cell["nsw".index(name)] or 0 for cell in cells)


@pytest.mark.parametrize(
    ("by", "aggregates", "words"),
    [
        (("nope",), {"x": "count(*)"}, "there is no column 'nope' to group by; there are n, s, m, d"),
        (("n",), {"x": "sum(nope)"}, "there is no column 'nope' here"),
        (("n",), {"x": "m"}, "is no aggregate"),
        (("n",), {"x": "sum(s)"}, "sum cannot be applied to string"),
    ],
)
def test_an_aggregation_that_does_not_fit_is_a_rule_error(
    rows: Table, by: tuple[str, ...], aggregates: dict[str, str], words: str
) -> None:
    with pytest.raises(RuleError) as error:
        aggregated(rows, Aggregation(dataset="d", group_by=by, aggregates=aggregates))
    assert words in error.value.reason


# --- which columns a stage has to write --------------------------------------------------------------------------


def pipeline(**parts: Any) -> PipelineSpec:
    columns = {"k": "integer", "a": "integer", "b": "integer", "c": "string", "e": "integer"}
    sources = {
        "orders": {"kind": "csv", "path": "o.csv", "columns": columns},
        "items": {
            "kind": "csv",
            "path": "i.csv",
            "columns": {"key": "integer", "name": "string", "x": "integer", "y": "integer"},
        },
    }
    base = {"name": "p", "sources": sources, "target": Target(path="out")}
    return PipelineSpec.model_validate(base | parts)


ENRICHMENT = {"orders": (join({"k": "key"}, "name", dataset="items"), derive(label="name || c"))}
AGGREGATION = Aggregation(dataset="orders", group_by=("label",), aggregates={"total": "sum(a)"})


def test_a_stage_writes_only_the_columns_that_later_ones_read() -> None:
    spec = pipeline(
        transformation={"orders": (where("b > 0"),), "items": (where("x > 0"),)},
        enrichment=ENRICHMENT,
        aggregation=AGGREGATION,
    )
    columns = list(spec.sources["orders"].columns)
    assert needed_after(spec, Stage.VALIDATION, "orders", columns) == ["k", "a", "b", "c"]
    assert needed_after(spec, Stage.TRANSFORMATION, "orders", columns) == ["k", "a", "c"]
    assert needed_after(spec, Stage.ENRICHMENT, "orders", [*columns, "name", "label"]) == ["a", "label"]
    items = list(spec.sources["items"].columns)
    assert needed_after(spec, Stage.VALIDATION, "items", items) == ["key", "name", "x"]
    assert needed_after(spec, Stage.TRANSFORMATION, "items", items) == ["key", "name"]


def test_what_is_published_without_an_aggregation_keeps_all_its_columns() -> None:
    spec = pipeline(enrichment=ENRICHMENT)
    columns = list(spec.sources["orders"].columns)
    for stage in Stage:
        assert needed_after(spec, stage, "orders", columns) == columns
    assert needed_after(spec, Stage.VALIDATION, "items", ["key", "name", "x", "y"]) == ["key", "name"]


def test_what_is_published_keeps_no_column_that_a_later_select_drops() -> None:
    found = join({"k": "key"}, "name", dataset="items")
    spec = pipeline(
        transformation={"orders": (where("b > 0"),)},
        enrichment={"orders": (found, derive(d="a + 1"), select("c", "d"), derive(f="d * 2"))},
    )
    columns = ["k", "a", "b", "c", "e"]
    assert needed_after(spec, Stage.VALIDATION, "orders", columns) == ["k", "a", "b", "c"]
    assert needed_after(spec, Stage.TRANSFORMATION, "orders", columns) == ["k", "a", "c"]
    assert needed_after(spec, Stage.ENRICHMENT, "orders", ["c", "d", "f"]) == ["c", "d", "f"]


def test_an_expression_that_cannot_be_parsed_is_told_before_columns_are_dropped() -> None:
    spec = pipeline(transformation={"orders": (where("a +"),)}, enrichment=ENRICHMENT, aggregation=AGGREGATION)
    with pytest.raises(ExpressionError):
        needed_after(spec, Stage.VALIDATION, "orders", ["a"])


ROW_RULES = st.lists(
    st.one_of(
        st.sampled_from(["a > 0", "b < 3", "c = 'x' or e > 1"]).map(where),
        st.sampled_from([{"a": "a + b"}, {"f": "e * 2"}, {"b": "a", "a": "b"}, {"c": "c || 'y'"}]).map(
            lambda columns: derive(**columns)
        ),
        st.sampled_from([("a",), ("b", "c"), ("e",)]).map(lambda names: drop_nulls(*names)),
        st.sampled_from([("a",), ("b", "c"), ("k", "e")]).map(lambda names: deduplicate(*names)),
        st.builds(lambda value: fill(b=value), st.integers(0, 3)),
        st.just(cast(e="string")),
        st.just(select("k", "a", "b", "c")),
    ),
    max_size=3,
)


@settings(max_examples=50, derandomize=True)
@given(
    cells=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, WORDS, NUMBERS), max_size=8),
    transformation=ROW_RULES,
    enrichment=ROW_RULES,
    by=st.sampled_from([("c",), ("name",), ("b", "name")]),
    total=st.sampled_from(["sum(a)", "max(b)", "count(c)"]),
)
def test_later_stages_come_to_the_same_with_the_columns_they_need(
    engine: Engine,
    cells: list[tuple[Any, ...]],
    transformation: list[Rule],
    enrichment: list[Rule],
    by: tuple[str, ...],
    total: str,
) -> None:
    """The remaining stages on pruned columns and on all: the same result, the same departures; or the same error."""
    spec = pipeline(
        transformation={"orders": tuple(transformation)},
        enrichment={"orders": (*enrichment, join({"k": "key"}, "name", missing="filter", dataset="items"))},
        aggregation=Aggregation(dataset="orders", group_by=by, aggregates={"total": total}),
    )
    types = {name: column.type for name, column in spec.sources["orders"].columns.items()}
    rows = tables.table(engine, types, cells)
    items = tables.table(engine, {"key": "integer", "name": "string"}, [(1, "one"), (2, "two"), (3, "two")])

    def carried_out(prune: bool) -> Any:
        table, left = rows, []
        try:
            for stage, rules in (
                (Stage.VALIDATION, ()),
                (Stage.TRANSFORMATION, spec.transformation["orders"]),
                (Stage.ENRICHMENT, spec.enrichment["orders"]),
            ):
                done = transform(engine, table, rules, dataset="orders", others={"items": items})
                left += [sorted(engine.rows(gone), key=lambda row: row[ROW]) for gone in done.left]
                columns = [name for name in done.rows.columns if not name.startswith("_")]
                keep = needed_after(spec, stage, "orders", columns) if prune else columns
                table = done.rows.select(ROW, *keep)
            return engine.rows(aggregated(table, spec.aggregation)), left
        except RuleError as error:
            return error.index, error.reason.split(";")[0]

    assert carried_out(prune=True) == carried_out(prune=False)
