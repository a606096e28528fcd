"""The contract of the two engines: every rule, check and repair gives the same rows, departures and counts on both.

A new rule or check needs a case here; a test says which one is missing.
"""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.expr.types import Table
from pydantic import TypeAdapter

from core.errors import RuleError
from core.spec import Aggregation, Check, Rule
from core.spec.column import Column
from tests import tables, test_rules, test_validation
from tools.engine.engine import Engine
from tools.engine.rowid import ROW
from tools.quality.validation import validate
from tools.transformation.aggregation import aggregated
from tools.transformation.rules import transform
from tools.transformation.rules.group import ROWS, mapped

Engines = tuple[Engine, Engine]

_RULES = TypeAdapter(tuple[Rule, ...])
_CHECKS = TypeAdapter(tuple[Check, ...])


def kinds(union: Any, field: str) -> set[str]:
    """The names of the members of a closed union."""
    return {name for member in get_args(get_args(union)[0]) for name in get_args(member.model_fields[field].annotation)}


# --- rules -------------------------------------------------------------------------------------------------------

TYPES = {"n": "integer", "f": "float", "m": "money", "s": "string", "w": "string", "d": "date", "ts": "timestamp"}
TYPES |= {"p": "string", "j": "string"}
CELLS: list[tuple[Any, ...]] = [
    (1, 1.5, "1.10", " a ", "7", "2025-01-01", "2025-01-01 10:30:00", "01.02.2025", '{"a": 1, "b": {"c": "x"}}'),
    (2, -0.5, "-2.25", "b", "x", "2025-01-31", "2025-01-31 00:00:00", "2025-2-1 9:05", '{"a": "1", "e": "2025-01-02"}'),
    (None, None, None, None, None, None, None, None, None),
    (1, 1e20, "1000000.00", "a", "7.0", "2024-02-29", "2024-02-29 23:59:59.123456", "29.02.2023", "{'a': 1}"),
    (3, 2.0, "2.00", "", "-12", "1999-12-31", "1999-12-31 00:00:00", "3 mar 70", '{"a": 1.0, "b": [1, "ä"]}'),
    (2, 0.1, "0.05", "Ä b", "2025-01-31", "2025-06-15", "2025-06-15 12:00:00", "3. March 2025", "[1]"),
    (9, 2.5, "2.50", "b", "", "0001-01-01", "0001-01-01 00:00:00", "a\\Eb", '{"b": {"c": null, "d": 1.5}}'),
    (4, 0.0, "0.00", "c", "1e3", "2025-01-02", "2025-01-02 00:00:00", "x y z", '{"a": "x", "b": "say \\"b\\"\\u00e4"}'),
]
OTHER = [(1, "one"), (2, "two"), (5, "five"), (None, "nobody"), (None, "nobody either")]

RULES: dict[str, list[list[dict[str, Any]]]] = {
    "select": [[{"rule": "select", "columns": ["s", "n"]}]],
    "cast": [
        [{"rule": "cast", "columns": {"w": "integer"}}],
        [{"rule": "cast", "columns": {"w": "decimal(5,1)", "s": "date"}}],
        [{"rule": "cast", "columns": {"f": "integer", "m": "integer"}}],
        [{"rule": "cast", "columns": {"f": "decimal(12,2)", "n": "float", "ts": "date"}}],
        [{"rule": "cast", "columns": dict.fromkeys(TYPES, "string")}],
    ],
    "derive": [
        [{"rule": "derive", "columns": {"x": "n * m", "y": "f / n", "n": "n + 1"}}],
        [{"rule": "derive", "columns": {"x": "s || w", "y": "substr(cast(d as string), 1, 7)"}}],
        [{"rule": "derive", "columns": {"x": "case when n > 1 then m else 0 end", "y": "date_trunc('month', ts)"}}],
    ],
    "filter": [[{"rule": "filter", "where": "n > 1"}], [{"rule": "filter", "where": "trim(s) = 'a' or m < 0"}]],
    "fill": [[{"rule": "fill", "columns": {"n": 0, "f": 0.5, "m": "9.99", "s": "none", "d": "2000-01-01"}}]],
    "drop_nulls": [[{"rule": "drop_nulls", "columns": ["n", "s"]}]],
    "deduplicate": [
        [{"rule": "deduplicate", "columns": ["n"]}],
        [{"rule": "deduplicate", "columns": ["s", "n"]}, {"rule": "filter", "where": "n = 2"}],
    ],
    "join": [
        [{"rule": "join", "dataset": "other", "on": {"n": "key"}, "columns": ["word"], "missing": missing}]
        for missing in ("quarantine", "filter", "keep")
    ],
    "lookup": [
        [{"rule": "lookup", "dataset": "other", "column": "n", "key": "key", "take": "word", "into": "x"}],
        [
            {"rule": "lookup", "dataset": "other", "column": "n", "key": "key", "take": "word", "into": "x"}
            | {"default": "none"}
        ],
    ],
    "rename": [[{"rule": "rename", "columns": {"s": "w", "w": "s", "n": "number"}}]],
    "trim": [[{"rule": "trim", "columns": ["s", "w"]}]],
    "case": [[{"rule": "case", "columns": ["s"], "to": to}] for to in ("lower", "upper", "capitalised")],
    "replace": [
        [{"rule": "replace", "columns": ["s", "w"], "text": ".", "by": "$1\\1"}],
        [{"rule": "replace", "columns": ["s"], "pattern": r"(\w)\s", "by": r"<\1>"}],
        [{"rule": "replace", "columns": ["w", "s"], "pattern": "[[:alpha:]]|^$", "by": "$0"}],
    ],
    "map": [
        [{"rule": "map", "column": "n", "values": {"1": 10, "2": None}, "otherwise": otherwise}]
        for otherwise in ("keep", "null", "quarantine")
    ]
    + [[{"rule": "map", "column": "m", "values": {"1.10": "2.25"}}]],
    "parse_dates": [
        [{"rule": "parse_dates", "columns": ["p"], "formats": ["%d.%m.%Y", "%Y-%m-%d", "%d %b %y"]}],
        [{"rule": "parse_dates", "columns": ["p"], "formats": ["%d. %B %Y"]}],
        [{"rule": "parse_dates", "columns": ["p"], "formats": ["%Y-%m-%d %H:%M", "%d.%m.%Y"], "to": "timestamp"}],
    ],
    "hash": [[{"rule": "hash", "columns": ["s", "m", "d"], "algorithm": name}] for name in ("sha256", "md5")],
    "mask": [[{"rule": "mask", "columns": ["s", "p", "n"], "keep": keep}] for keep in (0, 2)],
    "split": [
        [{"rule": "split", "column": "p", "by": by, "into": into}]
        for by, into in ((".", ["a", "b", "c"]), ("-", ["a", "b"]), (" ", ["a"]), ("\\E", ["a", "b"]))
    ],
    "merge": [[{"rule": "merge", "columns": ["s", "n", "d"], "by": by, "into": "x"}] for by in (" ", "")],
    "flatten": [
        [{"rule": "flatten", "column": "j", "fields": {"a": "integer", "b.c": "string", "b.d": "decimal(5,2)"}}],
        [{"rule": "flatten", "column": "j", "fields": {"b": "string", "e": "date"}, "prefix": "x_"}],
    ],
    "window": [
        [{"rule": "window", "order_by": ["-m", "s"], "columns": {"a": "sum(n)", "b": "row_number()", "c": "rank()"}}],
        [
            {"rule": "window", "partition_by": ["s"], "order_by": ["d"], "rows": 2}
            | {"columns": {"a": "count(*)", "b": "max(m)", "c": "sum(m)", "e": "avg(n)"}}
        ],
        [
            {"rule": "window", "partition_by": ["n"]}
            | {"columns": {"a": "lag(s, 1)", "b": "lead(s, 1)", "c": "ntile(2)", "e": "dense_rank()", "g": "min(w)"}}
        ],
    ],
    "scale": [[{"rule": "scale", "columns": ["n", "m"]}]],
    "standardise": [[{"rule": "standardise", "columns": ["n", "m"]}]],
    "aggregate": [
        [{"rule": "aggregate", "group_by": ["n", "s"], "aggregates": {"total": "sum(m)", "last": "max(ts)"}}],
        [
            {"rule": "filter", "where": "n > 0"},
            {"rule": "aggregate", "group_by": ["s"], "aggregates": {"k": "count(*)", "mean": "avg(f)"}},
        ],
    ],
    "pivot": [
        [
            {"rule": "filter", "where": "s <> ''"},
            {"rule": "pivot", "group_by": ["n"], "column": "s", "aggregate": "sum(m)"},
        ],
        [{"rule": "pivot", "group_by": ["s"], "column": "n", "values": ["1", "2"], "aggregate": "max(d)"}],
    ],
    "unpivot": [[{"rule": "unpivot", "columns": ["s", "w", "p"], "name": "which", "value": "what"}]],
}


def test_every_rule_has_a_case() -> None:
    assert kinds(Rule, "rule") - RULES.keys() == set()


@pytest.mark.parametrize(
    "rules", [pytest.param(c, id=f"{kind} {i}") for kind in RULES for i, c in enumerate(RULES[kind])]
)
def test_a_rule_gives_the_same_rows_and_departures_on_both_engines(
    engines: Engines, rules: list[dict[str, Any]]
) -> None:
    found = [Carried(engine, main(engine), looked_up(engine), _RULES.validate_python(rules)) for engine in engines]
    assert found[0].reason is None
    assert vars(found[1]) == vars(found[0])


UNFIT = [
    ([{"rule": "derive", "columns": {"x": "n * 9223372036854775807"}}], 0),
    ([{"rule": "filter", "where": "n > 0"}, {"rule": "select", "columns": ["gone"]}], 1),
    ([{"rule": "filter", "where": "s > 0"}], 0),
    ([{"rule": "join", "dataset": "other", "on": {"n": "word"}, "columns": ["key"]}], 0),
]


@pytest.mark.parametrize(("rules", "index"), UNFIT)
def test_a_rule_that_does_not_fit_is_named_with_its_place_on_both_engines(
    engines: Engines, rules: list[dict[str, Any]], index: int
) -> None:
    for engine in engines:
        with pytest.raises(RuleError) as error:
            Carried(engine, main(engine), looked_up(engine), _RULES.validate_python(rules), whole=True)
        assert error.value.index == index


@settings(max_examples=4, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    cells=st.lists(st.tuples(test_rules.NUMBERS, test_rules.WORDS, test_rules.NUMBERS), min_size=3, max_size=10),
    keys=st.lists(test_rules.NUMBERS, max_size=4, unique=True),
    rules=test_rules.RULES,
)
def test_whatever_the_rules_both_engines_give_every_row_the_same_end(
    engines: Engines, cells: list[Any], keys: list[int | None], rules: list[Rule]
) -> None:
    """Also the same refusal; and on both, every row goes on or has left."""
    found = []
    for engine in engines:
        rows = tables.table(engine, {"n": "integer", "s": "string", "w": "integer"}, cells)
        other = [(100 + i, (key, "x")) for i, key in enumerate(keys)]
        looked_up = tables.numbered(engine, {"key": "integer", "word": "string"}, other)
        found.append(Carried(engine, rows, looked_up, tuple(rules)))
    assert vars(found[1]) == vars(found[0])
    if found[0].reason is None:
        ends = [row[ROW] for row in [*found[1].rows, *found[1].left]]
        assert sorted(ends) == list(range(1, len(cells) + 1))


def test_groups_are_the_same_on_both_engines_and_hold_every_row(engines: Engines) -> None:
    spec = Aggregation(
        dataset="d",
        group_by=("n", "s"),
        aggregates={
            "total": "sum(m)",
            "rows": "count(*)",
            "words": "count(distinct w)",
            "mean": "avg(n)",
            "first": "min(ts)",
            "last": "max(w)",
            "middle": "median(m)",
        },
    )
    found = [engine.rows(aggregated(main(engine), spec)) for engine in engines]
    assert found[1] == found[0]
    assert sum(row["_rows"] for row in found[1]) == len(CELLS)


class Carried:
    """Rules carried out, as plain values: rows with their types, who left, who was looked up; or which does not fit."""

    def __init__(
        self, engine: Engine, rows: Table, other: Table, rules: tuple[Rule, ...], *, whole: bool = False
    ) -> None:
        self.reason: str | None = None
        mapping = [rule for rule in rules if not rule.keeps_rows]
        rules = tuple(rule for rule in rules if rule.keeps_rows)
        try:
            done = transform(engine, rows, rules, dataset="d", others={"other": other})
        except RuleError as error:
            if whole:
                raise
            self.reason = f"{error.index}"
            return
        own = [name for name in done.rows.columns if not name.startswith("_")]
        rows = done.rows.select(ROW, *own)
        if mapping:
            rows = engine.hold(mapped(engine, rows, *mapping))
            assert engine.row(rows.aggregate(n=rows[ROWS].sum()))["n"] >= len(tables.rows(engine, done.rows))
        self.types = {name: str(rows[name].type().copy(nullable=True)) for name in rows.columns}
        self.rows = near(tables.rows(engine, rows))
        self.left = sorted((row for t in done.left for row in engine.rows(t)), key=lambda row: row[ROW])
        self.used = {name: tables.ids(engine, table) for name, table in done.used().items()}


def near(value: Any) -> Any:
    """The same, but floats up to their last digits: those of statistics depend on the order of the rows."""
    if isinstance(value, (list, dict)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return type(value)(near(v) for _, v in items) if isinstance(value, list) else {k: near(v) for k, v in items}
    return pytest.approx(value, rel=1e-12, nan_ok=True) if isinstance(value, float) else value


def main(engine: Engine) -> Table:
    text = tables.text(engine, **{name: [_text(c[i]) for c in CELLS] for i, name in enumerate(TYPES)})
    return text.mutate(**{name: text[name].try_cast(KINDS[kind]) for name, kind in TYPES.items() if kind != "string"})


KINDS = {"integer": "int64", "float": "float64", "money": "decimal(12, 2)", "date": "date", "timestamp": "timestamp(6)"}


def looked_up(engine: Engine) -> Table:
    return tables.numbered(engine, {"key": "integer", "word": "string"}, list(enumerate(OTHER, start=100)))


def _text(cell: Any) -> str | None:
    return None if cell is None else str(cell)


# --- checks and repairs ------------------------------------------------------------------------------------------

COLUMNS = {
    "k": "string",
    "n": "integer",
    "f": "float",
    "m": "decimal(12,2)",
    "b": "boolean",
    "d": "date",
    "w": "string",
}
DIRTY: list[tuple[str | None, ...]] = [
    ("K-01", "1", "1.5", "1.10", "true", "2025-01-02", "North"),
    ("K-01", "1", "1.5", "1.10", "true", "2025-01-02", "North"),
    ("k-02", " 2", "1e3", "$2.50", "yes", "02.01.2025", "NORTH"),
    ("K-03", "1,000", ".5", "1.555", "False", "3/14/2025", "Nort h"),
    ("K-04", "x", "nan", "n/a", "", "2025-13-01", "unknown"),
    ("K-04", "7", "2.0", "5", "false", None, "South"),
    (None, None, None, None, None, None, None),
    ("K-05\n", "-3", "-0.5", "10000000000.00", "t", "2025-02-29", "  "),
    ("K-06", "3", "1e400", "99,50 €", "TRUE", "3/4/2025", "Soth"),
    ("K-07", "٧", "5", "0.00", "no", "2025-01-02T00:00:00Z", "west"),
]

CHECKS: dict[str, list[dict[str, Any]]] = {
    "not_null": [{"check": "not_null", "column": name} for name in COLUMNS],
    "unique": [
        {"check": "unique", "columns": ["k"]},
        {"check": "unique", "columns": ["d", "b"], "severity": "critical"},
        {"check": "unique", "columns": ["n"], "severity": "minor"},
    ],
    "in_set": [
        {"check": "in_set", "column": "w", "values": ["North", "South", "West"]},
        {"check": "in_set", "column": "m", "values": ["1.10", "5.00"], "severity": "minor"},
    ],
    "between": [
        {"check": "between", "column": "n", "min": 1, "max": 3},
        {"check": "between", "column": "m", "min": 0.01},
        {"check": "between", "column": "f", "max": 1.5},
        {"check": "between", "column": "d", "min": "2025-01-01", "max": "2025-01-31"},
    ],
    "matches": [
        {"check": "matches", "column": "k", "pattern": r"K-\d{2}"},
        {"check": "matches", "column": "w", "pattern": r"\p{Lu}\w+"},
        {"check": "matches", "column": "n", "pattern": "[0-9]"},
    ],
    "expression": [
        {"check": "expression", "expression": "m * 2 > n"},
        {"check": "expression", "expression": "w like 'N%' or f < 1", "severity": "critical"},
        {"check": "expression", "expression": "n < 5", "severity": "minor", "per": ["b", "k"]},
    ],
    "type": [
        {"check": "type", "column": "k", "type": "integer", "severity": "minor"},
        {"check": "type", "column": "d", "type": "date", "severity": "critical", "per": ["w"]},
    ],
    "foreign_key": [
        {"check": "foreign_key", "dataset": "other", "on": {"n": "key"}},
        {"check": "foreign_key", "dataset": "other", "on": {"n": "key", "w": "word"}, "severity": "minor"},
        {"check": "foreign_key", "dataset": "d", "on": {"k": "k"}},
    ],
    "freshness": [
        {"check": "freshness", "column": "d", "max_age": "30d"},
        {"check": "freshness", "column": "d", "max_age": "52w", "per": ["w"]},
    ],
    "row_count": [{"check": "row_count", "min": 11}, {"check": "row_count", "max": 1, "per": ["k"]}],
    "distribution": [
        {"check": "distribution", "column": "n", "mean": {"min": 100, "max": 200}, "std": {"min": 0, "max": 1}},
        {"check": "distribution", "column": "m", "quantiles": {"0.5": {"min": 7, "max": 8}}, "per": ["b"]},
        {"check": "distribution", "column": "w", "shares": {"North": 0.9, "South": 0.1}, "tolerance": 0.05},
    ],
}


def test_every_check_has_a_case() -> None:
    assert kinds(Check, "check") - CHECKS.keys() == set()


@pytest.mark.parametrize("repair", [False, True])
@pytest.mark.parametrize("kind", CHECKS)
def test_a_check_catches_and_repairs_the_same_on_both_engines(engines: Engines, kind: str, repair: bool) -> None:
    checks = _CHECKS.validate_python(CHECKS[kind])
    found = [Validated(engine, COLUMNS, DIRTY, checks, repair) for engine in engines]
    # Copies are merged by repair, and then there is nothing to tell of.
    assert repair or any(violation["check"].startswith(kind) for violation in found[0].violations)
    assert vars(found[1]) == vars(found[0])
    assert sorted([*found[1].fit, *found[1].gone]) == list(range(1, len(DIRTY) + 1))


@settings(max_examples=2, derandomize=True, suppress_health_check=list(HealthCheck))
@given(cells=st.lists(test_validation.CELLS, min_size=4, max_size=10), checks=test_validation.CHECKS)
def test_whatever_the_checks_both_engines_give_every_row_the_same_end(
    engines: Engines, cells: list[tuple[str | None, ...]], checks: list[Check]
) -> None:
    found = [Validated(engine, test_validation.TYPES, cells, tuple(checks), True) for engine in engines]
    assert vars(found[1]) == vars(found[0])
    assert sorted([*found[1].fit, *found[1].gone]) == list(range(1, len(cells) + 1))


class Validated:
    """Rows validated, as plain values: those that go on, who left and why, changed cells, counts."""

    def __init__(
        self,
        engine: Engine,
        columns: dict[str, str],
        cells: list[tuple[str | None, ...]],
        checks: tuple[Check, ...],
        repair: bool,
    ) -> None:
        raw = tables.table(engine, dict.fromkeys(columns, "string"), cells)
        declared = {name: Column(type=kind) for name, kind in columns.items()}
        done = validate(
            engine,
            raw,
            dataset="d",
            columns=declared,
            checks=checks,
            repair=repair,
            others={"other": looked_up(engine)},
            at=datetime(2025, 3, 1, tzinfo=UTC),
        )
        self.rows = tables.rows(engine, done.fit.select(ROW, *columns))
        self.fit = [row[ROW] for row in self.rows]
        self.left = sorted((row for t in done.left for row in engine.rows(t)), key=lambda row: row[ROW])
        self.gone = [row[ROW] for row in self.left]
        changed = [row for t in done.changes for row in engine.rows(t)]
        self.changes = sorted(changed, key=lambda row: (row[ROW], row["column"], row["rule"]))
        self.faults = done.faults
        self.violations = [near(violation.model_dump()) for violation in done.violations]
