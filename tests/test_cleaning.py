"""Cleaning a file: what is repaired, flagged, quarantined and left alone, and that every row is accounted for."""

import csv
import hashlib
import json
import os
import random
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import crewline
from core.errors import SourceError, TargetError
from crewline.cli import app
from tests import dirt
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.quality.cleaning.cleaning import Cleaning, clean
from tools.quality.cleaning.decision import judged
from tools.quality.cleaning.rows import changes_by_evidence

# Where public tables lie that are not part of the project: hospital/dirty.csv and hospital/clean.csv.
DATA = os.environ.get("CREWLINE_DATA")


@dataclass(frozen=True)
class Score:
    """Judged cells against the truth."""

    errors: int
    flagged: int
    found: int
    repaired: int
    right: int

    @property
    def detection(self) -> float:
        """F1 of the cells judged wrong."""
        return 2 * self.found / (self.flagged + self.errors)

    @property
    def precision(self) -> float:
        return self.right / self.repaired

    @property
    def repair(self) -> float:
        """F1 of the cells repaired as they should be."""
        return 2 * self.right / (self.repaired + self.errors)


def score(dirty: dict[str, list[str]], truth: dict[str, list[str]]) -> Score:
    names = list(dirty)
    findings = judged(pa.table({name: pa.array(dirty[name], pa.string()) for name in names}))
    repairs = [finding for finding in findings if finding.after is not None]
    return Score(
        errors=sum(a != b for name in names for a, b in zip(dirty[name], truth[name], strict=True)),
        flagged=len(findings),
        found=sum(dirty[names[f.column]][f.row] != truth[names[f.column]][f.row] for f in findings),
        repaired=len(repairs),
        right=sum(f.after == truth[names[f.column]][f.row] for f in repairs),
    )


def columns(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> dict[str, list[str]]:
    return {name: [cells[index] for cells in rows] for index, name in enumerate(names)}


def hospital(name: str) -> dict[str, list[str]]:
    if DATA is None:
        pytest.skip("CREWLINE_DATA does not say where the public tables lie")
    with (Path(DATA) / "hospital" / f"{name}.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return columns(tuple(header), [tuple(row) for row in rows])


def written(path: Path, table: dict[str, list[Any]]) -> Path:
    pq.write_table(pa.table(table), path)
    return path


def content(done: Cleaning, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(done.files[name]).to_pylist()
    return rows


# --- how well ----------------------------------------------------------------------------------------------------


def test_the_hospital_table_is_cleaned_as_well_as_is_promised() -> None:
    dirty, truth = hospital("dirty"), hospital("clean")
    found = score(dict(zip(truth, dirty.values(), strict=True)), truth)
    assert found.errors == 509
    assert found.detection >= 0.98
    assert found.precision >= 0.98
    assert found.repair >= 0.95


def test_the_clean_hospital_table_is_left_alone() -> None:
    truth = hospital("clean")
    assert score(truth, truth).repaired <= 0.0005 * 20 * 1000


@pytest.mark.parametrize("seed", range(3))
def test_a_table_of_two_keys_with_overwritten_letters_is_cleaned_as_well_as_is_promised(seed: int) -> None:
    """A table like the hospital one, and errors like those in it; clean, it is left alone."""
    rng = random.Random(seed)
    truth = dirt.clinics(rng, 1000)
    found = score(dirt.overtyped(rng, truth, 0.025), truth)
    assert found.errors == 350
    assert found.detection >= 0.98
    assert found.precision >= 0.98
    assert found.repair >= 0.95
    assert score(truth, truth).flagged == 0


@pytest.mark.parametrize("domain", dirt.DOMAINS)
@pytest.mark.parametrize("rows", [20, 400, 2000])
def test_a_clean_table_of_any_domain_is_left_alone(domain: str, rows: int) -> None:
    table = dirt.DOMAINS[domain](random.Random(f"{domain} {rows}"), rows)
    cells = len(table) * len(next(iter(table.values())))
    assert score(table, table).repaired <= 0.0005 * cells


@pytest.mark.parametrize("domain", dirt.DOMAINS)
def test_nine_in_ten_repairs_of_injected_errors_are_right(domain: str) -> None:
    rng = random.Random(f"soiled {domain}")
    truth = dirt.DOMAINS[domain](rng, 2000)
    found = score(dirt.soiled(rng, truth, 0.02), truth)
    assert found.flagged > 0
    assert found.right >= 0.9 * found.repaired


@pytest.mark.parametrize(("domain", "share"), [("orders", 0.5), ("flights", 0.6), ("beers", 0.2), ("census", 0.2)])
def test_errors_that_the_table_itself_contradicts_are_repaired(domain: str, share: float) -> None:
    rng = random.Random(f"repaired {domain}")
    truth = dirt.DOMAINS[domain](rng, 2000)
    found = score(dirt.soiled(rng, truth, 0.02), truth)
    assert found.right >= share * found.errors


# --- each kind of evidence ---------------------------------------------------------------------------------------


def test_several_sources_that_disagree_are_settled_by_majority_and_doubt_is_left_alone() -> None:
    rng = random.Random(7)
    truth = dirt.flights(rng, 2000)
    dirty = dirt.soiled(rng, truth, 0.25, ("swap", "gap"))
    dirty["source"], dirty["flight"] = truth["source"], truth["flight"]
    found = score(dirty, truth)
    assert found.precision >= 0.98
    assert found.repair >= 0.9


def test_prices_that_differ_from_shop_to_shop_are_no_errors() -> None:
    rng = random.Random(3)
    rows = [
        (f"P{p}", f"S{s}", f"name {p}", f"{p + 1}.{rng.choice(['00', '00', '00', '50'])}")
        for p in range(60)
        for s in range(20)
    ]
    table = dict(zip(("product", "shop", "name", "price"), map(list, zip(*rows, strict=True)), strict=True))
    assert score(table, table).flagged == 0


def test_quantities_keep_their_number_in_the_form_that_dominates() -> None:
    rng = random.Random(5)
    truth = {"ounces": [rng.choice(["12.0", "16.0", "24.0"]) for _ in range(300)]}
    dirty = {"ounces": [t + rng.choice(["", "", "", " oz", " oz.", " OUNCE"]) for t in truth["ounces"]]}
    found = score(dirty, truth)
    assert (found.right, found.repaired, found.flagged) == (found.errors, found.errors, found.errors)


@pytest.mark.parametrize("units", [("", " km", " mi"), ("", "k", "M")])
def test_different_units_are_not_taken_for_spellings_of_one(units: tuple[str, ...]) -> None:
    rng = random.Random(5)
    table = {"distance": [f"{rng.randint(1, 9)}{rng.choice(units)}" for _ in range(300)]}
    assert score(table, table).flagged == 0


def test_a_value_that_spilt_into_the_column_before_its_own_is_put_back() -> None:
    rng = random.Random(2)
    places = [("Portland", "OR"), ("San Diego", "CA"), ("Austin", "TX"), ("Denver", "CO")]
    truth = columns(("city", "state"), [rng.choice(places) for _ in range(200)])
    dirty = {name: list(cells) for name, cells in truth.items()}
    for row in range(0, 200, 17):
        dirty["city"][row], dirty["state"][row] = f"{truth['city'][row]} {truth['state'][row]}", ""
    found = score(dirty, truth)
    assert (found.right, found.repaired) == (found.errors, found.errors)


def test_two_cells_that_changed_places_change_back() -> None:
    rng = random.Random(4)
    truth = columns(("size", "colour"), [(rng.choice("SML"), rng.choice(["red", "blue", "green"])) for _ in range(300)])
    dirty = {name: list(cells) for name, cells in truth.items()}
    dirty["size"][9], dirty["colour"][9] = truth["colour"][9], truth["size"][9]
    found = score(dirty, truth)
    assert (found.errors, found.flagged, found.right) == (2, 2, 2)


@pytest.mark.parametrize(
    ("plain", "other", "becomes"),
    [
        ([f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 28)], "13 May 2024", "2024-05-13"),
        ([f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 28)], "05/13/2024", "2024-05-13"),
        ([f"2024-{m:02d}-{d:02d}" for m in range(1, 13) for d in range(1, 28)], "05/06/2024", "05/06/2024"),
        ([f"{n * 37}.50" for n in range(300)], "$1,250.00", "1250.00"),
        ([f"{n * 37}.50" for n in range(300)], "$9,991,250.00", "$9,991,250.00"),
    ],
)
def test_dates_and_numbers_take_the_notation_of_their_column_if_they_can_be_read_in_one_way(
    plain: list[str], other: str, becomes: str
) -> None:
    findings = judged(pa.table({"c": [*plain, other]}))
    assert [f.after for f in findings if f.after is not None] == ([becomes] if becomes != other else [])


def test_a_wrong_key_is_flagged_and_what_hangs_on_it_is_left_alone() -> None:
    rng = random.Random(11)
    truth = {"key": [f"K{i % 40}" for i in range(800)]}
    truth |= {name: [f"{name} {hash_of(key, name)}" for key in truth["key"]] for name in ("one", "two", "three")}
    dirty = {name: list(cells) for name, cells in truth.items()}
    dirty["key"][5] = "K17"
    for row in range(30, 800, 90):
        dirty["one"][row] = dirt.soiled(rng, {"one": [truth["one"][row]]}, 1.0, ("typo",))["one"][0]
    findings = [f for f in judged(pa.table(dirty)) if f.row == 5]
    assert {f.column for f in findings} == {0}


def hash_of(key: str, salt: str) -> str:
    return "".join(string.ascii_lowercase[b % 26] for b in hashlib.sha256(f"{key}{salt}".encode()).digest()[:7])


def test_a_gap_is_filled_only_where_its_group_has_one_value() -> None:
    truth = {"city": [f"city {i % 20}" for i in range(400)], "mayor": [hash_of(str(i % 20), "m") for i in range(400)]}
    truth["note"] = [hash_of(str(i), "n") if i % 3 else "" for i in range(400)]
    dirty = {name: list(cells) for name, cells in truth.items()}
    for row in range(3, 400, 57):
        dirty["mayor"][row] = "n/a"
    found = score(dirty, truth)
    assert (found.right, found.flagged) == (found.errors, found.errors)


def test_one_letter_that_stands_for_others_is_learned_and_read_as_any_letter() -> None:
    rng = random.Random(4)
    keys = [rng.randrange(30) for _ in range(900)]
    truth = {name: [hash_of(str(key), name).replace("z", "y") for key in keys] for name in ("a", "b", "c")}
    truth["colour"] = [rng.choice(["green", "orange", "violet", "brown"]) for _ in range(900)]
    dirty = {name: list(cells) for name, cells in truth.items()}
    for name in truth:
        for row in rng.sample(range(900), 40):
            at = rng.randrange(len(truth[name][row]))
            dirty[name][row] = truth[name][row][:at] + "z" + truth[name][row][at + 1 :]
    found = score(dirty, truth)
    assert found.precision == 1.0
    assert found.right >= 0.98 * found.errors


def test_exceptions_that_follow_a_rule_of_their_own_are_no_errors() -> None:
    """One shop, all of whose rows have another code, is no series of accidents."""
    rows = [(f"shop {i % 20}", f"item {i % 7}", f"{'xy' if i % 20 == 3 else 'ab'}-{i % 7}") for i in range(700)]
    table = columns(("shop", "item", "code"), rows)
    assert score(table, table).flagged == 0


def test_padding_is_cut_where_few_are_padded_and_kept_where_most_are() -> None:
    few = {"a": ["north"] * 60 + [" north"] + ["south "] * 1 + ["south"] * 60}
    assert {(f.row, f.after) for f in judged(pa.table(few))} == {(60, "north"), (61, "south")}
    assert judged(pa.table({"a": [" north", " south"] * 50})) == []


def test_numbers_far_out_and_broken_encodings_are_flagged_and_left() -> None:
    rng = random.Random(9)
    table = {"n": [f"{rng.gauss(50, 5):.1f}" for _ in range(500)], "t": [hash_of(str(i), "t") for i in range(500)]}
    table["n"][7], table["t"][9] = "99999.0", "MÃ¼ller"
    assert {(f.row, f.column, f.after) for f in judged(pa.table(table))} == {(7, 0, None), (9, 1, None)}


@pytest.mark.parametrize(
    "table",
    [
        {"a": ["1"]},
        {"a": ["x", "x", "y"], "b": ["1", "1", "2"]},
        {"a": [None] * 100, "b": ["x"] * 100},
        {"a": ["same"] * 300, "b": ["same"] * 300},
        {"a": ["日本", "中国", "한국"] * 100, "b": ["😀", "😀😀", "é"] * 100},
        {f"c{i}": ["v"] * 20 for i in range(300)},
        {"a": [str(i) for i in range(500)]},
    ],
    ids=["one row", "tiny", "all null", "constant", "scripts", "wide", "all distinct"],
)
def test_a_table_that_teaches_nothing_comes_back_as_it_was(table: dict[str, list[str | None]]) -> None:
    assert judged(pa.table({name: pa.array(cells, pa.string()) for name, cells in table.items()})) == []


# --- files -------------------------------------------------------------------------------------------------------


def test_the_four_files_account_for_every_row_and_every_changed_cell(tmp_path: Path) -> None:
    rng = random.Random(1)
    dirty = dirt.soiled(rng, dirt.orders(rng, 1000), 0.02)
    done = clean(written(tmp_path / "in.parquet", dirty), tmp_path / "out")
    cleaned = pq.read_table(done.files["clean"])
    assert cleaned.schema == pa.table(dirty).schema
    assert done.rows == 1000 == done.clean + done.quarantined
    repairs = {(r["row"], r["column"]): r for r in content(done, "repairs")}
    assert len(repairs) == done.repaired > 0
    gone = {r["row"] for r in content(done, "quarantine")}
    kept = [row for row in range(1000) if row not in gone]
    for name, cells in dirty.items():
        for row, after in zip(kept, cleaned.column(name).to_pylist(), strict=True):
            repair = repairs.get((row, name), {"before": cells[row], "after": cells[row]})
            assert (cells[row], after) == (repair["before"], repair["after"])
    flags = {(f["row"], f["column"]) for f in content(done, "flags")}
    assert flags >= repairs.keys()
    assert len(flags) == done.flagged
    assert all(0 < f["confidence"] <= 1 and f["reason"] for f in content(done, "flags"))


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    rng = random.Random(6)
    source = written(tmp_path / "in.parquet", dirt.soiled(rng, dirt.tax(rng, 800), 0.05))
    one, two = (clean(source, tmp_path / name) for name in ("one", "two"))
    for name in one.files:
        assert Path(one.files[name]).read_bytes() == Path(two.files[name]).read_bytes(), name


@pytest.mark.parametrize("domain", ["orders", "tax", "beers", "flights"])
def test_what_was_cleaned_once_is_left_as_it_is(tmp_path: Path, domain: str) -> None:
    rng = random.Random(domain)
    once = clean(written(tmp_path / "in.parquet", dirt.soiled(rng, dirt.DOMAINS[domain](rng, 1000), 0.03)), tmp_path)
    assert once.repaired > 0
    again = clean(once.files["clean"], tmp_path / "again")
    assert again.repaired <= 0.02 * once.repaired


def test_csv_json_lines_and_parquet_are_judged_alike(tmp_path: Path) -> None:
    rng = random.Random(8)
    dirty = dirt.soiled(rng, dirt.beers(rng, 600), 0.03)
    rows = [dict(zip(dirty, cells, strict=True)) for cells in zip(*dirty.values(), strict=True)]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([dirty, *(row.values() for row in rows)])
    written(tmp_path / "in.parquet", dirty)
    found = [
        [
            (f["row"], f["column"], f["reason"])
            for f in content(clean(tmp_path / f"in.{kind}", tmp_path / kind), "flags")
        ]
        for kind in ("csv", "jsonl", "parquet")
    ]
    assert found[0] == found[1] == found[2] != []


def test_typed_columns_stay_typed_and_are_repaired(tmp_path: Path) -> None:
    keys = [i % 25 for i in range(500)]
    table = {"key": keys, "day": [date(2024, 1, 1 + key) for key in keys], "weight": [key / 8 for key in keys]}
    table["day"] = [None if row % 60 == 7 else day for row, day in enumerate(table["day"])]  # type: ignore[misc]
    done = clean(written(tmp_path / "in.parquet", table), tmp_path / "out")
    cleaned = pq.read_table(done.files["clean"])
    assert cleaned.schema == pa.table(table).schema
    assert cleaned.column("day").to_pylist() == [date(2024, 1, 1 + key) for key in keys]
    assert {r["before"] for r in content(done, "repairs")} == {None}


def test_nested_and_binary_columns_pass_through(tmp_path: Path) -> None:
    table = pa.table({"l": [[1, 2]] * 50, "s": [{"x": 1}] * 50, "b": [b"\xff\x00"] * 50, "t": ["a", "b"] * 25})
    pq.write_table(table, tmp_path / "in.parquet")
    done = clean(tmp_path / "in.parquet", tmp_path / "out")
    assert pq.read_table(done.files["clean"]).equals(table)


def test_lines_that_are_no_records_and_copies_of_the_header_go_to_quarantine(tmp_path: Path) -> None:
    """Rows are numbered through, records and broken lines alike."""
    (tmp_path / "in.csv").write_text('a,b,c\n1,2,3\n1,2\n"x,2,3\n4,5,6\n\n1,2,3,4\na,b,c\n7,8,9\n')
    done = clean(tmp_path / "in.csv", tmp_path / "out")
    assert [row["a"] for row in content(done, "clean")] == ["1", "4", "7"]
    gone = [(r["row"], r["rule"], r["line"]) for r in content(done, "quarantine")]
    assert gone == [
        (1, "readable", "1,2"),
        (2, "readable", '"x,2,3'),
        (4, "readable", "1,2,3,4"),
        (5, "header", None),
    ]
    assert (done.rows, done.clean, done.quarantined) == (7, 3, 4)


def test_a_row_most_of_whose_cells_are_wrong_goes_to_quarantine_whole(tmp_path: Path) -> None:
    rng = random.Random(12)
    table = {name: [f"{rng.randint(100, 999)}-{rng.randint(10, 99)}" for _ in range(300)] for name in "abcd"}
    for name in "abc":
        table[name][40] = "garbage"
    done = clean(written(tmp_path / "in.parquet", table), tmp_path / "out")
    (gone,) = content(done, "quarantine")
    assert (gone["row"], gone["rule"], gone["a"], gone["d"]) == (40, "beyond repair", "garbage", table["d"][40])
    assert (done.clean, done.repaired) == (299, 0)


def test_columns_of_the_input_that_are_called_as_ours_are_kept_beside_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("row,rule\n1,2\nx\n")
    (gone,) = content(clean(tmp_path / "in.csv", tmp_path / "out"), "quarantine")
    assert (gone["row"], gone["rule"], gone["_row"], gone["_rule"]) == (None, None, 1, "readable")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("a;b\nmüller;1\nstraße;2\n".encode("latin-1"), "read as latin-1"),
        ("a\tb\nx\t1\ny\t2\n".encode("utf-16"), "read as utf-16"),
        (b"a,a,\n1,2,3\n", "column 2, 'a' in the header, is called 'a_2'"),
    ],
)
def test_what_is_taken_for_granted_of_a_text_file_is_noted(tmp_path: Path, text: bytes, note: str) -> None:
    (tmp_path / "in.csv").write_bytes(text)
    done = clean(tmp_path / "in.csv", tmp_path / "out")
    assert note in done.notes
    assert done.quarantined == 0


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("in.csv", b""),
        ("in.csv", b"\n\n"),
        ("in.json", b"[1]"),
        ("in.parquet", b"PAR1 torn"),
        ("in.xlsx", b"x"),
        ("gone.csv", None),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_name(tmp_path: Path, name: str, text: bytes | None) -> None:
    if text is not None:
        (tmp_path / name).write_bytes(text)
    with pytest.raises(SourceError, match=name):
        clean(tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("a\n1\n")
    (tmp_path / "out").write_text("a file")
    with pytest.raises(TargetError, match="out"):
        clean(tmp_path / "in.csv", tmp_path / "out")


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_the_table_rows_are_conserved_and_only_listed_cells_change(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    words = st.sampled_from(
        ["", "a", "b", "aa", "n/a", "12", "12 oz", "x y", "North", "north", "Nroth", "é", "\x00", " "]
    )
    rows = data.draw(st.lists(st.tuples(words, words, words), max_size=60))
    table = dict(zip("abc", map(list, zip(*rows, strict=True)), strict=True)) if rows else {"a": [], "b": [], "c": []}
    folder = tmp_path_factory.mktemp("any")
    done = clean(
        written(folder / "in.parquet", {k: pa.array(v, pa.string()) for k, v in table.items()}), folder / "out"
    )
    assert done.rows == len(rows) == done.clean + done.quarantined
    changed = {(r["row"], r["column"]): r["after"] for r in content(done, "repairs")}
    gone = {r["row"] for r in content(done, "quarantine")}
    kept = [(row, cells) for row, cells in enumerate(rows) if row not in gone]
    for (row, cells), after in zip(kept, content(done, "clean"), strict=True):
        expected = {name: changed.get((row, name), cell) for name, cell in zip("abc", cells, strict=True)}
        assert after == expected


def test_rows_of_a_pipeline_get_the_same_repairs_as_changes_by_row_id(tmp_path: Path) -> None:
    rng = random.Random(3)
    dirty = dirt.soiled(rng, dirt.orders(rng, 600), 0.02)
    done = clean(written(tmp_path / "in.parquet", dirty), tmp_path / "out")
    with Engine(Limits(), tmp_path) as engine:
        # Backwards: the order of the rows must not matter.
        ids = pa.array(range(600, 0, -1), pa.int64())
        raw = engine.table(pa.table({ROW: ids, **{name: cells[::-1] for name, cells in dirty.items()}}))
        every = {name: np.arange(1, 601) for name in dirty}
        changes = changes_by_evidence(engine, raw, every, {}).to_pylist()
    expected = [{ROW: repair.pop("row") + 1, **repair} for repair in content(done, "repairs")]
    assert changes == expected != []


# --- doors -------------------------------------------------------------------------------------------------------


@pytest.fixture
def command() -> Callable[..., Any]:
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_says_what_became_of_the_rows(tmp_path: Path, command: Callable[..., Any]) -> None:
    rng = random.Random(1)
    source = written(tmp_path / "in.parquet", dirt.soiled(rng, dirt.orders(rng, 500), 0.02))
    told = command("clean", source, "--out", tmp_path / "out")
    assert told.exit_code == 0, told.output
    assert told.output.startswith("500 rows = 500 clean + 0 quarantined\n")
    as_json = json.loads(command("clean", source, "--out", tmp_path / "out", "--json").output)
    assert as_json == crewline.clean(source, tmp_path / "out").model_dump(mode="json")


def test_the_command_tells_an_unreadable_file_in_one_line(tmp_path: Path, command: Callable[..., Any]) -> None:
    told = command("clean", tmp_path / "none.csv", "--out", tmp_path / "out")
    assert told.exit_code == 2
    assert "none.csv" in told.output
    assert "Traceback" not in told.output
