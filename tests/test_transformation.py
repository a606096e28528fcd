"""Transformations of files: what is committed, what is not, and that every row is accounted for."""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from core.classification import Classification
from core.errors import (
    CrewlineError,
    InputError,
    Interrupted,
    Refused,
    RuleError,
    SchemaError,
    SourceError,
    SpecError,
    TargetError,
)
from tools.context import ToolContext
from tools.engine.limits import Limits
from tools.transformation.request import TransformationRequest
from tools.transformation.transformation import Transformation, transform_dataset

ORDERS = """id,customer,placed,amount,state
1,ann,2025-01-05,10.00,open
2,bob,2025-01-09,20.50,done
3,ann,05.02.2025,30.00,done
4,,2025-02-11,,open
5,eve,2025-02-12,5.25,done
6,bob,2025-03-01,7.00,lost,extra
"""
COLUMNS = {"id": "integer", "customer": "string", "placed": "date", "amount": "decimal(8,2)", "state": "string"}

Run = Callable[..., Transformation]


@pytest.fixture
def context(tmp_path: Path) -> ToolContext:
    return ToolContext(roots=(str(tmp_path),))


@pytest.fixture
def run(tmp_path: Path, context: ToolContext) -> Run:
    """Transform `orders.csv`, of six records: 3 has no date, 6 a cell too many."""
    (tmp_path / "orders.csv").write_text(ORDERS)

    def transformed(*rules: dict[str, Any], **fields: Any) -> Transformation:
        request = {"source": {"path": "orders.csv", "columns": COLUMNS}, "output": "out", "rules": rules}
        return transform_dataset(TransformationRequest.model_validate(request | fields), context)

    return transformed


def rows(done: Transformation) -> list[dict[str, Any]]:
    return pq.read_table(done.files[0]).to_pylist() if done.files else []


def account(done: Transformation, stretch: int = -1) -> tuple[int, int, int, int, int]:
    found = done.account[stretch]
    return (found.rows_in, found.rows_out, found.quarantined, found.merged, found.filtered)


# --- what is committed -------------------------------------------------------------------------------------------


def test_rows_are_transformed_and_every_one_is_accounted_for(run: Run, tmp_path: Path) -> None:
    done = run({"rule": "filter", "where": "amount > 6"}, {"rule": "derive", "columns": {"twice": "amount * 2"}})
    assert [row["id"] for row in rows(done)] == [1, 2]
    assert account(done) == (6, 2, 2, 0, 2)
    assert done.account[-1].leaving == {
        "filtered:filter(amount > 6)": 2,
        "quarantined:readable": 1,
        "quarantined:type(placed)": 1,
    }
    assert (done.records, done.output) == (2, str(tmp_path / "out"))
    assert pq.read_table(tmp_path / "out").num_rows == 2
    assert done.columns["twice"] == "decimal(9, 2)"
    assert done.bytes_in == len(ORDERS)
    assert done.bytes_out == sum(Path(file).stat().st_size for file in done.files)
    assert done.compression_ratio == pytest.approx(done.bytes_in / done.bytes_out)
    assert done.seconds > 0
    assert done.rows_per_second == pytest.approx(6 / done.seconds)
    assert done.peak_memory_mb > 20


def test_who_left_is_on_file_and_who_is_in_quarantine_whole(run: Run) -> None:
    done = run({"rule": "cast", "columns": {"customer": "integer"}})
    assert done.records == 1
    told = {row["_row"]: row["reason"] for row in pq.read_table(done.account[0].left_file).to_pylist()}
    assert len(told) == 5
    assert told[3] == "placed is '05.02.2025', not of type date"
    quarantined = pq.read_table(done.account[0].quarantine_file).to_pylist()
    # Line 7 is no record, and so has no columns; the file of departures has its text.
    assert [row["_row"] for row in quarantined] == [1, 2, 3, 5]
    assert quarantined[2]["placed"] == "05.02.2025"
    assert quarantined[0]["_rule"] == "cast(customer)"


@pytest.mark.parametrize("form", ["parquet", "json", "csv"])
def test_every_format_holds_the_same_rows(run: Run, form: str) -> None:
    done = run({"rule": "select", "columns": ["id", "customer"]}, output_format=form)
    (file,) = done.files
    if form == "json":
        found = [json.loads(line) for line in Path(file).read_text().splitlines()]
    else:
        read = pq.read_table(file) if form == "parquet" else pacsv.read_csv(file)
        found = [{**row, "customer": row["customer"] or None} for row in read.to_pylist()]
    assert found == [{"id": i, "customer": c} for i, c in [(1, "ann"), (2, "bob"), (4, None), (5, "eve")]]
    assert account(done) == (6, 4, 2, 0, 0)


def test_a_delta_table_gets_a_version_with_each_commit(run: Run, tmp_path: Path) -> None:
    from deltalake import DeltaTable

    first = run({"rule": "select", "columns": ["id"]}, output_format="delta")
    assert first.records == 4
    second = run({"rule": "filter", "where": "id = 1"}, output_format="delta", partition_by=["state"])
    table = DeltaTable(str(tmp_path / "out"))
    assert (table.version(), pa.table(table.to_pyarrow_table()).num_rows, second.records) == (1, 1, 1)
    with pytest.raises(TargetError, match="Crewline did not publish it"):
        run()
    # The files of the first version are still in the folder.
    assert run(source="out", output="again").records == 1
    assert run(source="out/**/*.parquet", output="again").records == 1


def test_a_delta_table_whose_files_do_not_say_all_of_it_is_refused(run: Run, tmp_path: Path) -> None:
    run({"rule": "select", "columns": ["id"]}, output_format="delta")
    asks = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": ["deletionVectors"]}
    log = {"protocol": {**asks, "writerFeatures": ["deletionVectors"]}}
    (tmp_path / "out" / "_delta_log" / f"{1:020d}.json").write_text(json.dumps(log))
    with pytest.raises(SourceError, match="it asks for deletionVectors"):
        run(source="out", output="again")


def test_a_type_that_delta_tables_do_not_have_is_told(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"at": pa.array([1, 2], pa.time64("us"))}), tmp_path / "a.parquet")
    with pytest.raises(TargetError, match="no type for column 'at', which is of type time64"):
        run(source="a.parquet", output_format="delta")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("form", ["parquet", "csv", "json"])
def test_partitions_are_hive_folders(run: Run, tmp_path: Path, form: str) -> None:
    done = run(partition_by=["state"], output_format=form)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["state=done", "state=open"]
    assert done.records == 4
    if form == "parquet":
        found = ds.dataset(tmp_path / "out", partitioning="hive").to_table(columns=["id", "state"]).to_pylist()
        assert sorted((row["id"], row["state"]) for row in found) == [
            (1, "open"),
            (2, "done"),
            (4, "open"),
            (5, "done"),
        ]


def test_a_new_result_replaces_the_old_one_whole_and_keeps_the_one_before(run: Run, tmp_path: Path) -> None:
    for where in ("id = 1", "id = 2", "id <> 4"):
        run({"rule": "filter", "where": where})
    assert pq.read_table(tmp_path / "out")["id"].to_pylist() == [1, 2, 5]
    assert len(list((tmp_path / ".out.versions").glob("t-*"))) == 2
    assert len(list((tmp_path / ".out.evidence").iterdir())) == 2
    assert not list((tmp_path / ".out.versions").glob(".work-*"))


def test_nothing_is_changed_by_what_fails(run: Run, tmp_path: Path) -> None:
    run({"rule": "filter", "where": "id = 1"})
    before = sorted(str(p) for p in tmp_path.rglob("*"))
    with pytest.raises(RuleError):
        run({"rule": "derive", "columns": {"x": "id * 9000000000000000000"}})
    with pytest.raises(SchemaError):
        run(target_schema={"id": "integer"})
    assert sorted(str(p) for p in tmp_path.rglob("*")) == before
    assert pq.read_table(tmp_path / "out")["id"].to_pylist() == [1]


# --- rules that make other rows ----------------------------------------------------------------------------------


def test_groups_have_an_account_of_their_own(run: Run) -> None:
    done = run(
        {"rule": "filter", "where": "amount > 6"},
        {"rule": "aggregate", "group_by": ["state"], "aggregates": {"n": "count(*)", "total": "sum(amount)"}},
        {"rule": "filter", "where": "state = 'done'"},
        type="aggregation",
    )
    assert [(row["state"], row["n"], str(row["total"])) for row in rows(done)] == [("done", 1, "20.50")]
    assert account(done, 0) == (6, 2, 2, 0, 2)
    assert (done.account[0].rule, done.account[0].produced) == ("aggregate", 2)
    assert account(done, 1) == (2, 1, 0, 0, 1)


def test_pivot_makes_columns_of_values_and_unpivot_rows_of_columns(run: Run) -> None:
    pivot = {"rule": "pivot", "group_by": ["customer"], "column": "state", "aggregate": "count(*)"}
    done = run(pivot)
    assert [tuple(row.values()) for row in rows(done)] == [
        ("ann", None, 1), ("bob", 1, None), ("eve", 1, None), (None, None, 1)
    ]  # fmt: skip
    assert list(rows(done)[0]) == ["customer", "done", "open"]
    assert (account(done, 0)[1], done.account[0].produced) == (4, 4)
    done = run(
        pivot | {"values": ["open"]},
        {"rule": "derive", "columns": {"none": "cast(null as integer)"}},
        {"rule": "unpivot", "columns": ["open", "none"], "name": "state", "value": "n"},
        {"rule": "drop_nulls", "columns": ["n"]},
    )
    assert rows(done) == [{"customer": "ann", "state": "open", "n": 1}, {"customer": None, "state": "open", "n": 1}]
    told = [(stretch.rule, stretch.rows_out, stretch.produced) for stretch in done.account]
    assert told == [("pivot", 4, 4), ("unpivot", 4, 8), (None, 2, None)]


@pytest.mark.parametrize("value", ["' '", "'_x'", "'Customer'", "case when id = 1 then 'a' else 'A' end"])
def test_a_value_that_no_column_can_be_called_is_told_by_pivot(run: Run, value: str) -> None:
    """The engine has no empty names, and takes two that differ in case alone for one."""
    pivot = {"rule": "pivot", "group_by": ["customer"], "column": "state", "aggregate": "count(*)"}
    with pytest.raises(RuleError, match=r"rule 1 \(pivot\): no column can be called") as error:
        run({"rule": "derive", "columns": {"state": value}}, pivot)
    assert "map the values of 'state'" in error.value.reason


# --- datasets that are looked up ---------------------------------------------------------------------------------


def test_rows_are_joined_with_other_files(run: Run, tmp_path: Path) -> None:
    (tmp_path / "people.jsonl").write_text('{"name": "ann", "age": 30}\n{"name": "bob", "age": 40}\n')
    people = {"path": "people.jsonl", "columns": {"name": "string", "age": "integer"}}
    join = {"rule": "join", "dataset": "people", "on": {"customer": "name"}, "columns": ["age"]}
    done = run(join, type="join", datasets={"people": people})
    assert [(row["id"], row["age"]) for row in rows(done)] == [(1, 30), (2, 40)]
    assert account(done) == (6, 2, 4, 0, 0)
    (tmp_path / "people.jsonl").write_text('{"name": "ann", "age": "old"}\n')
    with pytest.raises(SourceError, match="age is 'old', not of type integer"):
        run(join, type="join", datasets={"people": people})


# --- the target's schema -----------------------------------------------------------------------------------------


def test_every_mismatch_with_the_target_schema_is_told(run: Run) -> None:
    schema = {"id": "string", "state": "string", "city": "string", "amount": "decimal(8,2)", "customer": "string"}
    with pytest.raises(SchemaError) as error:
        run(target_schema=schema)
    assert error.value.mismatches == [
        "column 'city' (string) is missing",
        "column 'placed' is extra",
        "column 'id' is of type integer, not string",
    ]


def test_a_column_that_must_not_lack_values_does_not(run: Run) -> None:
    schema = {"customer": {"type": "string", "nullable": False}, "id": {"type": "integer", "nullable": False}}
    with pytest.raises(SchemaError, match="column 'customer' lacks 1 values"):
        run({"rule": "select", "columns": ["id", "customer"]}, target_schema=schema)
    done = run(
        {"rule": "select", "columns": ["id", "customer"]},
        target_schema=schema,
        checks=[{"check": "not_null", "column": "customer"}],
    )
    # Who lacks it is in quarantine; and the columns come in the order of the schema.
    assert list(done.columns) == ["customer", "id"]
    assert account(done) == (6, 3, 3, 0, 0)


# --- quality -----------------------------------------------------------------------------------------------------


def test_the_result_is_checked_and_assessed(run: Run) -> None:
    done = run(
        checks=[
            {"check": "not_null", "column": "customer"},
            {"check": "between", "column": "amount", "min": 6, "severity": "minor"},
            {"check": "expression", "expression": "id < 5", "severity": "critical"},
        ]
    )
    assert [row["id"] for row in rows(done)] == [1, 2]
    quality = done.quality
    assert quality is not None
    assert quality.rows == 6
    # Of six: one lacks its customer; one is no record, one no date, one is caught by the expression; one is too low.
    assert quality.scores == pytest.approx({"completeness": 5 / 6, "accuracy": 5 / 6, "consistency": 3 / 6})
    assert quality.overall == pytest.approx(sum(quality.scores.values()) / 3)
    assert {v.check: v.rows for v in quality.violations} == {
        "readable": 1,
        "type(placed)": 1,
        "not_null(customer)": 1,
        "between(amount)": 1,
        "expression(id < 5)": 1,
    }
    assert len(quality.missed) == 3
    assert done.account[-1].leaving["quarantined:expression(id < 5)"] == 1
    assert run(quality_checks=False).quality is None


def test_rows_that_share_a_unique_key_go_to_quarantine(run: Run) -> None:
    done = run(checks=[{"check": "unique", "columns": ["state"]}], quality_checks=True)
    assert (account(done), done.records) == ((6, 0, 6, 0, 0), 0)
    assert done.account[0].leaving["quarantined:unique(state)"] == 4


def test_that_no_row_got_into_the_result_is_noted(run: Run) -> None:
    done = run(checks=[{"check": "expression", "expression": "id > 9"}])
    assert done.notes[0].startswith("no row of 6 is in the result: 4 quarantined by expression(id > 9), 1 ")
    assert done.records == 0
    assert run().notes == []


def test_rows_whose_key_is_in_no_other_file_go_to_quarantine(run: Run, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("name,n\nann,1\nbob,2\n")
    key = {"check": "foreign_key", "dataset": "people", "on": {"customer": "name"}}
    done = run(checks=[key], datasets={"people": "people.csv"})
    # 4 has no customer, and so refers to nobody.
    assert [row["id"] for row in rows(done)] == [1, 2, 4]
    assert done.account[0].leaving["quarantined:foreign_key(customer)"] == 1
    for wrong, words in [
        ({"dataset": "persons"}, r"checks.0.dataset: there is no dataset 'persons'; there are people"),
        ({"on": {"customer": "nome"}}, r"'people' declares no column 'nome'; it declares name, n"),
        ({"on": {"id": "name"}}, r"'id' is of type integer, but 'name' of 'people' of type string"),
    ]:
        with pytest.raises(InputError, match=words):
            run(checks=[key | wrong], datasets={"people": "people.csv"})


def test_a_file_that_nothing_is_looked_up_in_is_told(run: Run) -> None:
    with pytest.raises(SpecError, match="no rule or check looks anything up in it"):
        run(datasets={"people": "orders.csv"})


def test_a_check_of_a_column_that_is_not_there_is_told(run: Run) -> None:
    with pytest.raises(InputError, match=r"not_null\(nope\): the result has no column nope"):
        run(checks=[{"check": "not_null", "column": "nope"}])


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            {"check": "between", "column": "customer", "min": 1},
            "'customer' is of type string, but its bounds are numbers",
        ),
        ({"check": "between", "column": "amount", "max": "2025-01-01"}, "its bounds are dates"),
        ({"check": "freshness", "column": "id", "max_age": "1h"}, "only a date or a timestamp has an age"),
        ({"check": "distribution", "column": "state", "mean": {"min": 1, "max": 2}}, "only numbers have a mean"),
        ({"check": "matches", "column": "state", "pattern": "(?<x"}, r"'\(\?<x' is no pattern"),
    ],
)
def test_a_check_that_does_not_fit_its_column_is_told(run: Run, check: dict[str, Any], words: str) -> None:
    with pytest.raises(CrewlineError, match=words):
        run(checks=[check])


# --- what is asked for does not fit ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "rules", "words"),
    [
        ("aggregation", [], "rules: aggregation needs at least one of aggregate, pivot"),
        ("join", [{"rule": "trim", "columns": ["state"]}], "join needs at least one of join"),
        ("enrichment", [{"rule": "filter", "where": "id > 1"}], "rules.0: 'filter' is not of the type enrichment"),
        (
            "enrichment",
            [{"rule": "join", "dataset": "d", "on": {"id": "k"}, "columns": ["v"]}],
            "rules.0: an enrichment adds to rows, and loses none; set `missing: keep`",
        ),
        (
            "cleansing",
            [{"rule": "aggregate", "group_by": ["id"], "aggregates": {"n": "count(*)"}}],
            "rules.0: 'aggregate' is not of the type cleansing",
        ),
        ("normalization", [{"rule": "drop_nulls", "columns": ["id"]}], "changes the form of rows, and loses none"),
        (
            "etl",
            [{"rule": "lookup", "dataset": "d", "column": "id", "key": "k", "take": "v", "into": "v"}],
            "rules.0.dataset: there is no dataset 'd'; there are none",
        ),
    ],
)
def test_a_type_is_kept_to(run: Run, kind: str, rules: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(SpecError) as error:
        run(*rules, type=kind)
    assert words in str(error.value)


def test_a_rule_is_told_by_its_index_also_after_groups(run: Run) -> None:
    group = {"rule": "aggregate", "group_by": ["state"], "aggregates": {"n": "count(*)"}}
    for rules, index in [
        ([{"rule": "trim", "columns": ["nope"]}], 0),
        ([group, {"rule": "trim", "columns": ["n"]}], 1),
        ([group | {"group_by": ["nope"]}], 0),
        ([{"rule": "trim", "columns": ["state"]}, group | {"aggregates": {"n": "sum(id * 9000000000000000000)"}}], 1),
    ]:
        with pytest.raises(RuleError) as error:
            run(*rules)
        assert error.value.index == index


def test_what_is_outside_of_the_roots_is_refused(run: Run, tmp_path: Path, tmp_path_factory: Any) -> None:
    outside = tmp_path_factory.mktemp("outside")
    pq.write_table(pa.table({"a": [1]}), outside / "a.parquet")
    (tmp_path / "link.parquet").symlink_to(outside / "a.parquet")
    (tmp_path / "door").symlink_to(outside)
    for fields in (
        {"source": str(outside / "a.parquet")},
        {"source": "../*/a.parquet"},
        {"source": "link.parquet"},
        {"source": "*.parquet"},
        {"output": str(outside / "out")},
        {"output": "../out"},
        {"output": "door/out"},
        {"datasets": {"d": str(outside / "a.parquet")}, "rules": [
            {"rule": "lookup", "dataset": "d", "column": "id", "key": "a", "take": "a", "into": "x"}]},
    ):  # fmt: skip
        with pytest.raises(Refused):
            run(**fields)
    assert sorted(p.name for p in outside.iterdir()) == ["a.parquet"]


def test_data_above_the_clearance_is_refused(tmp_path: Path, run: Run) -> None:
    request = TransformationRequest.model_validate({"source": "orders.csv", "output": "out"})
    with pytest.raises(Refused, match="clearance is public"):
        transform_dataset(request, ToolContext(roots=(str(tmp_path),), clearance=Classification.PUBLIC))


def test_a_call_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": range(300_000)}), tmp_path / "a.parquet")
    request = {"source": "a.parquet", "output": "out", "rules": [{"rule": "derive", "columns": {"b": "a + 1"}}] * 5}
    context = ToolContext(roots=(str(tmp_path),), timeout_s=0.01)
    with pytest.raises(Interrupted, match="a call may take"):
        transform_dataset(TransformationRequest.model_validate(request), context)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("half", [b"PAR1", b"", b"PAR1 and no more PAR1", b"\xff" * 100])
def test_a_damaged_file_is_told_as_such(run: Run, tmp_path: Path, half: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(half)
    with pytest.raises(SourceError):
        run(source="a.parquet")


def test_a_file_damaged_in_the_middle_is_no_rules_fault(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": list(range(50_000))}), tmp_path / "a.parquet", use_dictionary=False)
    whole = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "a.parquet").write_bytes(whole[:100] + b"\xff" * 5_000 + whole[5_100:])
    with pytest.raises(CrewlineError) as error:
        run({"rule": "derive", "columns": {"b": "a + 1"}}, source="a.parquet")
    assert not isinstance(error.value, RuleError)


@pytest.mark.parametrize("form", ["parquet", "delta"])
def test_a_first_write_that_fails_leaves_nothing_behind(run: Run, tmp_path: Path, form: str) -> None:
    with pytest.raises(SchemaError):
        run(target_schema={"id": "string"}, output_format=form)
    assert [place.name for place in tmp_path.iterdir()] == ["orders.csv"]


def test_two_at_once_do_not_disturb_each_other(run: Run, tmp_path: Path) -> None:
    import fcntl

    run()
    with (tmp_path / ".out.versions" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TargetError, match="is being written by another process"):
            run()
    assert run().records == 4


def test_what_a_killed_one_left_is_swept(run: Run, tmp_path: Path) -> None:
    run()
    (tmp_path / ".out.versions" / ".work-t-old").mkdir()
    run()
    assert not (tmp_path / ".out.versions" / ".work-t-old").exists()


# --- size --------------------------------------------------------------------------------------------------------


def test_more_data_than_memory_is_spilled(tmp_path: Path) -> None:
    """A window over 500,000 rows, of some 60 MB and twice that with what the window needs, in the least memory there
    can be, however many threads are asked for."""
    n = 500_000
    text = "md5(i::VARCHAR) || md5((i + 1)::VARCHAR) || repeat('x', 40)"
    duckdb.sql(
        f"COPY (SELECT i AS id, i * 7919 % 50000 AS k, {text} AS t FROM range({n}) r(i)) TO '{tmp_path}/a.parquet'"
    )
    request = {
        "source": "a.parquet",
        "output": "out",
        "rules": [{"rule": "window", "partition_by": ["k"], "columns": {"n": "count(*)", "at": "row_number()"}}],
    }
    context = ToolContext(roots=(str(tmp_path),), limits=Limits(threads=8, memory_mb=128))
    done = transform_dataset(TransformationRequest.model_validate(request), context)
    assert done.records == n
    assert pq.read_table(done.files[0], columns=["n"])["n"].unique().to_pylist() == [n // 50_000]


# --- whatever is asked -------------------------------------------------------------------------------------------

HOSTILE = st.sampled_from(
    ["", "..", "/etc/passwd", "orders.csv", "a\x00b", "s3://x/y", "file:///etc/passwd", "*", "out", "id",
     "'; drop table x", "read_csv('/etc/passwd')", "sum(id)", "id > 1", "(select 1)", "é", "_row", "x" * 300]
)  # fmt: skip
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(HOSTILE, inner, max_size=3),
    max_leaves=6,
)
RULES = [
    "select", "rename", "cast", "derive", "filter", "fill", "trim", "map", "window", "pivot", "unpivot", "flatten"
]  # fmt: skip
ASKED = st.fixed_dictionaries(
    {"source": HOSTILE | ANY, "output": HOSTILE},
    optional={
        "type": st.sampled_from(["etl", "join", "nope"]),
        "rules": st.lists(
            st.fixed_dictionaries(
                {"rule": st.sampled_from(RULES)},
                optional={"columns": ANY, "where": HOSTILE, "column": HOSTILE, "values": ANY, "fields": ANY},
            ),
            max_size=3,
        ),
        "checks": ANY,
        "target_schema": ANY,
        "partition_by": st.lists(HOSTILE, max_size=2),
        "unknown": ANY,
    },
)


@settings(max_examples=300, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(asked=ASKED)
def test_whatever_is_asked_there_is_an_answer_or_an_error_of_ours(
    run: Run, context: ToolContext, tmp_path: Path, asked: dict[str, Any]
) -> None:
    """And nothing is made outside of the roots."""
    before = sorted(os.listdir(tmp_path.parent))
    with suppress(ValidationError, CrewlineError):
        transform_dataset(TransformationRequest.model_validate(asked), context)
    assert sorted(os.listdir(tmp_path.parent)) == before


def test_folders_beside_the_output_that_lead_out_of_the_roots_are_refused(run: Run, tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside").mkdir()
    (inside / "orders.csv").write_text(ORDERS)
    for name in (".out.versions", ".out.evidence"):
        (inside / name).symlink_to(tmp_path / "outside")
        with pytest.raises(Refused):
            transform_dataset(
                TransformationRequest(source="orders.csv", output="out"), ToolContext(roots=(str(inside),))
            )
        (inside / name).unlink()
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_text_is_not_padded_without_bound(run: Run) -> None:
    with pytest.raises(RuleError, match="padded to 10,000 characters at most"):
        run({"rule": "derive", "columns": {"x": "lpad(customer, 2000000000, 'x')"}})


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "derive", "columns": {"customer": "customer || customer"}},
        {"rule": "derive", "columns": {"customer": "concat(customer, upper(customer))"}},
        {"rule": "derive", "columns": {"customer": "replace(customer, 'n', customer || 'nn')"}},
        {"rule": "derive", "columns": {"customer": "regexp_replace(customer, '(n)', '\\1\\1\\1')"}},
        {"rule": "replace", "columns": ["customer"], "text": "n", "by": "n" * 1000},
        {"rule": "replace", "columns": ["customer"], "pattern": "n", "by": "nn"},
        {"rule": "merge", "columns": ["customer", "customer"], "into": "customer"},
    ],
)
def test_a_text_does_not_grow_without_bound(run: Run, rule: dict[str, Any]) -> None:
    with pytest.raises(RuleError, match="a text would be longer than 100,000 characters"):
        run(*[rule] * 20)


def test_functions_that_let_texts_grow_nest(run: Run) -> None:
    """Each of their texts stands in the statement several times: ten times that, it would have no end."""
    nest = "customer"
    for number in range(10):
        nest = f"regexp_replace(replace({nest}, '{number}', '{number}.'), 'n', 'nn') || {number}"
    assert rows(run({"rule": "derive", "columns": {"x": nest}}))[0]["x"] == "a" + "n" * 2048 + "0" + "".join(
        f"{number}" for number in range(1, 10)
    )


@pytest.mark.parametrize(
    "rule",
    [
        {"rule": "cast", "columns": {"id": "integer"}},
        {"rule": "filter", "where": "id < 5"},
        {"rule": "derive", "columns": {"id": "id + 0"}},
    ],
)
def test_there_may_be_very_many_rules(run: Run, rule: dict[str, Any]) -> None:
    done = run(*[rule] * 70)
    assert account(done) == ((6, 3, 2, 0, 1) if rule["rule"] == "filter" else (6, 4, 2, 0, 0))


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ({"rule": "derive", "columns": {"": "id"}}, "a column has a name that is empty"),
        ({"rule": "derive", "columns": {"n\0ul": "id"}}, "no column can be called"),
        ({"rule": "derive", "columns": {"x" * 256: "id"}}, "a name has up to 255 characters"),
        ({"rule": "derive", "columns": {"X": "id", "x": "id"}}, "columns 'X' and 'x' differ in case alone"),
        ({"rule": "rename", "columns": {"id": "X", "state": "x"}}, "columns 'X' and 'x' differ in case alone"),
        ({"rule": "unpivot", "columns": ["state"], "name": "n", "value": "N"}, "'n' and 'N' differ in case alone"),
        ({"rule": "pivot", "group_by": ["id"], "column": "state", "values": ["\0"], "aggregate": "count(*)"}, "NUL"),
    ],
)
def test_a_name_that_no_column_can_have_is_refused(run: Run, rule: dict[str, Any], words: str) -> None:
    with pytest.raises(RuleError, match=words):
        run(rule)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rules": [{"rule": "mask", "columns": ["state"], "keep": 10**30}]}, "less than or equal to"),
        ({"rules": [{"rule": "trim", "columns": ["state", "state"]}]}, "'state' is named twice"),
        ({"rules": [{"rule": "aggregate", "group_by": ["id"], "aggregates": {"ID": "count(*)"}}]}, "in case alone"),
        ({"partition_by": ["state", "state"]}, "'state' is named twice"),
        ({"checks": [{"check": "unique", "columns": ["id", "id"]}]}, "'id' is named twice"),
    ],
)
def test_what_no_engine_could_do_is_refused_before_it_is_asked(run: Run, fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        run(**fields)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ([], "has no columns"),
        ([""], "a column has a name that is empty"),
        (["A", "a"], "columns 'A' and 'a' differ in case alone"),
        (["n\0ul"], "no column can be called"),
        (["_x"], "'_x' begins with '_'"),
    ],
)
def test_a_file_whose_columns_cannot_be_told_apart_is_refused(
    run: Run, tmp_path: Path, names: list[str], words: str
) -> None:
    pq.write_table(pa.table({name: [1] for name in names}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=words):
        run(source="a.parquet")


def test_a_column_of_no_type_becomes_one_of_missing_texts(run: Run, tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1, 2], "b": pa.nulls(2)}), tmp_path / "a.parquet")
    assert run(source="a.parquet").columns == {"a": "int64", "b": "string"}


def test_a_target_whose_name_is_too_long_is_refused(run: Run) -> None:
    with pytest.raises(TargetError, match="too long"):
        run(output="x" * 250)


def test_a_rule_that_misses_a_column_is_told_that_the_declaration_left_it_out(
    tmp_path: Path, context: ToolContext
) -> None:
    (tmp_path / "orders.csv").write_text("id,amt,city\n1,2,Bern\n")
    source = {"path": "orders.csv", "columns": {"id": "integer", "amt": "integer"}}
    for rule in ({"rule": "select", "columns": ["city"]}, {"rule": "derive", "columns": {"x": "upper(city)"}}):
        request = TransformationRequest.model_validate({"source": source, "output": "out", "rules": [rule]})
        with pytest.raises(RuleError, match=r"there are id, amt; .* not declared, and which are left out: city"):
            transform_dataset(request, context)
