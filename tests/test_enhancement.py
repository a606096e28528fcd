"""Repair by evidence when a dataset is enhanced: which cells may be touched, what is put there, what is told of it."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import journal, ledger
from core.settings import Settings
from core.spec import Check, Column, Expression, ForeignKey, InSet, Matches, NotNull, PipelineSpec, Unique
from core.store import Database
from flows import DataPipelineFlow, RunReport
from flows.audit import audit
from tests import tables
from tools.engine.engine import Engine
from tools.engine.limits import Limits
from tools.engine.rowid import ROW
from tools.orchestration.columns import keys
from tools.quality import enhancement
from tools.quality.enhancement import CONFIDENCE, enhanced
from tools.quality.validation import validate

CITIES = ("Aachen", "Bremen", "Celle", "Dresden", "Essen", "Fulda")
ROWS, ZIPS = 360, 30

Rows = dict[str, list[str | None]]
Change = tuple[str | None, str | None, str, float]


def customers(rows: int = ROWS, zips: int = ZIPS) -> Rows:
    """Rows whose zip tells the city."""
    zip_ = [f"{10000 + 37 * (row % zips)}" for row in range(rows)]
    city = [CITIES[int(z) % 31 % len(CITIES)] for z in zip_]
    return {"id": [f"C{row}" for row in range(rows)], "zip": list(zip_), "city": list(city)}


IN_SET = InSet(check="in_set", column="city", values=CITIES)
NOT_NULL = NotNull(check="not_null", column="city")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Limits(), tmp_path_factory.mktemp("engine")) as engine:
        yield engine


def enhance(engine: Engine, cells: Rows, *checks: Check, keys: tuple[str, ...] = ()) -> dict[tuple[int, str], Change]:
    """What was changed, by row number from 0 and column; that the rows are changed so and not otherwise is asserted."""
    raw = tables.text(engine, **cells)
    columns = {name: Column(type="string") for name in cells}
    done = enhanced(engine, raw, columns, checks, dataset="customers", keys=keys)
    listed = [row for table in done.changes for row in engine.rows(table)]
    changes = {(r[ROW] - 1, r["column"]): (r["before"], r["after"], r["rule"], r["confidence"]) for r in listed}
    assert len(changes) == len(listed), "a cell is listed twice"
    for name, before in cells.items():
        after = tables.column(engine, done.rows, name)
        expected = [changes.get((row, name), (cell, cell))[:2] for row, cell in enumerate(before)]
        assert list(zip(before, after, strict=True)) == expected
    return changes


def with_faults(cells: Rows, **faults: dict[int, str | None]) -> Rows:
    dirty = {name: list(texts) for name, texts in cells.items()}
    for name, of in faults.items():
        for row, text in of.items():
            dirty[name][row] = text
    return dirty


# --- what is repaired --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "check", "rule"),
    [
        ("Atlantis", IN_SET, "dependency:fault"),
        ("###", Matches(check="matches", column="city", pattern="[A-Z][a-z]+"), "dependency:fault"),
        (None, NOT_NULL, "dependency:gap"),
        ("x", Expression(check="expression", expression="length(city) > 2"), "dependency:fault"),
    ],
)
def test_a_cell_that_fails_a_check_becomes_what_the_rest_of_its_row_tells(
    engine: Engine, fault: str | None, check: Check, rule: str
) -> None:
    """Also where many of the column fail: what is known to be wrong does not count against the dependency."""
    truth = customers()
    dirty = with_faults(truth, city=dict.fromkeys(range(0, ROWS, 11), fault))
    changes = enhance(engine, dirty, check)
    assert changes.keys() == {(row, "city") for row in range(0, ROWS, 11)}
    for (row, _), (before, after, by, confidence) in changes.items():
        assert (before, after, by) == (fault, truth["city"][row], rule)
        assert CONFIDENCE <= confidence < 1


def test_what_a_whole_batch_lacks_is_repaired_as_well(engine: Engine) -> None:
    """Elsewhere that all of a batch differ in one way is a rule of their own; a check says that it is none."""
    truth = customers() | {"batch": [f"B{row // 20}" for row in range(ROWS)]}
    dirty = with_faults(truth, city=dict.fromkeys(range(40, 60)))
    changes = enhance(engine, dirty, NOT_NULL)
    assert {row: after for (row, _), (_, after, _, _) in changes.items()} == {
        row: truth["city"][row] for row in range(40, 60)
    }


def test_a_cell_repaired_twice_is_listed_once_as_it_came_and_as_it_is_at_last(engine: Engine) -> None:
    truth = customers()
    dirty = with_faults(truth, city={5: " n/a ", 9: " Essen "})
    changes = enhance(engine, dirty, NOT_NULL)
    assert changes[5, "city"][:3] == (" n/a ", truth["city"][5], "dependency:gap")
    assert changes[9, "city"] == (" Essen ", "Essen", "trim", 1.0)


def test_a_word_for_nothing_that_copies_fill_is_listed_once(engine: Engine) -> None:
    cells: Rows = {"id": ["a", "a"], "city": ["n/a", "Essen"]}
    raw = tables.text(engine, **cells)
    columns = {name: Column(type="string") for name in cells}
    checks = (NOT_NULL.model_copy(update={"severity": "minor"}), Unique(check="unique", columns=("id",)))
    found = validate(engine, raw, dataset="d", columns=columns, checks=checks, repair=True)
    listed = [row for table in found.changes for row in engine.rows(table)]
    assert [(r[ROW], r["before"], r["after"], r["rule"]) for r in listed] == [(1, "n/a", "Essen", "merge copies")]


# --- what is left ------------------------------------------------------------------------------------------------


def test_a_plausible_value_that_passes_the_checks_is_left(engine: Engine) -> None:
    """However rare it is in its group, and though the column has errors that are repaired."""
    truth = customers()
    other = next(city for city in CITIES if city != truth["city"][7])
    changes = enhance(engine, with_faults(truth, city={7: other, 20: "Atlantis"}), IN_SET, NOT_NULL)
    assert changes.keys() == {(20, "city")}


def test_other_cells_of_a_row_that_fails_are_left(engine: Engine) -> None:
    """A misspelling is repaired only where a check finds fault with it."""
    truth = customers()
    truth["land"] = ["Lower Saxony" if city == "Celle" else "elsewhere" for city in truth["city"]]
    row = truth["city"].index("Celle")
    changes = enhance(engine, with_faults(truth, city={row: None}, land={row: "Lower Saxny"}), NOT_NULL)
    assert changes.keys() == {(row, "city")}


@pytest.mark.parametrize("own", [True, False])
def test_keys_are_never_repaired_by_evidence(engine: Engine, own: bool) -> None:
    """Neither those that the dataset's checks name, nor those that rules find rows by."""
    truth = customers()
    dirty = with_faults(truth, city=dict.fromkeys(range(0, ROWS, 12), "Atlantis"))
    assert enhance(engine, dirty, IN_SET)
    on = ForeignKey(check="foreign_key", dataset="cities", on={"city": "name"})
    assert enhance(engine, dirty, IN_SET, *([on] if own else []), keys=() if own else ("city",)) == {}
    assert enhance(engine, dirty, IN_SET, Unique(check="unique", columns=("id", "city"))) == {}


def test_too_few_witnesses_repair_nothing(engine: Engine) -> None:
    """Two of two are less than `CONFIDENCE`; three of three are just enough."""
    truth = customers(rows=360, zips=120)
    assert enhance(engine, with_faults(truth, city={4: None}), NOT_NULL) == {}
    truth = customers(rows=360, zips=90)
    assert [c[3] for c in enhance(engine, with_faults(truth, city={4: None}), NOT_NULL).values()] == [0.8]


def test_a_repair_after_which_its_row_would_still_fail_is_not_made(engine: Engine) -> None:
    truth = customers()
    banned = str(truth["city"][3])
    check = Expression(check="expression", expression=f"city <> '{banned}' or zip <> '{truth['zip'][3]}'")
    assert enhance(engine, with_faults(truth, city={3: "Atlantis"}), IN_SET)[3, "city"][1] == banned
    assert enhance(engine, with_faults(truth, city={3: "Atlantis"}), IN_SET, check) == {}


def test_half_of_a_pair_is_no_repair(engine: Engine) -> None:
    """What spilt into the column before its own is moved only if both cells may be touched."""
    rng = random.Random(2)
    places = [("Portland", "OR"), ("San Diego", "CA"), ("Austin", "TX"), ("Denver", "CO")]
    chosen = [rng.choice(places) for _ in range(200)]
    cells: Rows = {"city": [city for city, _ in chosen], "state": [state for _, state in chosen]}
    for row in range(0, 200, 17):
        cells["city"][row], cells["state"][row] = f"{cells['city'][row]} {cells['state'][row]}", None
    missing = NotNull(check="not_null", column="state")
    assert enhance(engine, cells, missing) == {}
    letters = Matches(check="matches", column="city", pattern="([A-Z][a-z]+ )?[A-Z][a-z]+")
    changes = enhance(engine, cells, missing, letters)
    assert changes.keys() == {(row, name) for row in range(0, 200, 17) for name in ("city", "state")}


def test_more_cells_than_are_looked_at_are_told_of_and_left(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enhancement, "CELLS", 3 * ROWS - 1)
    raw = tables.text(engine, **with_faults(customers(), city={3: None}))
    columns = dict.fromkeys(("id", "zip", "city"), Column(type="string"))
    done = enhanced(engine, raw, columns, (NOT_NULL,), dataset="customers")
    assert done.changes == []
    assert done.notes == [
        "customers: 360 rows of 3 columns are too many to repair cells by evidence, which is done up to 1,079 cells."
    ]


def test_columns_that_find_rows_are_keys_through_renames_and_derivations() -> None:
    spec = PipelineSpec.model_validate(
        {
            "name": "orders",
            "sources": {
                "orders": {
                    "kind": "csv",
                    "path": "o",
                    "columns": dict.fromkeys(("id", "client", "place", "sum", "state"), "string"),
                },
                "clients": {"kind": "csv", "path": "c", "columns": dict.fromkeys(("no", "mail", "name"), "string")},
            },
            "validation": {
                "orders": [
                    {"check": "unique", "columns": ["id"]},
                    {"check": "foreign_key", "dataset": "orders", "on": {"place": "sum"}},
                ]
            },
            "transformation": {
                "orders": [{"rule": "rename", "columns": {"client": "buyer"}}],
                "clients": [{"rule": "derive", "columns": {"handle": "lower(mail)"}}],
            },
            "enrichment": {
                "orders": [{"rule": "join", "dataset": "clients", "on": {"buyer": "handle"}, "columns": ["name"]}]
            },
            "target": {"path": "out"},
        }
    )
    assert keys(spec, "orders") == {"id", "client", "place", "sum"}
    assert keys(spec, "clients") == {"mail"}


TEXTS = st.sampled_from([*CITIES, "aachen", "Bremn", "Atlantis", "n/a", "", " Essen", None, "x"])


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    city=st.dictionaries(st.integers(0, ROWS - 1), TEXTS, max_size=40),
    zips=st.dictionaries(st.integers(0, ROWS - 1), st.sampled_from(["10000", "10037", "1003", None]), max_size=10),
    checks=st.sets(st.sampled_from([IN_SET, NOT_NULL, Matches(check="matches", column="zip", pattern="[0-9]{5}")])),
)
def test_what_evidence_repairs_are_cells_that_fail_and_pass_afterwards(
    engine: Engine, city: dict[int, str | None], zips: dict[int, str | None], checks: set[Check]
) -> None:
    dirty = with_faults(customers(), city=city, zip=zips)
    changes = enhance(engine, dirty, *checks, Unique(check="unique", columns=("id",)))
    about = {check.column: check for check in checks}  # type: ignore[union-attr]
    for (_, name), (before, after, rule, confidence) in changes.items():
        if rule.partition(":")[0] in ("dependency", "misspelling", "vote"):
            assert name in about
            assert before not in CITIES
            assert after in CITIES if name == "city" else len(after or "") == 5
            assert confidence >= CONFIDENCE


# --- in a pipeline -----------------------------------------------------------------------------------------------

SPEC = """
name: addresses
sources:
  customers:
    kind: csv
    path: customers.csv
    columns: {id: string, zip: string, city: string, spent: integer}
validation:
  customers:
    - {check: unique, columns: [id]}
    - {check: not_null, column: city}
    - {check: in_set, column: city, values: [Aachen, Bremen, Celle, Dresden, Essen, Fulda]}
aggregation:
  dataset: customers
  group_by: [city]
  aggregates: {customers: count(*), spent: sum(spent)}
target: {path: out}
gate: {publish: 0.99}
"""


TRUTH = customers()
FAULTS: dict[int, str | None] = {row: "Atlantis" if row % 4 else None for row in range(3, ROWS, 11)}


def run(folder: Path, database: Database) -> RunReport:
    rows = zip(*with_faults(TRUTH, city=FAULTS).values(), range(ROWS), strict=True)
    lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
    (folder / "customers.csv").write_text("\n".join(["id,zip,city,spent", *lines]) + "\n")
    (folder / "pipeline.yaml").write_text(SPEC)
    report: RunReport = DataPipelineFlow(folder / "pipeline.yaml", database=database).kickoff()
    return report


def test_a_run_repairs_by_evidence_and_accounts_for_it(
    tmp_path: Path, database: Database, configuration: Settings
) -> None:
    """The published groups are those of the clean rows."""
    report = run(tmp_path, database)
    assert (report.status, report.route) == ("published", "enhance")
    proof = audit(database, report.run_id, configuration)
    assert proof.balanced, proof.checks
    assert proof.records.quarantined == 0
    repairs = pq.read_table(proof.repairs[0]).to_pylist()
    assert {(r["record"] - 1, r["column"], r["before"], r["after"]) for r in repairs} == {
        (row, "city", before, TRUTH["city"][row]) for row, before in FAULTS.items()
    }
    assert all(r["rule"].startswith("dependency:") and r["confidence"] >= CONFIDENCE for r in repairs)
    result: dict[str, list[Any]] = pq.read_table(tmp_path / "out").to_pydict()
    spent = {city: sum(row for row in range(ROWS) if TRUTH["city"][row] == city) for city in set(TRUTH["city"])}
    assert dict(zip(result["city"], result["spent"], strict=True)) == spent


def test_a_run_that_looks_for_no_evidence_says_so_and_quarantines(
    tmp_path: Path, database: Database, configuration: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the outcome, and in the journal."""
    monkeypatch.setattr(enhancement, "CELLS", 100)
    report = run(tmp_path, database)
    key = "validation/customers/0@1"
    outcome = ledger.outcomes(database, report.run_id, [key])[key]
    told = next(e for e in journal.events(database, report.run_id, kind="step.committed") if e.step == key)
    assert "too many to repair cells by evidence" in outcome.notes[0]
    assert told.data["notes"] == outcome.notes
    proof = audit(database, report.run_id, configuration)
    assert proof.balanced, proof.checks
    assert proof.records.quarantined == len(FAULTS)
