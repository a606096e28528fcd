"""Rules about a row among the others, and rules that look it up in another dataset."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibis.expr.types import Table

from core.errors import RuleError
from core.spec.rule import Lookup
from tests import tables
from tests.test_rules_cells import applied, rule
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.transformation.rules import transform


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


CELLS = [("a", 3), ("a", 1), ("b", 5), ("a", None), ("a", 1), (None, 2)]


@pytest.fixture(scope="module")
def rows(engine: Engine) -> Table:
    return tables.table(engine, {"g": "string", "n": "integer"}, CELLS)


def window(engine: Engine, table: Table, text: str, **fields: Any) -> list[Any]:
    kept, left = applied(engine, table, rule("window", columns={"x": text}, **fields))
    assert left == {}
    return [row["x"] for row in kept]


@pytest.mark.parametrize(
    ("text", "fields", "expected"),
    [
        ("row_number()", {}, [1, 2, 3, 4, 5, 6]),
        ("row_number()", {"order_by": ["n"]}, [4, 1, 5, 6, 2, 3]),
        ("row_number()", {"order_by": ["-n"]}, [2, 4, 1, 6, 5, 3]),
        ("rank()", {"order_by": ["n"]}, [4, 1, 5, 6, 1, 3]),
        ("dense_rank()", {"order_by": ["n"]}, [3, 1, 4, 5, 1, 2]),
        ("rank()", {"partition_by": ["g"], "order_by": ["n"]}, [3, 1, 1, 4, 1, 1]),
        ("lag(n)", {}, [None, 3, 1, 5, None, 1]),
        ("lead(n, 2)", {}, [5, None, 1, 2, None, None]),
        ("lag(n)", {"partition_by": ["g"]}, [None, 3, None, 1, None, None]),
        ("ntile(2)", {}, [1, 1, 1, 2, 2, 2]),
        ("sum(n)", {}, [12] * 6),
        ("sum(n)", {"partition_by": ["g"]}, [5, 5, 5, 5, 5, 2]),
        ("count(*)", {"partition_by": ["g"]}, [4, 4, 1, 4, 4, 1]),
        ("sum(n)", {"order_by": ["n"]}, [7, 1, 12, 12, 2, 4]),
        ("sum(n)", {"rows": 2}, [3, 4, 6, 5, 1, 3]),
        ("avg(n)", {"rows": 2, "partition_by": ["g"]}, [3.0, 2.0, 5.0, 1.0, 1.0, 2.0]),
        ("n - lag(n)", {}, [None, -2, 4, None, None, 1]),
        ("n / sum(n)", {}, [0.25, 1 / 12, 5 / 12, None, 1 / 12, 1 / 6]),
        ("max(n) - min(n)", {"partition_by": ["g"]}, [2, 2, 0, 2, 2, 0]),
    ],
)
def test_each_window_function_has_its_meaning(
    engine: Engine, rows: Table, text: str, fields: dict[str, Any], expected: list[Any]
) -> None:
    """Missing values come last in either order; among equals, the source's order decides."""
    assert window(engine, rows, text, **fields) == [pytest.approx(value) if value else value for value in expected]


def test_the_mean_over_a_window_of_decimals_is_exact_before_it_is_divided(engine: Engine) -> None:
    money = tables.table(engine, {"m": "money"}, [(Decimal("0.10"),), (Decimal("0.20"),), (None,)])
    assert window(engine, money, "avg(m)") == [0.15] * 3
    assert window(engine, money, "sum(m)", order_by=["-m"]) == [Decimal("0.30"), Decimal("0.20"), Decimal("0.30")]


@settings(max_examples=40, derandomize=True)
@given(cells=st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.none() | st.integers(-5, 5)), max_size=12))
def test_a_cumulative_sum_is_that_of_the_rows_up_to_this_one(
    engine: Engine, cells: list[tuple[str | None, int | None]]
) -> None:
    found = window(
        engine,
        tables.table(engine, {"g": "string", "n": "integer"}, cells),
        "sum(n)",
        partition_by=["g"],
        order_by=["n"],
    )
    order = sorted(range(len(cells)), key=lambda i: (cells[i][1] is None, cells[i][1] or 0, i))
    for i, (group, _) in enumerate(cells):
        before = [cells[j][1] for j in order[: order.index(i) + 1] if cells[j][0] == group]
        known = [n for n in before if n is not None]
        assert found[i] == (sum(known) if known else None)


def test_rows_that_have_left_are_seen_by_no_window(engine: Engine, rows: Table) -> None:
    kept, _ = applied(engine, rows, rule("filter", where="n < 5"), rule("window", columns={"x": "sum(n)"}))
    assert {row["x"] for row in kept} == {7}


# --- scales ------------------------------------------------------------------------------------------------------


def numbers(engine: Engine, cells: list[float | None], name: str) -> list[Any]:
    kept, _ = applied(engine, tables.table(engine, {"c": "float"}, [(c,) for c in cells]), rule(name, columns=["c"]))
    return [row["c"] for row in kept]


def test_scale_brings_numbers_between_0_and_1(engine: Engine) -> None:
    assert numbers(engine, [10.0, 20.0, 15.0, None], "scale") == [0.0, 1.0, 0.5, None]
    assert numbers(engine, [7.0, 7.0, None], "scale") == [0.0, 0.0, None]


def test_standardise_gives_z_scores_of_the_sample(engine: Engine) -> None:
    assert numbers(engine, [1.0, 2.0, 3.0, None], "standardise") == [-1.0, 0.0, 1.0, None]
    assert numbers(engine, [7.0], "standardise") == [0.0]
    assert numbers(engine, [None], "standardise") == [None]


# --- lookups -----------------------------------------------------------------------------------------------------


def look_up(**fields: Any) -> Lookup:
    return rule("lookup", dataset="other", column="n", key="k", take="v", into="found", **fields)


def test_a_lookup_takes_a_value_and_loses_nobody(engine: Engine, rows: Table) -> None:
    other = tables.numbered(
        engine, {"k": "integer", "v": "string"}, [(7, (1, "one")), (8, (3, None)), (9, (4, "four"))]
    )
    done = transform(engine, rows, [look_up()], dataset="d", others={"other": other})
    assert tables.column(engine, done.rows, "found") == [None, "one", None, None, "one", None]
    assert [row for table in done.left for row in engine.rows(table)] == []
    assert [row[ROW] for row in engine.rows(done.used()["other"])] == [7, 8]
    done = transform(engine, rows, [look_up(default="?")], dataset="d", others={"other": other})
    # A value that is found and missing is not one that is not found.
    assert tables.column(engine, done.rows, "found") == [None, "one", "?", "?", "one", "?"]


def test_a_lookup_refuses_a_key_that_stands_twice(engine: Engine, rows: Table) -> None:
    other = tables.table(engine, {"k": "integer", "v": "string"}, [(1, "one"), (1, "uno")])
    with pytest.raises(RuleError, match="1 keys \\(k\\) stand more than once in 'other'"):
        transform(engine, rows, [look_up()], dataset="d", others={"other": other})
