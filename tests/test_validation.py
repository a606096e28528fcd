"""Validation: what each check catches, who leaves and who stays, what is counted, and that nobody gets lost."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import ExpressionError
from core.spec import Between, Check, Column, Expression, InSet, Matches, NotNull, Unique
from core.task import Dimension, Fate, Severity, Violation
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.quality.validation import Validated, validate

CRITICAL, MAJOR, MINOR = Severity
COMPLETENESS, CONSISTENCY, ACCURACY = Dimension


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def not_null(column: str, severity: Severity = MAJOR) -> Check:
    return NotNull(check="not_null", column=column, severity=severity)


def in_set(column: str, *values: str, severity: Severity = MAJOR) -> Check:
    return InSet(check="in_set", column=column, values=values, severity=severity)


def between(column: str, low: Any = None, high: Any = None, severity: Severity = MAJOR) -> Check:
    return Between(check="between", column=column, min=low, max=high, severity=severity)


def matches(column: str, pattern: str, severity: Severity = MAJOR) -> Check:
    return Matches(check="matches", column=column, pattern=pattern, severity=severity)


def expression(text: str, severity: Severity = MAJOR) -> Check:
    return Expression(check="expression", expression=text, severity=severity)


def unique(*columns: str, severity: Severity = MAJOR) -> Check:
    return Unique(check="unique", columns=columns, severity=severity)


class Found:
    """What validation found in columns of text, as plain values."""

    def __init__(
        self,
        engine: Engine,
        types: dict[str, str],
        cells: list[tuple[str | None, ...]],
        checks: tuple[Check, ...],
        repair: bool = False,
    ) -> None:
        raw = tables.table(engine, dict.fromkeys(types, "string"), cells)
        columns = {name: Column(type=kind) for name, kind in types.items()}
        self.result: Validated = validate(engine, raw, dataset="d", columns=columns, checks=checks, repair=repair)
        self.rows = tables.rows(engine, self.result.fit.select(ROW, *types))
        self.fit = [row[ROW] for row in self.rows]
        left = [row for table in self.result.left for row in engine.rows(table)]
        self.left = {row[ROW]: row for row in left}
        assert len(self.left) == len(left), "a row left twice"
        self.changes = sorted(
            (row[ROW], row["column"], row["before"], row["after"], row["rule"])
            for table in self.result.changes
            for row in engine.rows(table)
        )

    @property
    def rules(self) -> dict[int, str]:
        return {row: left["rule"] for row, left in self.left.items()}

    @property
    def fates(self) -> dict[int, str]:
        return {row: left["fate"] for row, left in self.left.items()}

    @property
    def violations(self) -> dict[str, int]:
        return {violation.check: violation.rows for violation in self.result.violations}


# --- what each check means ---------------------------------------------------------------------------------------

# Type, check, cells that pass, cells that fail.
KINDS: list[tuple[str, Check, list[str | None], list[str | None]]] = [
    ("string", not_null("c"), ["x", "0", "null", "."], [None, "", "  ", "\t\n"]),
    ("integer", not_null("c"), ["0"], [None, "", " "]),
    ("string", in_set("c", "a", "B"), ["a", "B", None, ""], ["A", "b", "a ", "aB", "null"]),
    ("integer", in_set("c", "1", "2"), ["1", "2", "01", "+2", None], ["0", "3", "12"]),
    ("decimal(5,2)", in_set("c", "1.00"), ["1", "1.0", "1.00", None], ["1.01"]),
    ("boolean", in_set("c", "true"), ["true", None], ["false"]),
    ("integer", between("c", 1, 3), ["1", "2", "3", None], ["0", "4", "-1"]),
    ("integer", between("c", 1), ["1", "999999999999999999"], ["0"]),
    ("integer", between("c", None, 3), ["3", "-999999999999999999"], ["4"]),
    ("float", between("c", 0.5, 1.5), ["0.5", "1.5", "1e0", None], ["0.4999999999", "1.50000001"]),
    ("decimal(12,2)", between("c", 0.01, 10), ["0.01", "10.00", None], ["0.00", "10.01", "-5"]),
    ("decimal(12,2)", between("c", 0.1), ["0.10"], ["0.09"]),
    (
        "date",
        between("c", date(2025, 1, 1), date(2025, 1, 31)),
        ["2025-01-01", "2025-01-31"],
        ["2024-12-31", "2025-02-01"],
    ),
    ("string", matches("c", r"O-\d{2}"), ["O-12", None, ""], ["O-1", "O-123", "xO-12", "O-12\n", "o-12", " O-12"]),
    ("string", matches("c", "a|bc"), ["a", "bc", None], ["ac", "abc", "b"]),
    ("string", matches("c", "é+"), ["éé"], ["e"]),
    ("integer", matches("c", r"\d{3}"), ["123", None], ["12", "1234"]),
    ("integer", expression("c > 2 or c = 0"), ["3", "0", None], ["1", "2"]),
    ("string", expression("length(c) < 3 and c <> 'no'"), ["ok", None], ["yes", "no"]),
    ("integer", expression("10 / c > 1"), ["5", "0", None], ["10", "20"]),
]


@pytest.mark.parametrize(("kind", "check", "good", "bad"), KINDS)
def test_each_check_catches_what_it_says_and_nothing_else(
    engine: Engine, kind: str, check: Check, good: list[str | None], bad: list[str | None]
) -> None:
    """At its boundary values. A missing cell passes every check but not_null; an expression that is null passes."""
    found = Found(engine, {"c": kind}, [(cell,) for cell in [*good, *bad]], (check,))
    assert found.fit == list(range(1, len(good) + 1))
    assert found.rules == dict.fromkeys(range(len(good) + 1, len(good) + len(bad) + 1), check.name)
    assert set(found.fates.values()) <= {Fate.QUARANTINED}
    assert found.violations == {check.name: len(bad)}
    assert found.result.faults[check.dimension] == len(bad)


@pytest.mark.parametrize(
    ("kind", "cell", "check", "reason"),
    [
        ("integer", "x7", None, "c is 'x7', not of type integer"),
        ("date", "2025-02-30", None, "c is '2025-02-30', not of type date"),
        ("string", " ", not_null("c"), "c is missing"),
        ("string", "b", in_set("c", "a", "x"), "c is 'b', not one of a, x"),
        ("integer", "7", between("c", 1, 5), "c is '7', and should be at least 1 and at most 5"),
        ("decimal(4,2)", "0.5", between("c", 1), "c is '0.50', and should be at least 1"),
        ("date", "2024-01-01", between("c", date(2025, 1, 1)), "c is '2024-01-01', and should be at least 2025-01-01"),
        ("string", "b", matches("c", "a+"), "c is 'b', not of the form a+"),
        ("integer", "7", expression("c < 5"), "not true: c < 5"),
        ("string", "x" * 500, in_set("c", "a"), "c is '" + "x" * 80 + "', not one of a"),
    ],
)
def test_a_reason_names_the_column_the_value_and_what_was_asked(
    engine: Engine, kind: str, cell: str, check: Check | None, reason: str
) -> None:
    found = Found(engine, {"c": kind}, [(cell,)], (check,) if check else ())
    assert found.left[1]["reason"] == reason


def test_values_that_are_fit_have_their_declared_types(engine: Engine) -> None:
    types = {"i": "integer", "d": "date", "m": "decimal(12,2)", "s": "string", "e": "string"}
    found = Found(engine, types, [("7", "2025-01-02", "1.5", " x ", "")], ())
    assert found.rows == [{ROW: 1, "i": 7, "d": date(2025, 1, 2), "m": pytest.approx(1.5), "s": " x ", "e": None}]
    kinds = {name: str(found.result.fit[name].type()) for name in types}
    assert kinds == {"i": "int64", "d": "date", "m": "decimal(12, 2)", "s": "string", "e": "string"}


def test_an_expression_that_is_no_condition_is_refused(engine: Engine) -> None:
    with pytest.raises(ExpressionError):
        Found(engine, {"c": "integer"}, [("1",)], (expression("c + 1"),))


# --- severities and counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("severity", Severity)
def test_critical_and_major_faults_leave_and_minor_ones_stay(engine: Engine, severity: Severity) -> None:
    found = Found(engine, {"c": "integer"}, [("1",), ("5",)], (between("c", 1, 3, severity),))
    assert found.fit == ([1, 2] if severity == MINOR else [1])
    assert found.result.violations == [
        Violation(check="between(c)", dataset="d", dimension=ACCURACY, severity=severity, rows=1)
    ]
    assert found.result.faults == {CONSISTENCY: 0, ACCURACY: 1}


def test_a_row_is_caught_by_its_gravest_fault_the_first_among_equals(engine: Engine) -> None:
    checks = (
        between("c", 1, 3, MINOR),
        between("c", 1, 4, MAJOR),
        expression("c < 6", CRITICAL),
        expression("c <> 5", MAJOR),
    )
    found = Found(
        engine, {"c": "integer", "n": "integer"}, [(str(n), "x" if n == 8 else "1") for n in range(1, 9)], checks
    )
    assert found.fit == [1, 2, 3, 4]
    assert found.rules == {
        5: "between(c)",
        6: "expression(c < 6)",
        7: "expression(c < 6)",
        # What is not of its type is a major fault.
        8: "expression(c < 6)",
    }
    assert [(v.check, v.severity, v.rows) for v in found.result.violations] == [
        ("type(n)", MAJOR, 1),
        ("between(c)", MINOR, 5),
        ("between(c)", MAJOR, 4),
        ("expression(c < 6)", CRITICAL, 3),
        ("expression(c <> 5)", MAJOR, 1),
    ]


def test_a_violation_counts_all_rows_that_fail_a_check_also_those_caught_by_another(engine: Engine) -> None:
    found = Found(engine, {"c": "integer"}, [("9",), ("8",)], (between("c", 1, 5), between("c", None, 8)))
    assert [(violation.check, violation.rows) for violation in found.result.violations] == [
        ("between(c)", 2),
        ("between(c)", 1),
    ]


def test_faults_count_a_row_once_for_each_dimension(engine: Engine) -> None:
    """Quality is the share of rows without a fault, so a row with two must not weigh twice."""
    types = {"a": "integer", "b": "string", "c": "string"}
    checks = (
        not_null("a"),
        not_null("b", MINOR),
        in_set("b", "x"),
        in_set("c", "x"),
        matches("c", "x"),
        matches("b", "x", MINOR),
    )
    cells = [("1", "x", "x"), (None, None, "x"), ("z", "y", "y"), ("1", "y", "x"), ("z", "x", "x")]
    found = Found(engine, types, cells, checks)
    # Completeness: row 2 twice. Consistency: row 3 by its type and twice by its form, row 4, row 5. Accuracy: 3 and 4.
    assert found.result.faults == {COMPLETENESS: 1, CONSISTENCY: 3, ACCURACY: 2}
    assert found.result.rows_in == 5


def test_only_dimensions_that_were_measured_are_counted(engine: Engine) -> None:
    assert Found(engine, {"c": "string"}, [("x",)], ()).result.faults == {}
    assert Found(engine, {"c": "string"}, [("x",)], (not_null("c"),)).result.faults == {COMPLETENESS: 0}
    assert Found(engine, {"c": "integer"}, [("1",)], ()).result.faults == {CONSISTENCY: 0}
    assert Found(engine, {"c": "string"}, [("x",)], (unique("c"),)).result.faults == {CONSISTENCY: 0}


def test_a_dataset_without_rows_has_nothing_to_answer_for(engine: Engine) -> None:
    found = Found(engine, {"c": "integer"}, [], (not_null("c"), unique("c")), repair=True)
    assert (found.fit, found.left, found.result.rows_in, found.result.violations) == ([], {}, 0, [])
    assert found.result.faults == {COMPLETENESS: 0, CONSISTENCY: 0}


def test_what_fails_after_repair_is_marked_as_handled(engine: Engine) -> None:
    found = Found(engine, {"c": "integer"}, [("seven",), ("$7",)], (between("c", 1, 5),), repair=True)
    assert [(v.check, v.rows, v.handled) for v in found.result.violations] == [
        ("type(c)", 1, True),
        ("between(c)", 1, True),
    ]


# --- copies ------------------------------------------------------------------------------------------------------

COPIES = [
    ("k1", "a", "x"),  # 1: the first of three copies
    ("k2", "a", "x"),  # 2: alone
    ("k1", "a", "x"),  # 3: a copy
    ("k3", "a", "x"),  # 4: in conflict with 5
    ("k3", "b", "x"),  # 5
    ("k1", "a", None),  # 6: a copy that lacks a cell
    (None, "a", "x"),  # 7, 8: without a key, copies of nothing
    (None, "a", "x"),
    ("k4", None, "x"),  # 9: lacks what 10 has
    ("k4", "c", None),  # 10: lacks what 9 has
]
KEYED = {"k": "string", "v": "string", "w": "string"}


def test_copies_and_contradictions_leave_without_repair(engine: Engine) -> None:
    """The first of agreeing rows stays; of contradicting ones none, as nothing tells which is right."""
    found = Found(engine, KEYED, COPIES, (unique("k"),))
    assert found.fit == [1, 2, 7, 8, 9]
    assert found.rules == dict.fromkeys([3, 4, 5, 6, 10], "unique(k)")
    assert set(found.fates.values()) == {Fate.QUARANTINED}
    assert {row: left["into"] for row, left in found.left.items()} == {3: 1, 6: 1, 10: 9, 4: None, 5: None}
    assert found.left[3]["reason"] == "a copy: an earlier row has the same k"
    assert found.left[4]["reason"] == "other rows with the same k say something else"
    assert found.violations == {"unique(k)": 5}
    assert found.result.faults == {CONSISTENCY: 5}
    assert found.changes == []


def test_copies_are_merged_with_repair_and_lend_one_another_their_cells(engine: Engine) -> None:
    found = Found(engine, KEYED, COPIES, (unique("k"),), repair=True)
    assert found.fit == [1, 2, 7, 8, 9]
    assert found.fates == {
        3: Fate.MERGED,
        6: Fate.MERGED,
        10: Fate.MERGED,
        4: Fate.QUARANTINED,
        5: Fate.QUARANTINED,
    }
    assert {row[ROW]: (row["v"], row["w"]) for row in found.rows if row[ROW] in (1, 9)} == {
        1: ("a", "x"),
        9: ("c", "x"),
    }
    assert found.changes == [(9, "v", None, "c", "merge copies")]
    # Merged copies are no fault any more; contradictions are.
    assert found.violations == {"unique(k)": 2}
    assert found.result.faults == {CONSISTENCY: 2}


def test_three_rows_of_a_key_contradict_one_another_if_two_do(engine: Engine) -> None:
    cells = [("k", None, "x"), ("k", "a", "x"), ("k", "b", "x")]
    found = Found(engine, KEYED, cells, (unique("k"),), repair=True)
    assert found.fates == dict.fromkeys([1, 2, 3], Fate.QUARANTINED)


def test_a_key_of_several_columns_is_one_only_as_a_whole(engine: Engine) -> None:
    cells = [("k", "a", "x"), ("k", "b", "x"), ("k", "a", "x"), ("k", None, "x"), ("k", None, "x")]
    found = Found(engine, KEYED, cells, (unique("k", "v"),))
    assert found.rules == {3: "unique(k, v)"}


def test_equal_values_are_one_key_however_they_were_written(engine: Engine) -> None:
    types = {"k": "decimal(4,2)", "v": "string"}
    found = Found(engine, types, [("1.5", "x"), ("1.50", "x"), ("+1.5", "x")], (unique("k"),))
    assert found.fit == [1]


def test_a_row_that_leaves_for_another_fault_takes_no_part_in_the_keys(engine: Engine) -> None:
    found = Found(engine, KEYED, [("k", "bad", "x"), ("k", "a", "x")], (matches("v", "."), unique("k")))
    assert found.fit == [2]
    assert found.rules == {1: "matches(v)"}


def test_two_keys_are_checked_one_after_the_other(engine: Engine) -> None:
    """A row that the first took out is no copy for the second."""
    types = {"a": "string", "b": "string", "v": "string"}
    cells = [("1", "1", "x"), ("1", "1", "x"), ("2", "2", "x"), ("3", "2", "x"), ("3", "2", "x")]
    found = Found(engine, types, cells, (unique("a"), unique("b")))
    assert found.rules == {2: "unique(a)", 5: "unique(a)", 3: "unique(b)", 4: "unique(b)"}
    assert found.fit == [1]
    assert found.violations == {"unique(a)": 2, "unique(b)": 2}
    assert found.result.faults == {CONSISTENCY: 4}


def test_copies_of_a_minor_key_stay_and_count_once(engine: Engine) -> None:
    """Also where they fail a second check of the same dimension."""
    types = {"a": "string", "b": "string", "v": "string"}
    cells = [("1", "1", "x"), ("1", "1", "x"), ("2", "2", "y")]
    checks = (matches("v", "x", MINOR), unique("a", severity=MINOR), unique("b", severity=MINOR))
    found = Found(engine, types, cells, checks)
    assert found.fit == [1, 2, 3]
    assert found.violations == {"matches(v)": 1, "unique(a)": 1, "unique(b)": 1}
    assert found.result.faults == {CONSISTENCY: 2}


# --- whatever the rows and the checks ----------------------------------------------------------------------------

TYPES = {"k": "string", "n": "integer", "m": "decimal(6,2)", "d": "date", "w": "string"}
CELLS = st.tuples(
    st.sampled_from([None, "", "a", "b", "c", " a"]),
    st.sampled_from([None, "1", "2", "3", "x", "1,000", " 2"]),
    st.sampled_from([None, "1.5", "$2", "1.555", "n/a"]),
    st.sampled_from([None, "2025-01-02", "02.01.2025", "3/4/2025", "2025-13-01"]),
    st.sampled_from([None, "North", "NORTH", "Nort h", "South", "east", "unknown"]),
)
SEVERITIES = st.sampled_from(Severity)
CHECKS = st.lists(
    st.one_of(
        st.builds(not_null, st.sampled_from(list(TYPES)), SEVERITIES),
        st.builds(lambda severity: in_set("w", "North", "South", severity=severity), SEVERITIES),
        st.builds(lambda severity: between("n", 2, 1000, severity), SEVERITIES),
        st.builds(lambda severity: matches("k", "[ab]", severity), SEVERITIES),
        st.builds(lambda severity: expression("m > 1.6 or n > 1", severity), SEVERITIES),
        st.builds(
            lambda columns, severity: unique(*sorted(columns), severity=severity),
            st.sets(st.sampled_from(list(TYPES)), min_size=1, max_size=2),
            SEVERITIES,
        ),
    ),
    max_size=5,
)


@settings(max_examples=60, derandomize=True)
@given(cells=st.lists(CELLS, max_size=12), checks=CHECKS, repair=st.booleans())
def test_every_row_is_fit_or_has_left_with_a_reason(
    engine: Engine, cells: list[tuple[str | None, ...]], checks: list[Check], repair: bool
) -> None:
    """rows_in = fit + left, by their ids, whatever fails and whatever is repaired; and the counts say the same."""
    found = Found(engine, TYPES, cells, tuple(checks), repair)
    everyone = list(range(1, len(cells) + 1))
    assert found.result.rows_in == len(cells)
    assert sorted([*found.fit, *found.left]) == everyone
    assert sorted(set(found.fit) & set(found.left)) == []
    for left in found.left.values():
        assert left["reason"]
        # Those merged, and those that are copies, name a row that goes on.
        assert left["into"] is None or left["into"] in found.fit or left["rule"].startswith("unique")
        assert left["fate"] in ((Fate.QUARANTINED, Fate.MERGED) if repair else (Fate.QUARANTINED,))
    names = {check.name: check.severity for check in checks if check.severity != MINOR}
    assert {rule for rule in found.rules.values() if not rule.startswith("type(")} <= set(names)
    for dimension, rows in found.result.faults.items():
        assert 0 <= rows <= len(cells), dimension
    for violation in found.result.violations:
        assert 0 < violation.rows <= len(cells)
        assert violation.handled == repair
        # A dimension has at least as many faulty rows as any check of it.
        assert violation.rows <= found.result.faults[violation.dimension]
    for row, column, before, after, rule in found.changes:
        assert before != after
        assert rule
        assert column in TYPES
        assert row in everyone
